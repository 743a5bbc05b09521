"""Requests for approval of moves and policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from registry.client.fields import given
from registry.client.http.transport import Transport, path
from registry.client.types import RequestState, RequestView


class Requests:
    """Requests for approval: opened, decided about, and applied."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def open(
        self,
        target: str,
        *,
        reason: str,
        model: str | None = None,
        version: int | None = None,
        document: Mapping[str, Any] | None = None,
        apply_when_ready: bool | None = None,
        expires_in: int | None = None,
        idempotency_key: str | None = None,
    ) -> RequestView:
        """Open a request: *target* is a stage, ``@`` and an alias, or ``policy`` with its *document*.

        It expires after *expires_in* seconds, by default after 7 days. Raises AlreadyExists where one for the same is
        open.
        """
        body = given(
            target=target, reason=reason, model=model, version=version, document=document,
            apply_when_ready=apply_when_ready, expires_in=expires_in,
        )  # fmt: skip
        return self._transport.one(RequestView, "POST", path("requests"), body=body, key=idempotency_key)

    def list(
        self,
        *,
        state: RequestState | None = None,
        model: str | None = None,
        for_me: bool | None = None,
        mine: bool | None = None,
    ) -> Iterator[RequestView]:
        """Yield requests, newest first; with *for_me* the open ones that wait for the approval of this account.

        With *mine*, only those that this account opened.
        """
        query = given(state=state, model=model, mine=mine) | ({"for": "me"} if for_me else {})
        return self._transport.pages(RequestView, path("requests"), query=query)

    def get(self, request: str) -> RequestView:
        """Return a request with what was done about it, and the gates of its move now."""
        return self._transport.one(RequestView, "GET", path("requests", request))

    def approve(self, request: str, *, comment: str | None = None, idempotency_key: str | None = None) -> RequestView:
        """Approve a request. Raises Forbidden for an approval that would not count."""
        return self._act(request, "approve", comment, idempotency_key)

    def reject(self, request: str, comment: str, *, idempotency_key: str | None = None) -> RequestView:
        """Reject a request, which closes it."""
        return self._act(request, "reject", comment, idempotency_key)

    def withdraw(self, request: str, *, comment: str | None = None, idempotency_key: str | None = None) -> RequestView:
        """Withdraw a request as its requester; or as an approver, the own approval."""
        return self._act(request, "withdraw", comment, idempotency_key)

    def comment(self, request: str, comment: str, *, idempotency_key: str | None = None) -> RequestView:
        """Comment on an open request."""
        return self._act(request, "comment", comment, idempotency_key)

    def apply(self, request: str, *, comment: str | None = None, idempotency_key: str | None = None) -> RequestView:
        """Make the move, or set the policy, that was requested. Raises GatesUnmet while gates are not met."""
        return self._act(request, "apply", comment, idempotency_key)

    def _act(self, request: str, act: str, comment: str | None, key: str | None) -> RequestView:
        where = path("requests", request, act)
        return self._transport.one(RequestView, "POST", where, body=given(comment=comment), key=key)
