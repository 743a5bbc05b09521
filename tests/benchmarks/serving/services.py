"""Start what is compared: this service, MLflow's server, and the floor, each with two workers."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.benchmarks.serving import floor
from tests.benchmarks.serving.catalogue import Catalogue
from tests.benchmarks.serving.database import Database
from tests.benchmarks.serving.streams import Server
from tests.support.mlflow_environments import MLFLOW, mlflow_python
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import die_with_parent, environment

WORKERS, THREADS = 2, 8
PATIENCE = 180.0
POLL = 0.01
REGISTRY = (sys.executable, "-m", "registry.cli.main")
ROLES = ["admin", "promoter", "writer"]
OWNER = "bench"
DRIVER = "psycopg2-binary==2.9.13"  # what MLflow's documentation has for PostgreSQL


@dataclass(frozen=True)
class Service:
    """A running service: ``root`` is the process that started all the others, ``ready_after`` seconds from its exec."""

    server: Server
    root: int
    ready_after: float


@contextmanager
def running_registry(folder: Path, database: Database, *, checkout: Path | None = None) -> Iterator[Service]:
    """This service as an operator runs it, logged in: migrated, with tokens, its store a directory.

    With *checkout* the code of another checkout runs, with the packages that are installed here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    settings = _settings(folder, database) | {"REGISTRY_BIND": f"127.0.0.1:{port}"} | code_of(checkout)
    subprocess.run([*REGISTRY, "db", "upgrade"], env=settings, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with _running([*REGISTRY, "serve"], settings, folder, f"http://127.0.0.1:{port}/readyz") as (root, seconds):
        token = _token(folder, port)
        yield Service(Server(port, {"Authorization": f"Bearer {token}"}), root, seconds)


@contextmanager
def running_worker(folder: Path, database: Database, **settings: str) -> Iterator[int]:
    """Run ``registry worker`` for a registry that :func:`running_registry` has started; the process id."""
    process = subprocess.Popen(
        [*REGISTRY, "worker"],
        cwd=folder,
        env=_settings(folder, database) | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
    )
    try:
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def code_of(checkout: Path | None) -> dict[str, str]:
    """Return the environment in which Python imports the code of *checkout*; empty for this one."""
    return {"PYTHONPATH": str(checkout)} if checkout else {}


def verify_history(folder: Path, database: Database) -> None:
    """Raise CalledProcessError unless the audit log agrees with what it fills: no service sealed those entries."""
    # A baseline is recorded only where nothing else is wrong.
    command = [*REGISTRY, "audit", "verify", "--local", "--baseline", "--accept-unsealed"]
    subprocess.run(command, env=_settings(folder, database), cwd=folder, check=True, stdout=subprocess.DEVNULL)


def account(database: Database) -> str:
    """The id of the account that the benchmark's token acts for."""
    with database.connection() as connection:
        return str(connection.execute("SELECT id FROM accounts WHERE name = %s", (OWNER,)).fetchall()[0][0])


@contextmanager
def running_mlflow(folder: Path, database: Database) -> Iterator[Service]:
    """A stock MLflow server with PostgreSQL, without its job runners, which a registry does not need."""
    folder.mkdir(parents=True, exist_ok=True)
    python, port = mlflow_python(MLFLOW), free_port()
    command = [
        str(python.parent / "mlflow"),
        "server",
        *("--host", "127.0.0.1", "--port", str(port), "--workers", str(WORKERS)),
        *("--backend-store-uri", database.url("psycopg2")),
        *("--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts"),
    ]
    settings = environment(
        PATH=f"{python.parent}:{os.environ['PATH']}",
        PYTHONPATH=str(_driver(python)),
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
    )
    with _running(command, settings, folder, f"http://127.0.0.1:{port}/health") as (root, seconds):
        yield Service(Server(port, {}), root, seconds)


@contextmanager
def running_floor(folder: Path, database: Database, wanted: Catalogue) -> Iterator[Service]:
    """Flask and one statement under the same gunicorn."""
    folder.mkdir(parents=True, exist_ok=True)
    with database.connection() as connection:
        for statement in (floor.TABLES % {"rows": wanted.versions}).split(";"):
            if statement.strip():
                connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE floor")
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"),
        *("--workers", str(WORKERS), "--worker-class", "gthread", "--threads", str(THREADS), "--keep-alive", "75"),
        *("--no-control-socket", "--chdir", str(Path(__file__).parents[3])),
        "tests.benchmarks.serving.floor:make_app()",
    ]
    settings = environment() | {floor.URL: database.url()}
    with _running(command, settings, folder, f"http://127.0.0.1:{port}/model-000000") as (root, seconds):
        yield Service(Server(port, {}), root, seconds)


@contextmanager
def _running(
    command: Sequence[str], settings: Mapping[str, str], folder: Path, url: str
) -> Iterator[tuple[int, float]]:
    log = folder / "log"
    with log.open("ab") as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(settings),
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
        )
        try:
            eventually(lambda: _answers(url, process, log), "the service answers", seconds=PATIENCE, interval=POLL)
            yield process.pid, time.perf_counter() - begin
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _answers(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"it ended while starting:\n{log.read_text()[-4000:]}")
    try:
        return requests.get(url, timeout=PATIENCE).status_code == 200
    except requests.ConnectionError:
        return False


def _settings(folder: Path, database: Database) -> dict[str, str]:
    return environment(
        REGISTRY_DATABASE_URL=database.url(),
        REGISTRY_DATA_DIR=str(folder / "data"),
        REGISTRY_SECRET_KEY=_secret(folder),
        REGISTRY_WORKERS=str(WORKERS),
        REGISTRY_THREADS=str(THREADS),
    )


def _secret(folder: Path) -> str:
    """The same over restarts: tokens are hashed with it."""
    path = folder / "secret"
    if not path.exists():
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()


def _token(folder: Path, port: int) -> str:
    kept = folder / "token"
    if not kept.exists():
        bootstrap = (folder / "data" / "bootstrap-token").read_text().strip()
        made = requests.post(
            f"http://127.0.0.1:{port}/api/v1/tokens",
            json={"owner": OWNER, "roles": ROLES},
            headers={"Authorization": f"Bearer {bootstrap}"},
            timeout=PATIENCE,
        )
        made.raise_for_status()
        kept.write_text(made.json()["token"])
    return kept.read_text()


def _driver(python: Path) -> Path:
    """A directory with MLflow's driver for PostgreSQL, beside an environment that others share as it is."""
    place = python.parents[2] / "postgres-driver"
    complete = place / "complete"
    if not complete.exists() or complete.read_text() != DRIVER:
        uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python)]
        subprocess.run([*uv, "--target", str(place), DRIVER], check=True, stdout=sys.stderr)
        complete.write_text(DRIVER)
    return place
