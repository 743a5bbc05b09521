"""Lineage over all models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

from registry.client.http.transport import Transport, path
from registry.client.types import AffectedView, Stage


class Lineage:
    """Finds versions by the data that they were registered with. ``versions.lineage`` shows that of one version."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def impact(
        self, digest: str, *, stage: Stage | None = None, on_warning: Callable[[str], None] = warnings.warn
    ) -> Iterator[AffectedView]:
        """Yield the versions that used data with this digest: production first, then staging, then the others.

        With *stage*, only those that are in it. *on_warning* is called when no registration named the digest.
        """
        query = {"digest": digest, "stage": stage}
        return self._transport.pages(AffectedView, path("lineage", "impact"), query=query, on_warning=on_warning)
