"""Fixtures that every suite shares: databases, the app over each, and an identity for each role."""

from __future__ import annotations

import contextlib
import functools
import gc

gc.disable()  # until all is imported and collected: nothing of it is garbage, and the searches take a third of the time

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import settings

from registry.app import create_app
from registry.config import Secret, Settings
from registry.db import migrate
from registry.db.session import db
from registry.domain.access import GRANTABLE, LOCAL_DEV
from registry.http.context import EXTENSION
from registry.services.accounts import accounts
from tests.support import logging_state, open_connections, openapi_conformance
from tests.support.api import Api
from tests.support.databases import Database, PostgresDatabase, SqliteDatabase
from tests.support.memory_disk import memory_disk
from tests.support.postgres import running_postgres
from tests.support.processes import PROBE_SECONDS
from tests.support.registry_builder import RegistryBuilder, in_process
from tests.support.registry_identity import claim, identify
from tests.support.servers import Launcher

pytest_plugins = ["pytester", "tests.support.mlflow_fixtures", "tests.support.s3_fixtures", "tests.support.variants"]

SECRET = "a secret for tests, long enough to be taken"
for name in [name for name in os.environ if name.startswith("REGISTRY_")]:
    del os.environ[name]  # the suite's settings are its own
os.environ["REGISTRY_RETRY_SECONDS"] = "5"  # in CI and elsewhere
os.environ["REGISTRY_PROBE_SECONDS"] = str(PROBE_SECONDS)
# Images set this. Every server, client and command that a test starts would compile all that it imports anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


# Begun first, so that no worker is left with one of them when the others have done. xdist gives the first quarter of
# all tests to one worker: that one alone imports each MLflow and starts its server, which takes ten seconds.
LONG = {
    "deploy/test_rolling_upgrade.py",
    "docs/test_tutorial.py",
    "e2e/test_mlflow.py",
    "mlflow/test_alias_clients.py",
    "mlflow/test_artifact_clients.py",
    "mlflow/test_differential.py",
    "mlflow/test_moving.py",
    "mlflow/test_plugin.py",
    "mlflow/test_upstream.py",
    "services/search/test_search_as_mlflow.py",
}


def pytest_configure(config: pytest.Config) -> None:
    """Generate a quarter of the usual examples, the same in each run: only --every-variant looks for new ones.

    Without a deadline, which on a busy machine would fail what holds.
    """
    every = config.getoption("--every-variant")
    settings.register_profile(
        "registry", deadline=None, max_examples=100 if every else 25, derandomize=not every, database=None
    )
    settings.load_profile("registry")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Import a share of the test files in each of xdist's workers: compiling them takes longer than importing them.

    A worker then collects with what the others compiled. All compiled every file when all collected in one order.
    """
    worker: dict[str, Any] | None = getattr(session.config, "workerinput", None)
    if worker is None:
        return
    root = session.config.rootpath
    files = sorted(file for name in session.config.args for file in (root / name).rglob("test_*.py"))
    number = int(worker["workerid"].removeprefix("gw"))
    for file in files[number :: worker["workercount"]]:
        # Collection imports again what failed, and reports it.
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(file.relative_to(root).with_suffix("").parts))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest tests first."""
    items.sort(key=lambda item: item.nodeid.partition("::")[0].removeprefix("tests/") not in LONG)


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of every later search for garbage, which took a tenth of the time."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 50, 100)  # most of what a request leaves goes without a search


def pytest_xdist_auto_num_workers() -> int:
    """Two workers more than cores: many tests wait for servers, databases and disks."""
    return (os.cpu_count() or 1) + 2


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server on which databases may be created."""
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    """Forks servers and workers of ours."""
    launcher = Launcher(forked=True)
    yield launcher
    launcher.close()


@pytest.fixture(scope="session")
def quick_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory for what is synchronised often and stays small: in memory, where there is room."""
    with memory_disk(tmp_path_factory.mktemp("quick")) as quick_disk:
        yield quick_disk


