"""A real MLflow server of its own, to compare with and to fetch from."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.support.mlflow_environments import MLFLOW, mlflow_python, new_mlflow_database
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import die_with_parent
from tests.support.servers import PATIENCE

# Children first.
TABLES = (
    "registered_model_aliases",
    "model_version_tags",
    "model_versions",
    "registered_model_tags",
    "registered_models",
)


@dataclass(frozen=True)
class MlflowServer:
    """A stock server with SQLite and a directory of artifacts, which it serves itself."""

    url: str
    folder: Path

    def forget_models(self) -> None:
        """Empty its registry behind its back."""
        with closing(sqlite3.connect(self.folder / "mlflow.db")) as connection, connection:
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}")


@contextmanager
def running_mlflow(folder: Path, *, python: Path | None = None, registry: str | None = None) -> Iterator[MlflowServer]:
    """Start one in *folder*, of another *python* and with another *registry* store where given; its home is there too.

    Afterwards nothing of it is left running.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new_mlflow_database(folder / "mlflow.db")
    python, port = python or mlflow_python(MLFLOW), free_port()
    found = MlflowServer(f"http://127.0.0.1:{port}", folder)
    command = [
        *(str(python), "-m", "mlflow", "server"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts"),
        *(("--registry-store-uri", registry) if registry else ()),
    ]
    path = f"{python.parent}:{os.environ['PATH']}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={
                **os.environ,
                "PATH": path,
                "HOME": str(folder),
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
                "MLFLOW_ALLOWED_HOST_ADDRESSED_ARTIFACT_SCHEMES": "http",  # artifacts may be sent to this registry
            },
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
        )
        try:
            eventually(lambda: _answers(found.url, process, folder / "log"), f"MLflow is ready; see {folder / 'log'}")
            yield found
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        raise AssertionError(f"MLflow ended while starting:\n{log.read_text()[-4000:]}")
    try:
        return requests.get(f"{url}/health", timeout=PATIENCE).status_code == 200
    except requests.ConnectionError:
        return False
