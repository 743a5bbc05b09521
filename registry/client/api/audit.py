"""The audit log, and the counts of refusals and downloads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal, TypedDict, Unpack

import requests

from registry.client.errors import UnexpectedReply
from registry.client.http import network
from registry.client.http import transport as wire
from registry.client.http.transport import Transport
from registry.client.types import (
    ChainEntryView,
    ChangesView,
    DownloadCountView,
    EntryView,
    HeadView,
    ModelVerificationView,
    RefusalView,
    SealedEntryView,
    SealedPage,
)
from registry.client.values import When

START = "start"


class EntryCriteria(TypedDict, total=False):
    """Filter of entries.

    ``action`` is an action or a group (``version.*``), ``version`` a number of ``model``, ``request_id`` that of a
    response; ``since`` and ``until`` are RFC 3339.
    """

    actor: str | None
    action: str | None
    model: str | None
    version: int | None
    request_id: str | None
    since: When | None
    until: When | None


class Audit:
    """The audit log; reading it needs the role auditor."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def entries(self, **criteria: Unpack[EntryCriteria]) -> Iterator[EntryView]:
        """Yield matching entries, newest first."""
        return self._transport.pages(EntryView, "/audit", query=criteria)

    def entry(self, entry: str) -> EntryView:
        """Return the entry with this id. Raises NotFound."""
        return self._transport.one(EntryView, "GET", wire.path("audit", entry))

    def verify_model(self, name: str) -> ModelVerificationView:
        """Let the registry verify the chains of the models that have or had this name, and their rows.

        It reads at most 10,000 entries; the outcome is ``too_long`` for more. Raises NotFound.
        """
        return self._transport.one(ModelVerificationView, "GET", wire.path("models", name, "history", "verification"))

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
        **criteria: Unpack[EntryCriteria],
    ) -> ChangesView:
        """Return at most *limit* sealed entries after a position; each is read once, however late its commit.

        They are in the order of their positions, and are sealed within seconds. Keep ``next_after`` and give it as
        *after* the next time. Raises PositionLost when the log has no such entry.
        """
        return self._transport.one(ChangesView, "GET", "/audit", query={**criteria, "after": after, "limit": limit})

    def sealed(self, *, after: int | None = None) -> Iterator[SealedEntryView]:
        """Yield the entries of the sealed log after a position, in their order, up to the latest checkpoint.

        Raises UnexpectedReply for a list that does not go on after each page.
        """
        while True:
            page = self._transport.one(SealedPage, "GET", "/audit/sealed", query={"after": after, "limit": wire.PAGE})
            yield from page["items"]
            if not page.get("more"):
                return
            following = page.get("next_after")
            if not isinstance(following, int) or following <= (-1 if after is None else after):
                raise UnexpectedReply(f"{self._transport.url} lists entries of its sealed log that do not go on.")
            after = following

    def proof(self, entry: str) -> bytes:
        """Return the proof that the entry with this id is in the sealed log, in the format c2sp.org/tlog-proof@v1.

        It is verified offline, by ``registry.rules.audit_log``. Raises NotFound, or NotSealed while no published
        checkpoint covers the entry.
        """
        return self._transport.content(wire.path("audit", entry, "proof"))

    def checkpoint(self) -> bytes:
        """Return the latest checkpoint of the sealed log, a signed note. Raises NotFound while there is none."""
        return self._transport.content("/audit/checkpoint", root="")

    def keys(self) -> list[str]:
        """Return the public keys that sign checkpoints, as the registry states them."""
        return self._transport.content("/audit/keys", root="").decode().splitlines()

    def tile(self, path: str) -> bytes:
        """Return a tile of hashes, or a bundle of entries, by its path (C2SP tlog-tiles): ``0/x001/234``.

        Raises NotFound for one that the log does not have yet.
        """
        return self._transport.content("/audit/tile" + wire.path(*path.split("/")), root="")

    def export(
        self,
        format: Literal["jsonl", "csv"],
        *,
        after: str | None = None,
        header: bool | None = None,
        **criteria: Unpack[EntryCriteria],
    ) -> Export:
        """Return all matching entries, oldest first, as chunks of one file.

        With *after* (``start`` or a position) only sealed ones that follow it, in the order of their positions. The
        file begins with a *header*: its time, filter and checkpoint, in JSON lines as ``{"export": {...}}``, in CSV as
        lines that begin with ``# ``. By default it has none when *after* is a position.
        """
        query = {**criteria, "format": format, "after": after, "header": None if header is None else json.dumps(header)}
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
