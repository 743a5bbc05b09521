"""Stages: moves, rollback, and who serves or served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registry.client.fields import UNSET, Expected, expecting
from registry.client.http.transport import Transport, path, read
from registry.client.types import (
    HeldStage,
    HolderView,
    MovedView,
    Stage,
    StageOptionsView,
    StagesView,
    TenureView,
    VersionView,
    WaysBackView,
)
from registry.client.values import When


@dataclass(frozen=True, slots=True)
class Polled:
    """The result of a poll; ``holder`` is None when it has not changed since the ETag that was sent."""

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
        break_glass: bool = False,
        idempotency_key: str | None = None,
    ) -> MovedView:
        """Move a version to *stage*; raises IllegalTransition, GatesUnmet, Held, NotReady, BlobsMissing or Stale.

        *break_glass* moves it past the gates and approvals, with the permission ``version:break_glass``; the version
        shows that until an approver acknowledges it.
        """
        body = expecting(
            expected_current,
            stage=stage,
            reason=reason,
            leave_vacant=leave_vacant or None,
            dry_run=dry_run or None,
            break_glass=break_glass or None,
        )
        where = path("models", model, "versions", number, "stage")
        return self._transport.one(MovedView, "PUT", where, body=body, key=idempotency_key)

    def acknowledge(self, model: str, number: int, *, reason: str, idempotency_key: str | None = None) -> VersionView:
        """Acknowledge that another account moved the version past the gates. Raises Conflict without such a move."""
        where = path("models", model, "versions", number, "break-glass", "acknowledge")
        return self._transport.one(VersionView, "POST", where, body={"reason": reason}, key=idempotency_key)

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

    def options(self, model: str, number: int) -> StageOptionsView:
        """Return what a move of the version to each other stage would do, and what refuses it; see ``move``.

        The registry does not look for the files in the store; a dry run of the move does that.
        """
        return self._transport.one(StageOptionsView, "GET", path("models", model, "versions", number, "stage"))

    def ways_back(self, model: str) -> WaysBackView:
        """Return where a rollback leads by default, and its other targets; see ``roll_back``."""
        return self._transport.one(WaysBackView, "GET", path("models", model, "rollback"))

    def tenures(self, model: str, *, stage: HeldStage | None = None) -> Iterator[TenureView]:
        """Yield which version held *stage*, by default each stage, since when, until when and why, newest first."""
        return self._transport.pages(TenureView, path("models", model, "tenures"), query={"stage": stage})

    def holders(self, model: str) -> StagesView:
        """Return the versions in staging and production now."""
        return self._transport.one(StagesView, "GET", path("models", model, "stages"))

    def holder(self, model: str, stage: HeldStage | str, *, as_of: When | None = None) -> HolderView:
        """Return the holder of *stage*, now or at *as_of* (RFC 3339). Raises NotFound without one."""
        return self._transport.one(HolderView, "GET", path("models", model, "stages", stage), query={"as_of": as_of})

    def poll(self, model: str, stage: HeldStage | str, *, etag: str | None = None) -> Polled:
        """Return the holder if it has changed since *etag*: a cheap request for frequent polls."""
        headers = {"If-None-Match": etag} if etag else {}
        with self._transport.send("GET", path("models", model, "stages", stage), headers=headers) as response:
            if response.status_code == 304:
                return Polled(None, etag)
            return Polled(read(HolderView, response), response.headers.get("ETag"))
