"""What the README says: its commands run, on the embedded default and on PostgreSQL with a real S3 server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from registry.config import CLIENT_VARIABLES, VARIABLES
from tests.conftest import SECRET
from tests.support.databases import Database, empty_postgres
from tests.support.ports import free_port
from tests.support.processes import SCRIPTS, environment, serving
from tests.support.s3_server import S3Server
from tests.support.servers import Launcher, running_fleet

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@dataclass(frozen=True)
class Site:
    """A running service, and a shell's place and environment beside it; ``actor`` is whom its log will name."""

    cwd: Path
    env: dict[str, str]
    actor: str

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.cwd,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory in which the README's relative paths exist, and nothing else."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    (tmp_path / "home").mkdir()
    return tmp_path


@pytest.fixture(params=["embedded", "postgres and s3"])
def site(request: pytest.FixtureRequest, place: Path) -> Iterator[Site]:
    if request.param == "embedded":
        with embedded(place) as found:
            yield found
    else:
        server, s3 = request.getfixturevalue("postgres_server"), request.getfixturevalue("swift_s3")
        with postgres_and_s3(place, server, s3) as found:
            yield found


@contextmanager
def embedded(place: Path) -> Iterator[Site]:
    port = free_port()
    env = _environment(place, port)
    with serving("--dev", "--bind", f"127.0.0.1:{port}", cwd=place, env=env, url=env["REGISTRY_URL"]):
        yield Site(place, env, "local-dev")


@contextmanager
def postgres_and_s3(place: Path, server: str, s3: S3Server) -> Iterator[Site]:
    port = free_port()
    env = _environment(place, port) | _production(empty_postgres(server), s3)
    upgraded = _registry(["db", "upgrade"], place, env)
    assert upgraded.returncode == 0, upgraded.stderr
    with serving("--bind", f"127.0.0.1:{port}", cwd=place, env=env, url=env["REGISTRY_URL"]) as log:
        bootstrap = (place / "registry-data" / "bootstrap-token").read_text().strip()
        assert bootstrap in log.read_text()
        command = ["token", "create", "you", "--role", "admin", "--role", "promoter", "--json"]
        made = _registry(command, place, env | {"REGISTRY_TOKEN": bootstrap})
        assert made.returncode == 0, made.stderr
        yield Site(place, env | {"REGISTRY_TOKEN": json.loads(made.stdout)["token"]}, "you")


def test_the_quick_start_does_what_it_says(site: Site) -> None:
    register, again, ask = (block.replace("local-dev", site.actor) for block in _shell_blocks("## Run it")[:3])

    done = site.run("\n".join([register, again, ask]))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "fraud:3 production -> archived, fraud:2 archived -> production" in done.stdout
    assert "served is fraud:2" in done.stdout
    shown = json.loads(site.run(". .venv/bin/activate; registry show fraud#production --json").stdout)
    assert shown["version"]["number"] == 2
    assert shown["version"]["lineage"]["datasets"][0]["name"] == "train.csv"
    then = site.run(". .venv/bin/activate; registry show fraud#production --as-of 2026-11-20T12:00:00Z")
    assert then.returncode == 4
    assert "no version of 'fraud' held production at 2026-11-20T12:00:00" in then.stderr
    rerun = site.run(". .venv/bin/activate; python deploy/examples/train.py --out . --depth 8 --register fraud")
    assert rerun.returncode == 0, rerun.stderr
    versions = json.loads(site.run(". .venv/bin/activate; registry version list fraud --json").stdout)["items"]
    assert [version["number"] for version in versions] == [3, 2, 1]  # a job that runs again makes no fourth


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
    train, release = _shell_blocks("## Use it from CI")
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
        history = caller.get("/models/fraud/history?action=version.promoted")["items"]

    assert (again.returncode, "you expected version 2 to hold production, but version 3 does" in again.stderr) == (
        5,
        True,
    )
    assert [entry["actor"]["name"] for entry in history] == ["promoter", "writer"] * len(CI_SYSTEMS)


def test_every_setting_is_in_the_readme() -> None:
    told = set(re.findall(r"`(REGISTRY_[A-Z0-9_]+)`", README))

    assert told - {"REGISTRY_X", "REGISTRY_X_FILE"} == VARIABLES | CLIENT_VARIABLES


def test_the_readmes_test_command_is_what_ci_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    pattern = re.search(r"sed -n 's/\^\\\((?P<pattern>.*)\\\)\$/", script)
    assert pattern is not None

    commands = [line for line in README.splitlines() if re.fullmatch(pattern["pattern"], line)]

    assert len(commands) == 1


def test_the_example_is_tested_with_the_versions_that_it_pins() -> None:
    pinned = {line for line in (ROOT / "deploy/examples/requirements.txt").read_text().splitlines() if "==" in line}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]

    assert pinned <= set(groups["dev"])


def test_the_manifest_of_the_root_is_what_was_agreed() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    top = {Path(name).parts[0] for name in tracked}

    assert {name for name in top if not name.startswith(".")} <= {
        "pyproject.toml", "README.md", "registry", "migrations", "deploy", "tests", "Dockerfile",
        "uv.lock", "LICENSE", "CHANGELOG.md",
    }  # fmt: skip


def _bash(script: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )


def _shell_blocks(heading: str) -> list[str]:
    section = README.split(f"{heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def _environment(place: Path, port: int) -> dict[str, str]:
    return environment(
        HOME=str(place / "home"), XDG_CONFIG_HOME=str(place / "home"), REGISTRY_URL=f"http://127.0.0.1:{port}"
    )


def _production(database_url: str, s3: S3Server) -> dict[str, str]:
    bucket = f"readme-{free_port()}"
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name=s3.region,
    )
    client.create_bucket(Bucket=bucket)
    client.close()
    return {
        "REGISTRY_DATABASE_URL": database_url,
        "REGISTRY_STORAGE_URL": f"s3://{bucket}/artifacts",
        "REGISTRY_S3_ENDPOINT_URL": s3.endpoint_url,
        "REGISTRY_S3_REGION": s3.region,
        "REGISTRY_SECRET_KEY": SECRET,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
    }


def _registry(arguments: list[str], place: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / "registry", *arguments], cwd=place, env=env, capture_output=True, text=True, timeout=60, check=False
    )
