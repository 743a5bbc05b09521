"""Unmodified MLflow clients send, list, download and delete files, over stores of each kind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from registry.services.artifacts.mlflow_sources import location_of
from tests.conftest import SECRET
from tests.support.databases import Database
from tests.support.forked_processes import mlflow_server
from tests.support.mlflow_environments import MLFLOW, MLFLOW_2, MLFLOW_OLD, mlflow_python
from tests.support.processes import environment
from tests.support.servers import Fleet, Launcher, running_fleet

pytestmark = pytest.mark.share(8)  # which has each client, each store and both schemes

PROGRAM = Path(__file__).with_name("artifact_client.py")
MIB = 1 << 20
FILES = {
    "MLmodel": b"flavors: {}\n",
    "empty.txt": b"",
    "data/weights.bin": os.urandom(3 * MIB),
    "data/deep/my file (1) +\u00e9.json": b"{}",
}
WHOLE = pytest.param(MLFLOW, id=MLFLOW)
CLIENTS = pytest.mark.parametrize(
    "python",
    [
        WHOLE,
        pytest.param(f"{MLFLOW_2} skinny", id=MLFLOW_2),
        pytest.param(f"{MLFLOW_OLD} skinny", id=MLFLOW_OLD),
    ],
    indirect=True,
)
sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def python(request: pytest.FixtureRequest) -> Path:
    """The Python of a version of MLflow."""
    version, _, skinny = request.param.partition(" ")
    return mlflow_python(version, skinny=bool(skinny))


@pytest.fixture
def fleet_over(
    launcher: Launcher, database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Fleet]]:
    """A service over a store of a kind."""
    with ExitStack() as stack:

        def open_it(kind: str) -> Fleet:
            given: dict[str, Any] = {}
            if kind != "local":
                server = request.getfixturevalue(f"{kind}_s3")
                given = {"environment": server.environment, "storage_url": f"s3://{server.new_bucket()}/models"}
                given |= {"s3_endpoint_url": server.endpoint_url, "s3_region": server.region}
            token = database.tokens["all"]
            opened = running_fleet(launcher, tmp_path, database_url=database.url, token=token, secret=SECRET, **given)
            return stack.enter_context(opened)

        yield open_it


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, content in FILES.items():
        place = tmp_path / "sent" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return tmp_path / "sent"


def run(python: Path, fleet: Fleet, uri: str, folder: Path, **variables: str) -> tuple[dict[str, Any], Path]:
    """Let the client do its round from an empty home; what it printed, and what it has downloaded."""
    home, target = folder.parent / "home", folder.parent / "got"
    home.mkdir()
    env = environment(
        HOME=str(home),
        MLFLOW_TRACKING_URI=fleet.server.url,
        MLFLOW_TRACKING_TOKEN=fleet.token,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="1",
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
        **variables,
    )
    for name in [name for name in env if name.startswith("AWS_")]:
        del env[name]
    done = mlflow_server(python).run(PROGRAM, uri, folder, target, cwd=home, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), target


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


SHOWN = {
    "": {"MLmodel": 12, "model": None},
    "model": {"model/MLmodel": 12, "model/data": None, "model/empty.txt": 0},
    "model/data": {"model/data/deep": None, "model/data/weights.bin": 3 * MIB},
    "model/MLmodel": {},
    "nowhere": {},
}


@sqlite
@CLIENTS
@pytest.mark.parametrize("kind", ["local", "swift"])
@pytest.mark.parametrize("scheme", ["http", "mlflow-artifacts"])
def test_a_folder_comes_back_as_it_was_sent(
    fleet_over: Callable[..., Fleet], python: Path, folder: Path, kind: str, scheme: str
) -> None:
    fleet = fleet_over(kind)
    root = {"http": f"{fleet.server.url}/api/2.0/mlflow-artifacts/artifacts", "mlflow-artifacts": "mlflow-artifacts:"}

    told, got = run(python, fleet, f"{root[scheme]}/0/run/artifacts", folder)

    assert told["shown"] == SHOWN
    assert told["left"] == ["model/MLmodel", "model/empty.txt"]
    assert files(got) == {f"model/{path}": content for path, content in FILES.items()} | {"MLmodel": FILES["MLmodel"]}
    assert not [line for line in fleet.server.requests() if line["status"] >= 400]


@sqlite
@pytest.mark.parametrize("python", [WHOLE, pytest.param(f"{MLFLOW_2} skinny", id=MLFLOW_2)], indirect=True)
def test_a_large_file_goes_to_the_store_in_parts_and_is_hashed_there(
    fleet_over: Callable[..., Fleet], python: Path, folder: Path
) -> None:
    fleet = fleet_over("swift")
    large = os.urandom(12 * MIB)
    (folder / "data/weights.bin").write_bytes(large)
    variables = {
        "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(6 * MIB),
        "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(5 * MIB),
        "MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE": str(5 * MIB),
    }
    if MLFLOW not in str(python):  # which asks the service whether it may
        variables["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"

    told, got = run(python, fleet, "mlflow-artifacts:/0/run/artifacts", folder, **variables)

    assert told["shown"]["model/data"]["model/data/weights.bin"] == len(large)
    assert files(got)["model/data/weights.bin"] == large
    fleet.server.stop()  # which writes the lines that are left
    seen = requested(fleet)
    assert "mpu/complete/0/run/artifacts/model/data" in seen
    # It comes by its own URL if it was hashed by then, else through the service.
    assert any(path.startswith("presigned/") for path in seen) == (MLFLOW in str(python))


@sqlite
@pytest.mark.parametrize("python", [WHOLE], indirect=True)
def test_a_client_that_wants_parts_of_a_store_that_takes_none_sends_the_file_as_a_whole(
    fleet_over: Callable[..., Fleet], python: Path, folder: Path
) -> None:
    fleet = fleet_over("local")
    variables = {
        "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(MIB),
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "true",
    }

    told, got = run(python, fleet, "mlflow-artifacts:/0/run/artifacts", folder, **variables)

    assert told["shown"] == SHOWN
    assert files(got)["model/data/weights.bin"] == FILES["data/weights.bin"]
    fleet.server.stop()
    assert set(requested(fleet, status=501)) == {"mpu/create/0/run/artifacts/model/data"}


def requested(fleet: Fleet, *, status: int | None = None) -> list[str]:
    """The paths in the artifact area that were requested; only those answered with *status*."""
    lines = [line for line in fleet.server.requests() if status in {None, line["status"]}]
    return [line["path"].removeprefix("/api/2.0/mlflow-artifacts/") for line in lines]


READ = """
import sys
from mlflow.artifacts import download_artifacts
sys.stdout.write(download_artifacts(artifact_uri=sys.argv[1], dst_path=sys.argv[2]))
"""


@sqlite
@CLIENTS
@pytest.mark.parametrize("kind", ["local", "swift"])
def test_a_version_is_downloaded_from_the_address_that_shows_it(
    fleet_over: Callable[..., Fleet], python: Path, tmp_path: Path, kind: str
) -> None:
    fleet = fleet_over(kind)
    with fleet.caller() as caller:
        model = caller.registry.create_model("fraud")["id"]
        lines = [caller.registry.file(content) | {"path": path} for path, content in FILES.items()]
        caller.make("POST", "/models/fraud/versions", {"files": lines})
    address = f"{fleet.server.url}/api/2.0/mlflow-artifacts/artifacts/{location_of(model, 1)}"
    env = environment(HOME=str(tmp_path), MLFLOW_TRACKING_TOKEN=fleet.token)

    done = mlflow_server(python).run("-c", READ, address, tmp_path / "got", cwd=tmp_path, env=env)

    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "got" / "1") == FILES