@pytest.fixture
def quick_path(quick_disk: Path) -> Iterator[Path]:
    """As ``tmp_path``, for a test that makes a database or a store of its own."""
    with tempfile.TemporaryDirectory(dir=quick_disk) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def storage_root(quick_disk: Path) -> Path:
    (quick_disk / "artifacts").mkdir()
    return quick_disk / "artifacts"


@pytest.fixture(scope="session")
def make_settings(storage_root: Path) -> Callable[..., Settings]:
    """Settings over a database's URL; keywords change them."""

    def make(url: str, **changes: object) -> Settings:
        values = {
            "database_url": Secret(url),
            "storage_url": f"file://{storage_root}",
            "secret_key": Secret(SECRET),
            "data_dir": storage_root,
            "login_failures_per_address": 0,  # one address tries what is hostile; see test_login_failures
            "login_failures_per_token": 0,
            "metrics_cache_seconds": 0,  # a test reads what it has just counted
            "drain_seconds": 0,
            "probe_seconds": PROBE_SECONDS,
            "token_cache_seconds": 60,  # statements are counted of requests whose token is remembered
            "import_sources": ("https://sources.test/models",),  # a name that nobody has
            **changes,
        }
        return Settings(**values)  # type: ignore[arg-type]  # the names are the fields'

    return make


@pytest.fixture(scope="session")
def databases(
    request: pytest.FixtureRequest, quick_disk: Path, make_settings: Callable[..., Settings]
) -> Callable[[str], Database]:
    """The database of each kind, made when a test first asks for it."""

    @functools.cache
    def get(kind: str) -> Database:
        prepare = functools.partial(_prepare, make_settings)
        if kind == "sqlite":
            return SqliteDatabase(quick_disk / "sqlite", prepare)
        return PostgresDatabase(request.getfixturevalue("postgres_server"), prepare)

    return get


@pytest.fixture(scope="session")
def apps(databases: Callable[[str], Database], make_settings: Callable[..., Settings]) -> Callable[[str], Flask]:
    """The app over each kind of database, made once: making one takes longer than most tests."""
    return functools.cache(lambda kind: openapi_conformance.watched(create_app(make_settings(databases(kind).url))))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, databases: Callable[[str], Database], storage_root: Path) -> Database:
    """A migrated database without any model, on each kind; it has the tokens of every role."""
    database = databases(request.param)
    database.reset()
    claim(storage_root)
    return database


@pytest.fixture
def app(database: Database, apps: Callable[[str], Flask]) -> Iterator[Flask]:
    """The app over the test's database, in production mode."""
    app = apps(database.kind)
    yield app
    with app.app_context():
        db.engine.dispose()
    assert openapi_conformance.faults(app) == []


@pytest.fixture
def anonymous(app: Flask) -> Api:
    """A client that sends no token."""
    return Api(app.test_client(), None)


@pytest.fixture
def api(app: Flask, database: Database) -> Api:
    """A client that may do everything."""
    return Api(app.test_client(), database.tokens["all"])


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """What runs in this process may configure logging; after each test it is as before."""
    yield
    logging_state.restore()


@pytest.fixture(autouse=True)
def _connections() -> Iterator[None]:
    """A test that makes an app disposes its engine."""
    yield
    assert open_connections.left_open() == []


@pytest.fixture
def as_role(app: Flask, database: Database) -> Callable[[str], Api]:
    """A client with one role."""
    return lambda role: Api(app.test_client(), database.tokens[role])


@pytest.fixture
def registry(api: Api) -> RegistryBuilder:
    """Create what a test starts from, in this process."""
    return in_process(api)


def _prepare(make_settings: Callable[..., Settings], url: str) -> dict[str, str]:
    migrate.upgrade(url)
    app = create_app(make_settings(url))
    identify(app)
    wanted = {role.value: [role] for role in sorted(GRANTABLE)} | {"all": sorted(GRANTABLE)}
    with app.app_context():
        pepper = app.extensions[EXTENSION].pepper
        made = {
            name: accounts.create_token(name, roles, actor=LOCAL_DEV, pepper=pepper).token or ""
            for name, roles in wanted.items()
        }
        db.engine.dispose()
    return made
