"""A release before a schema that is newer than it: it goes on where the schema says so, and refuses elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from registry.db import migrate, schema
from registry.domain.errors import Unavailable
from tests.conftest import SECRET
from tests.support.api import Api
from tests.support.crashes import command
from tests.support.databases import Database, empty_postgres
from tests.support.processes import environment

ROOT = Path(__file__).parents[2]
FIRST_WITH_A_PROMISE = "0006"  # the releases before the table could not read one
RELEASE_BEFORE = "0006"  # the newest migration of the release before this one, which serves beside it in an upgrade
KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
NEWER = "9999"


@pytest.fixture
def newer(database: Database) -> Iterator[sa.Engine]:
    """The test's database, as a later release has left it: with a revision that nobody here knows."""
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{NEWER}'")
        connection.exec_driver_sql("ALTER TABLE models ADD COLUMN colour TEXT")
    yield engine
    database.reset()


def releases(url: str) -> set[str]:
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        return set(connection.exec_driver_sql("SELECT revision FROM compatible_releases").scalars())


def expel(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM compatible_releases")


@KINDS
def test_an_upgrade_names_the_releases_that_work_with_the_schema(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    if kind == "postgresql":
        url = empty_postgres(request.getfixturevalue("postgres_server"))

    migrate.upgrade(url)

    assert {schema.head(), RELEASE_BEFORE} <= releases(url)
    assert releases(url) <= {script.revision for script in _scripts()}


def test_a_release_goes_on_with_a_newer_schema_that_works_with_it(database: Database, newer: sa.Engine) -> None:
    schema.require_working(database.url)
    migrate.upgrade(database.url)

    assert migrate.check(database.url) == []
    assert schema.current(database.url) == NEWER
    assert migrate.describe(database.url) == f"9999, newer than this release ({schema.head()}), which works with it"


def test_a_service_is_ready_on_a_newer_schema_that_works_with_it(newer: sa.Engine, anonymous: Api) -> None:
    assert anonymous.get("/readyz").status_code == 200


def test_a_service_is_not_ready_on_a_newer_schema_that_does_not_work_with_it(newer: sa.Engine, anonymous: Api) -> None:
    expel(newer)

    answer = anonymous.get("/readyz")

    assert answer.status_code == 503
    assert "does not work: run the release that migrated it" in answer.json["checks"]["migrations"]["detail"]


def test_a_release_refuses_a_newer_schema_that_does_not_work_with_it(database: Database, newer: sa.Engine) -> None:
    expel(newer)

    for refused in (schema.require_working, migrate.upgrade):
        with pytest.raises(Unavailable, match=r"at 9999, on which this release .* does not work"):
            refused(database.url)

    assert "9999" in migrate.check(database.url)[0]
    assert schema.current(database.url) == NEWER


def test_a_newer_schema_without_the_table_is_refused(database: Database, newer: sa.Engine) -> None:
    with newer.begin() as connection:
        connection.exec_driver_sql("DROP TABLE compatible_releases")

    with pytest.raises(Unavailable, match="does not work"):
        schema.require_working(database.url)


def test_a_newer_schema_whose_history_can_be_changed_is_reported(database: Database, newer: sa.Engine) -> None:
    table = "" if database.kind == "sqlite" else " ON audit_entries"
    with newer.begin() as connection:
        connection.exec_driver_sql(f"DROP TRIGGER audit_entries_keep_update{table}")

    assert any("audit_entries_keep_update" in problem for problem in migrate.check(database.url))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_worker_ends_with_a_sentence_where_its_release_does_not_work(
    database: Database, newer: sa.Engine, tmp_path: Path
) -> None:
    expel(newer)
    settings = {"REGISTRY_DATABASE_URL": database.url, "REGISTRY_SECRET_KEY": SECRET}

    ended = command("worker", "--once", cwd=tmp_path, env=environment(**settings))

    assert ended.returncode == 8
    assert "does not work: run the release that migrated it" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_every_migration_says_which_releases_work_with_it() -> None:
    silent = [script.revision for script in _scripts() if not hasattr(script.module, "works_with")]

    assert [revision for revision in silent if revision >= FIRST_WITH_A_PROMISE] == []


def _scripts() -> list[object]:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.set_main_option("path_separator", "os")
    return list(ScriptDirectory.from_config(config).walk_revisions())
