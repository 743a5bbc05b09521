"""Who serves and who decided so: stages, rollback, aliases, the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import requests

from registry.client.api.fields import UNSET, Expected, expecting, given
from registry.client.http import network
from registry.client.http import transport as wire
from registry.client.http.transport import Transport, path, read
from registry.client.types import (
    AliasView,
    ChainEntryView,
    ChangesView,
    DownloadCountView,
    EntryView,
    HeadView,
    HeldStage,
    HolderView,
    MovedView,
    ProtectionView,
    RefusalView,
    Stage,
    StagesView,
)
from registry.client.values import When

START = "start"


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll found: ``holder`` is None when it is still the one of the ETag that was sent."""

    holder: HolderView | None
    etag: str | None


class Stages:
    """Moves between stages, and the answer to "who holds it, and who held it then"."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def move(
        self,
        model: str,
        number: int,
        stage: Stage,
        *,
        reason: str,
        expected_current: Expected = UNSET,
        leave_vacant: bool = False,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> MovedView:
        """Move a version to *stage*; raises IllegalTransition, GatesUnmet, NotReady, BlobsMissing or Stale."""
        body = expecting(
            expected_current, stage=stage, reason=reason, leave_vacant=leave_vacant or None, dry_run=dry_run or None
        )
        where = path("models", model, "versions", number, "stage")
        return self._transport.one(MovedView, "PUT", where, body=body, key=idempotency_key)

    def roll_back(
        self,
        model: str,
        *,
        reason: str,
        to: int | None = None,
        expected_current: Expected = UNSET,
        dry_run: bool = False,
        without_store_check: bool = False,
        idempotency_key: str | None = None,
    ) -> MovedView:
        """Return production to its previous good holder, or to version *to*.

        Raises NoPrevious, or within seconds BytesUnchecked when the store does not answer. With *without_store_check*
        the store is not asked; this needs the permission ``version:rollback_unchecked``.
        """
        body = expecting(
            expected_current,
            reason=reason,
            to=to,
            dry_run=dry_run or None,
            without_store_check=without_store_check or None,
        )
        return self._transport.one(MovedView, "POST", path("models", model, "rollback"), body=body, key=idempotency_key)

    def holders(self, model: str) -> StagesView:
        """Who holds staging and production now."""
        return self._transport.one(StagesView, "GET", path("models", model, "stages"))

    def holder(self, model: str, stage: HeldStage | str, *, as_of: When | None = None) -> HolderView:
        """Who holds *stage*, or held it at *as_of* (RFC 3339); raises NotFound when nobody."""
        return self._transport.one(HolderView, "GET", path("models", model, "stages", stage), query={"as_of": as_of})

    def poll(self, model: str, stage: HeldStage | str, *, etag: str | None = None) -> Polled:
        """The holder if it is another than at *etag*: the cheap question of a deployer, to be asked often."""
        headers = {"If-None-Match": etag} if etag else {}
        with self._transport.send("GET", path("models", model, "stages", stage), headers=headers) as response:
            if response.status_code == 304:
                return Polled(None, etag)
            return Polled(read(HolderView, response), response.headers.get("ETag"))


class Aliases:
    """Movable unique names for versions."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def set(
        self,
        model: str,
        alias: str,
        version: int,
        *,
        expected_current: Expected = UNSET,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> AliasView:
        """Point *alias* at a version.

        Raises Stale when *expected_current* is not what it points at, NotReady for a version that it may not point at,
        or Forbidden for a protected alias without ``version:promote``.
        """
        body = expecting(expected_current, version=version, reason=reason)
        return self._transport.one(
            AliasView, "PUT", path("models", model, "aliases", alias), body=body, key=idempotency_key
        )

    def get(self, model: str, alias: str, *, as_of: When | None = None) -> AliasView:
        """What *alias* points at, or pointed at when it was *as_of* (RFC 3339)."""
        return self._transport.one(AliasView, "GET", path("models", model, "aliases", alias), query={"as_of": as_of})

    def list(self, model: str) -> Iterator[AliasView]:
        """The model's aliases."""
        return self._transport.pages(AliasView, path("models", model, "aliases"))

    def delete(self, model: str, alias: str, *, reason: str | None = None) -> AliasView:
        """Remove an alias; its history stays."""
        return self._transport.one(
            AliasView, "DELETE", path("models", model, "aliases", alias), query={"reason": reason}
        )

    def protect(self, model: str, alias: str, *, reason: str | None = None) -> ProtectionView:
        """Protect *alias*: it points at ready versions and moves with ``version:promote`` only. It need not exist."""
        where = path("models", model, "aliases", alias, "protection")
        return self._transport.one(ProtectionView, "PUT", where, body=given(reason=reason))

    def unprotect(self, model: str, alias: str, *, reason: str | None = None) -> ProtectionView:
        """Stop protecting *alias*. Raises Conflict where the registry protects it in every model."""
        where = path("models", model, "aliases", alias, "protection")
        return self._transport.one(ProtectionView, "DELETE", where, query={"reason": reason})

    def history(self, model: str, alias: str) -> Iterator[AliasView]:
        """Everything that *alias* pointed at, newest first."""
        return self._transport.pages(AliasView, path("models", model, "aliases", alias, "history"))


class Audit:
    """Everything that happened, for those who may read it."""

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
        """Matching entries, newest first; *since* and *until* are RFC 3339."""
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
        """Refused logins, permissions and conflicts, counted by the hour, the latest first."""
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
        """Requests for the bytes of versions, counted by the hour, the latest first."""
        query = {"actor": actor, "address": address, "model": model, "since": since, "until": until}
        return self._transport.pages(DownloadCountView, "/downloads", query=query)

    def chains(self, *, model: str | None = None) -> Iterator[HeadView]:
        """The chains of the log with the hashes of their latest entries; those of models that had the name *model*."""
        return self._transport.pages(HeadView, "/audit/chains", query={"model": model})

    def chain_entries(self, chain: str | None = None) -> Iterator[ChainEntryView]:
        """The entries chain by chain, oldest first, or those of one *chain*; raises NotFound for an unknown one."""
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
        """At most *limit* entries after a position, oldest first: each is read once, however late it was committed.

        Keep ``next_after`` and give it as *after* the next time. Raises PositionLost when the log has no such entry.
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
        """The same entries, all of them, oldest first, as pieces of one file.

        With *after* (``start`` or a position) only those that follow it, in commit order.
        """
        query = {"actor": actor, "action": action, "model": model, "since": since, "until": until}
        query |= {"format": format, "after": after}
        return Export(self._transport.stream("/audit", query=query, headers={"Accept": "*/*"}))


class Export:
    """The pieces of a file, read once. ``next_after`` is where to go on, when all pieces have been read."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response
        self.next_after: str | None = response.headers.get("X-Audit-Next-After")

    def __iter__(self) -> Iterator[bytes]:
        with self._response as response:
            try:
                yield from response.iter_content(1 << 16)
            except requests.RequestException as error:
                raise network.unreachable(response.url, error) from error
