"""Files, clients and stores for uploads during which a process is killed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.client import RegistryClient
from registry.client.registration import Registered
from registry.client.types import Run
from tests.support.invariants import Invariants
from tests.support.s3_server import S3Server
from tests.support.servers import Fleet

PART, PARTS = 1000, 7
MIB = 1 << 20
TINY = {"single_put_bytes": PART, "part_bytes": PART}
RUN: Run = {"system": "test", "id": "1"}
SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
KILLS = pytest.mark.parametrize(
    "kills",
    [
        pytest.param(2, id="2-kills"),
        pytest.param(60, id="60-kills", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)


@pytest.fixture
def invariants(make_invariants: Callable[..., Invariants], tmp_path: Path) -> Invariants:
    return make_invariants(storage_url=f"file://{tmp_path / 'store'}")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of seven parts."""
    return written(tmp_path / "weights.bin", PARTS * PART - 500)


def written(path: Path, size: int) -> Path:
    path.write_bytes(os.urandom(size))
    return path


def register(fleet: Fleet, file: Path) -> Registered:
    """Register as a client that does not try anything twice."""
    with RegistryClient(fleet.server.url, fleet.token, retries=0) as client:
        return client.register("fraud", file, run=RUN, jobs=1)


def s3_settings(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], S3Server]:
    """What names a new bucket of *server*, whose credentials are this process's from now on."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    where = {"s3_endpoint_url": server.endpoint_url, "s3_region": server.region}
    return {"storage_url": f"s3://{server.new_bucket()}/models", **where}, server
