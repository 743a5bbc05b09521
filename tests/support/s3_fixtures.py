"""Fixtures for S3: a server that proves safety, and moto, which only proves behaviour."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.s3_server import S3Server, running_s3


@pytest.fixture(scope="session")
def swift_s3() -> Iterator[S3Server]:
    """A real S3 server: it checks signatures, expiry and checksums."""
    with running_s3() as server:
        yield server


@pytest.fixture(scope="session")
def moto_s3() -> Iterator[S3Server]:
    """Moto over HTTP: it takes wrong signatures, expired addresses and wrong checksums."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Server(f"http://{host}:{port}", "moto", "moto-secret", "us-east-1")
    server.stop()
