"""The audit log, and the counts of refusals and downloads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import requests

from registry.client.http import network
from registry.client.http import transport as wire
from registry.client.http.transport import Transport
from registry.client.types import (
    ChainEntryView,
    ChangesView,
    DownloadCountView,
    EntryView,
    HeadView,
    RefusalView,
)
from registry.client.values import When

START = "start"


class Audit:
    """The audit log; reading it needs the role auditor."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def entries(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        model: str | None = None,
        since: When | None = None,
        until: When | None = None,
    ) -> Iterator[EntryView]:
        """Yield matching entries, newest first; *since* and *until* are RFC 3339."""
        query = {"actor": actor, "action": action, "model": model, "since": since, "until": until}
        return self._transport.pages(EntryView, "/audit", query=query)

    def refusals(
        self,
        *,
        actor: str | None = None,
        address: str | None = None,
        action: str | None = None,
        code: str | None = None,
        since: When | None = None,
        until: When | None = None,
    ) -> Iterator[RefusalView]:
        """Yield refused logins, permissions and conflicts, counted by the hour, the latest first."""
        query = {"actor": actor, "address": address, "action": action, "code": code, "since": since, "until": until}
        return self._transport.pages(RefusalView, "/refusals", query=query)

    def downloads(
        self,
        *,
        actor: str | None = None,
        address: str | None = None,
        model: str | None = None,
        since: When | None = None,
        until: When | None = None,
    ) -> Iterator[DownloadCountView]:
        """Yield downloads of versions, counted by the hour, the latest first."""
        query = {"actor": actor, "address": address, "model": model, "since": since, "until": until}
        return self._transport.pages(DownloadCountView, "/downloads", query=query)

    def chains(self, *, model: str | None = None) -> Iterator[HeadView]:
        """Yield the chains of the log with their heads; with *model*, those of models that had this name."""
        return self._transport.pages(HeadView, "/audit/chains", query={"model": model})

    def chain_entries(self, chain: str | None = None) -> Iterator[ChainEntryView]:
        """Yield the entries chain by chain, oldest first, or those of one *chain*. Raises NotFound."""
        return self._transport.pages(ChainEntryView, "/audit/entries", query={"chain": chain})

    def changes(
        self,
        after: str = START,
        *,
        limit: int = wire.PAGE,
        actor: str | None = None,
        action: str | None = None,
        model: str | None = None,
        since: When | None = None,
        until: When | None = None,
    ) -> ChangesView:
        """Return at most *limit* sealed entries after a position; each is read once, however late its commit.

        They are in the order of their positions, and are sealed within seconds. Keep ``next_after`` and give it as
        *after* the next time. Raises PositionLost when the log has no such entry.
        """
        query = {"actor": actor, "action": action, "model": model, "since": since, "until": until}
        return self._transport.one(ChangesView, "GET", "/audit", query={**query, "after": after, "limit": limit})

    def export(
        self,
        format: Literal["jsonl", "csv"],
        *,
        after: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        model: str | None = None,
        since: When | None = None,
        until: When | None = None,
    ) -> Export:
        """Return all matching entries, oldest first, as chunks of one file.

        With *after* (``start`` or a position) only sealed ones that follow it, in the order of their positions.
        """
        query = {"actor": actor, "action": action, "model": model, "since": since, "until": until}
        query |= {"format": format, "after": after}
        return Export(self._transport.stream("/audit", query=query, headers={"Accept": "*/*"}))


class Export:
    """The chunks of a file, read once. ``next_after`` is the position after the last entry.

    ``waiting``: the export has a position, and committed entries are not sealed yet.
    """

    def __init__(self, response: requests.Response) -> None:
        self._response = response
        self.next_after: str | None = response.headers.get("X-Audit-Next-After")
        self.waiting = response.headers.get("X-Audit-Waiting") == "true"

    def __iter__(self) -> Iterator[bytes]:
        with self._response as response:
            try:
                yield from response.iter_content(1 << 16)
            except requests.RequestException as error:
                raise network.unreachable(response.url, error) from error
