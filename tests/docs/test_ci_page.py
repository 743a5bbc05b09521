"""The commands of the page about CI, with the tokens that it names, as jobs of three CI systems."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SECRET
from tests.docs.pages import DOCS, blocks
from tests.support.databases import Database
from tests.support.processes import SCRIPTS, environment
from tests.support.servers import Launcher, running_fleet

PAGE = DOCS / "ci.md"
CI_SYSTEMS = {
    "github": {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "77", "GITHUB_REPOSITORY": "risk/fraud",
               "GITHUB_SHA": "a" * 40},
    "gitlab": {"GITLAB_CI": "true", "CI_PIPELINE_ID": "88", "CI_COMMIT_SHA": "b" * 40,
               "CI_PROJECT_URL": "https://gitlab.example/risk/fraud"},
    "azure": {"TF_BUILD": "True", "BUILD_BUILDID": "99", "BUILD_SOURCEVERSION": "c" * 40,
              "BUILD_REPOSITORY_URI": "https://dev.azure.com/risk/_git/fraud",
              "SYSTEM_COLLECTIONURI": "https://dev.azure.com/risk/", "SYSTEM_TEAMPROJECT": "fraud"},
}  # fmt: skip


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_ci_section_runs_with_a_writers_and_a_promoters_token(
    database: Database, launcher: Launcher, tmp_path: Path
) -> None:
    train, release = blocks(PAGE, "sh")
    (program,) = blocks(PAGE, "python")
    for name in ("model", "fleet"):
        (tmp_path / name).mkdir()
    for name, text in {"train.csv": "a,b\n", "metrics.json": '{"auc": 0.9}', "params.json": '{"depth": 6}'}.items():
        (tmp_path / name).write_text(text)
    settings = {"database_url": database.url, "token": database.tokens["all"], "secret": SECRET}
    with running_fleet(launcher, tmp_path / "fleet", **settings) as fleet, fleet.caller() as caller:
        for system, variables in CI_SYSTEMS.items():
            (tmp_path / "model" / "model.bin").write_text(system)
            env = environment(HOME=str(tmp_path), REGISTRY_URL=fleet.server.url, **variables)
            env["PATH"] = f"{SCRIPTS}{os.pathsep}{env['PATH']}"

            trained = _bash(train, tmp_path, env | {"REGISTRY_TOKEN": database.tokens["writer"]})
            released = _bash(release, tmp_path, env | {"REGISTRY_TOKEN": database.tokens["promoter"]})

            assert (trained.returncode, released.returncode) == (0, 0), trained.stderr + released.stderr

        again = _bash(release, tmp_path, env | {"REGISTRY_TOKEN": database.tokens["promoter"]})
        (tmp_path / "model" / "model.bin").write_text("from Python")
        of_python = _run([sys.executable, "-c", program], tmp_path, env | {"REGISTRY_TOKEN": database.tokens["writer"]})
        history = caller.get("/models/fraud/history?action=version.promoted")["items"]

    assert (again.returncode, "you expected version 2 to hold production, but version 3 does" in again.stderr) == (
        5,
        True,
    )
    assert of_python.returncode == 0, of_python.stderr
    assert [entry["actor"]["name"] for entry in history] == ["writer", *["promoter", "writer"] * len(CI_SYSTEMS)]


def _bash(script: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return _run(["bash", "-euo", "pipefail", "-c", script], cwd, env)


def _run(command: list[str], cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False)
