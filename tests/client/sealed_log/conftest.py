"""A registry with a sealed log, and a client of it that does not wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from registry.client import RegistryClient
from registry.client.sealed_log.source import Source
from tests.support.log_server import LogServer
from tests.support.sealed_log import SealedLog
from tests.support.web_server import serving


class Observed:
    """A registry and its client; ``meanwhile`` is what happens when the client waits."""

    def __init__(self, server: LogServer, client: RegistryClient) -> None:
        self.server = server
        self.waits: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.source = Source(client.audit, pause=self._pause)

    def _pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.meanwhile()


@pytest.fixture
def observed() -> Iterator[Observed]:
    server = LogServer(SealedLog().fill(12))
    with serving(server) as url, RegistryClient(url, retries=0) as client:
        yield Observed(server, client)
