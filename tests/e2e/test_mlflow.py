"""A team that logs to a stock tracking server and registers here: train, promote, load, roll back, load again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.forked_processes import mlflow_server, serving
from tests.support.mlflow_environments import MLFLOW, mlflow_python
from tests.support.mlflow_server import MlflowServer
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import environment

SCRIPTS = Path(__file__).parents[1] / "mlflow"


@dataclass(frozen=True)
class Team:
    """A tracking server, this registry beside it, and a machine that knows only the registry."""

    tracking: MlflowServer
    registry: str
    home: Path

    def train(self, *strengths: str) -> list[dict[str, Any]]:
        """Train and register one version for each strength, with all that MLflow tells of it."""
        out = self._python("train.py", self.tracking.url, self.registry, *strengths, env=dict(os.environ))
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]

    def send(self) -> dict[str, Any]:
        """Train and register a version whose files go to the artifact area of this registry."""
        out = self._python("send.py", self.tracking.url, self.registry, env=dict(os.environ))
        sent: dict[str, Any] = json.loads(out.splitlines()[-1])
        return sent

    def load(self, *uris: str) -> dict[str, Any]:
        """What a machine without any credentials or settings loads."""
        bare = {"HOME": str(self.home), "PATH": os.environ["PATH"]}
        out = self._python("serve.py", self.registry, *uris, env=bare)
        loaded: dict[str, Any] = json.loads(out.splitlines()[-1])
        return loaded

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the native API that succeeds."""
        response = requests.request(method, f"{self.registry}/api/v1{path}", json=body, timeout=60)
        assert response.status_code < 400, response.text
        return response.json()

    def finished(self, number: int) -> Any:
        """A version once the end of its run was added to it."""
        version: dict[str, Any] = {}

        def has_ended() -> bool:
            version.update(self.ask("GET", f"/models/fraud/versions/{number}"))
            return bool(version["run_state"] != "unfinished")

        eventually(has_ended, "the end of the run is added")
        return version

    def _python(self, script: str, *arguments: str, env: dict[str, str]) -> str:
        settings = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "GIT_PYTHON_REFRESH": "quiet"}
        server = mlflow_server(mlflow_python(MLFLOW))
        done = server.run(SCRIPTS / script, *arguments, cwd=self.home, env=env | settings)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout


@pytest.fixture
def team(stock_mlflow: MlflowServer, tmp_path: Path) -> Iterator[Team]:
    (tmp_path / "home").mkdir()
    port = free_port()
    url, upstream = f"http://127.0.0.1:{port}", json.dumps({"url": stock_mlflow.url})
    env = environment(REGISTRY_BIND=f"127.0.0.1:{port}", REGISTRY_MLFLOW_TRACKING=upstream)
    with serving("--dev", cwd=tmp_path, env=env, url=url):
        yield Team(stock_mlflow, url, tmp_path / "home")


def test_what_was_promoted_is_what_is_loaded_and_a_rollback_brings_the_former_bytes_back(team: Team) -> None:
    first, second = team.train("1", "2")
    for number in (1, 2):
        for stage in ("staging", "production"):
            team.ask("PUT", f"/models/fraud/versions/{number}/stage", {"stage": stage, "reason": "approved by risk"})
    team.ask("PUT", "/models/fraud/aliases/champion", {"version": 2})

    promoted = team.load("models:/fraud/Production", "models:/fraud@champion", "models:/fraud/1")
    team.ask("POST", "/models/fraud/rollback", {"reason": "latency regression"})
    returned = team.load("models:/fraud/Production")

    assert [promoted[uri]["C"] for uri in promoted] == [2.0, 2.0, 1.0]
    assert promoted["models:/fraud/Production"]["files"] == second["files"]
    assert returned["models:/fraud/Production"] == {"C": 1.0, "files": first["files"]}
    listed = team.ask("GET", "/models/fraud/versions/1/files")["items"]
    assert {file["path"]: file["sha256"] for file in listed} == first["files"]

    version = team.finished(1)
    run = version["lineage"]["run"]
    assert (version["state"], version["framework"]) == ("ready", "sklearn")
    assert (run["system"], run["id"], run["params"]) == ("mlflow", first["run"], {"C": "1"})
    assert (run["metrics"], run["unmeasured"]) == ({"auc": 0.9, "f1": 0.8}, {"loss": "NaN"})
    assert version["metrics"] == run["metrics"]
    assert run["finished_at"] > run["started_at"]
    dataset, later = sorted(version["lineage"]["datasets"], key=lambda one: one["role"], reverse=True)
    assert [(one["name"], one["role"]) for one in (dataset, later)] == [("transactions", "train"), ("holdout", "test")]
    assert [digest.partition(":")[0] for digest in dataset["digests"]] == ["mlflow"]
    items = team.ask("GET", f"/search/versions?filter=dataset.digest = '{dataset['digests'][0]}'")["items"]
    assert {item["number"] for item in items} == {1, 2}


@pytest.mark.slow
def test_files_that_are_sent_through_the_registry_keep_the_run_that_they_name(team: Team) -> None:
    sent = team.send()

    version = team.ask("GET", "/models/fraud/versions/1")
    run = version["lineage"]["run"]
    assert (version["state"], sent["status"], sent["version_run"]) == ("ready", "READY", sent["run"])
    assert (run["system"], run["id"], run["stated_by"]) == ("mlflow", sent["run"], "MLmodel")
    assert team.load("models:/fraud/1")["models:/fraud/1"]["C"] == 1.0
