"""The commands of the README and the tutorial, on the embedded default and on PostgreSQL with a real S3 server."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from tests.conftest import SECRET
from tests.docs.pages import DOCS, ROOT, blocks, missing
from tests.support.databases import empty_postgres
from tests.support.ports import free_port
from tests.support.processes import SCRIPTS, environment, serving
from tests.support.s3_server import S3Server

START = ROOT / "README.md"
TUTORIAL = DOCS / "tutorial.md"
END = "=== end of block ==="


@dataclass(frozen=True)
class Site:
    """A running service, and the directory and environment of a shell that uses it as *actor*."""

    cwd: Path
    env: dict[str, str]
    actor: str

    def run(self, script: str, *, place: str = ".") -> str:
        """Return the output of *script*, which must succeed; the directory *place* is made."""
        (self.cwd / place).mkdir(exist_ok=True)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.cwd / place,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory in which the relative paths of the pages exist, and nothing else."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    (tmp_path / "home").mkdir()
    return tmp_path


@pytest.fixture(params=["embedded", "postgres and s3"])
def service(request: pytest.FixtureRequest, place: Path) -> AbstractContextManager[Site]:
    if request.param == "embedded":
        return embedded(place)
    return postgres_and_s3(place, request.getfixturevalue("postgres_server"), request.getfixturevalue("swift_s3"))


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
        sealed = _registry(["worker", "--once"], place, env)  # the log has a checkpoint, as where a worker runs
        assert sealed.returncode == 0, sealed.stderr
        yield Site(place, env | {"REGISTRY_TOKEN": json.loads(made.stdout)["token"]}, "you")


# The embedded default always runs; the same commands over PostgreSQL and S3 take another half minute.
@pytest.mark.share(4)
def test_the_tutorial_prints_what_its_pages_show_and_removes_what_it_wrote(
    service: AbstractContextManager[Site], place: Path
) -> None:
    with service as site:
        # The section tampers with the file of SQLite, and the server must seal the log itself.
        sections = ("Two-minute start", "Prove") if site.actor == "local-dev" else ("Two-minute start",)
        commands, (banner, *expected) = (
            [block for section in sections for block in blocks(START, kind, section=section)] + blocks(TUTORIAL, kind)
            for kind in ("sh", "text")
        )
        clean_up = commands.pop()
        script = f"\necho '{END}'\n".join(commands).replace("local-dev", site.actor)
        printed = site.run(script).split(f"{END}\n")
        versions = json.loads(site.run("registry version list fraud --json"))["items"]
        if site.actor != "local-dev":  # this server does not seal the log itself
            site.run("registry worker --once")
        others = [
            site.run(command, place="home")
            for page in ("search.md", "audit.md")
            for command in blocks(DOCS / page, "sh")
        ]
        exported = (place / "home" / "audit.jsonl").read_text()
    # The clean-up comes after the server was stopped, as the page says.
    site.run(clean_up)

    assert site.actor != "local-dev" or missing(banner.replace("5000", "…"), (place / "serve.log").read_text()) == []
    expected = [text.replace("local-dev", site.actor) for text in expected]
    assert len(printed) == len(expected), "each block of commands is followed by its output"
    assert [line for pair in zip(expected, printed, strict=True) for line in missing(*pair)] == []
    assert [version["number"] for version in versions] == [3, 2, 1]
    assert [version["tags"] for version in versions] == [{"model.format": "pickle", "team": "risk"}] * 3
    assert "auc=" in others[0]
    assert "version.rolled_back" in exported
    assert {path.name for path in place.iterdir()} == {".venv", "deploy", "home", "serve.log"}


def _environment(place: Path, port: int) -> dict[str, str]:
    return environment(
        HOME=str(place / "home"), XDG_CONFIG_HOME=str(place / "home"), REGISTRY_URL=f"http://127.0.0.1:{port}"
    )


def _production(database_url: str, s3: S3Server) -> dict[str, str]:
    bucket = f"tutorial-{free_port()}"
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
        "REGISTRY_LOG_KEY": hashlib.sha256(b"a log key for tests").hexdigest(),
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
    }


def _registry(arguments: list[str], place: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / "registry", *arguments], cwd=place, env=env, capture_output=True, text=True, timeout=60, check=False
    )
