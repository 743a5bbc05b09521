"""``registry evidence``: the archive arrives whole, verifies with the package alone, and is refused with a reason."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from flask import Flask

from registry.client import RegistryClient
from registry.client.errors import NotFound
from tests.cli.conftest import CommandLine, Place
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.sealing import SIGNER, seal_all
from tests.support.web_server import serving

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_an_archive_is_written_and_verifies_with_the_package_alone(
    run_cli: CommandLine, place: Place, app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version("production")
    seal_all(app)
    command = ("evidence", "fraud", "--version", "1", "--from", "2001-01-01", "--profile", "nist-ai-rmf", "--json")
    with serving(app) as url:
        done = run_cli(*command, "-o", "e.zip", "--url", url, "--token", api.token)
        refused = run_cli("evidence", "churn", "-o", "churn.zip", "--url", url, "--token", api.token)
        with RegistryClient(url, api.token) as client:
            size = client.evidence("fraud", place.cwd / "again.zip", version=1, since="2001-01-01T00:00:00Z",
                                   profile="nist-ai-rmf")  # fmt: skip
            with pytest.raises(NotFound):
                client.evidence("fraud", place.cwd / "none.zip", version=7)

    archive = place.cwd / "e.zip"
    assert (done.code, json.loads(done.out.splitlines()[-1])) == (0, {"file": "e.zip", "size": size})
    assert archive.read_bytes() == (place.cwd / "again.zip").read_bytes()
    assert (refused.code, "churn" in refused.err) == (4, True)
    assert sorted(path.name for path in place.cwd.iterdir()) == ["again.zip", "e.zip"]
    with zipfile.ZipFile(archive) as files:
        origin = files.read("checkpoint").decode().partition("\n")[0]
        guide = files.read("README.txt").decode()
    assert f"{origin}+" in guide
    key = str(SIGNER.keys(origin)[0].verifier)
    verified = subprocess.run(
        [sys.executable, "-m", "registry.rules.audit_log", "--key", key, str(archive)],
        check=False, capture_output=True, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert (verified.returncode, verified.stderr) == (0, "")
