"""Holds: versions are kept out of staging and production, and recalled with all that is downstream."""

from __future__ import annotations

from collections.abc import Iterator

from registry.client.fields import given
from registry.client.http.transport import Transport, path
from registry.client.types import (
    HeldVersionView,
    HoldState,
    HoldTarget,
    HoldView,
    ListedHoldView,
    PlacedHoldView,
    RecallView,
    Stage,
)


class Holds:
    """Holds on versions, data and base models."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def place(
        self,
        kind: HoldTarget,
        target: str,
        *,
        reason: str,
        rollback: bool = False,
        leave_vacant: bool = False,
        idempotency_key: str | None = None,
    ) -> PlacedHoldView:
        """Hold a ``version``, or what is downstream of ``data``, a ``base_model`` or a ``base_version``.

        *target* is the version, digests of the data, or the URI of the model. *rollback* takes a version out of
        production in the same act; with *leave_vacant*, without a successor. Raises NotFound, Held, NoPrevious or
        Conflict.
        """
        body = given(
            kind=kind,
            target=target,
            reason=reason,
            rollback=rollback or None,
            leave_vacant=leave_vacant or None,
        )
        return self._transport.one(PlacedHoldView, "POST", path("holds"), body=body, key=idempotency_key)

    def release(self, hold: int, *, reason: str, idempotency_key: str | None = None) -> HoldView:
        """End a hold. Raises NotFound, or Conflict when it was released before."""
        where = path("holds", hold, "release")
        return self._transport.one(HoldView, "POST", where, body={"reason": reason}, key=idempotency_key)

    def list(
        self, *, state: HoldState | None = None, model: str | None = None, live: bool | None = None
    ) -> Iterator[ListedHoldView]:
        """Yield holds, the newest first: by default the active ones. *live*: those about a version in production."""
        query = {"state": state, "model": model, "live": live}
        return self._transport.pages(ListedHoldView, path("holds"), query=query)

    def show(self, hold: int) -> RecallView:
        """Return a hold, how many versions it is about and how many are live. Raises NotFound."""
        return self._transport.one(RecallView, "GET", path("holds", hold))

    def versions(self, hold: int, *, stage: Stage | None = None) -> Iterator[HeldVersionView]:
        """Yield the versions that a hold is about: production first, then staging, the newest first."""
        return self._transport.pages(HeldVersionView, path("holds", hold, "versions"), query={"stage": stage})
