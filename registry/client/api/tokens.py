"""Tokens, and who the caller is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from registry.client.fields import given, several
from registry.client.http.transport import Transport, path
from registry.client.types import ClosedSessionsView, CreatedTokenView, Role, SessionView, TokenView


class Tokens:
    """API tokens, whose secret is shown once, when they are made; and the browser sessions that they opened."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        owner: str,
        *,
        roles: Sequence[Role | str],
        name: str | None = None,
        expires_in_days: int | None = None,
        idempotency_key: str | None = None,
    ) -> CreatedTokenView:
        """Make a token for *owner*; the answer's ``token`` cannot be read again."""
        body = given(owner=owner, roles=several(roles, "roles"), name=name, expires_in_days=expires_in_days)
        return self._transport.one(CreatedTokenView, "POST", "/tokens", body=body, key=idempotency_key)

    def list(self, *, mine: bool = False) -> Iterator[TokenView]:
        """Yield every token, or those that act as the caller, without secrets; ``created_by`` is the issuer."""
        return self._transport.pages(TokenView, "/me/tokens" if mine else "/tokens")

    def sessions(self) -> Iterator[SessionView]:
        """Yield the open browser sessions that act as the caller."""
        return self._transport.pages(SessionView, "/me/sessions")

    def close_sessions(self) -> int:
        """Close every browser session that acts as the caller; returns how many were open."""
        return self._transport.one(ClosedSessionsView, "DELETE", "/me/sessions")["closed"]

    def revoke(self, token_id: str, *, mine: bool = False, reason: str | None = None) -> TokenView:
        """End a token and its browser sessions at once.

        With *mine* it is one that acts as the caller, for which no role is needed.
        """
        place = path("me", "tokens", token_id) if mine else path("tokens", token_id)
        return self._transport.one(TokenView, "DELETE", place, query={"reason": reason})
