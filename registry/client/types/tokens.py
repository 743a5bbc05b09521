"""Tokens, and the account that a token acts as."""

from __future__ import annotations

from typing import Literal, TypedDict

Role = Literal["reader", "writer", "promoter", "approver", "admin", "auditor", "responder"]


class UsedToken(TypedDict):
    id: str
    name: str
    expires_at: str
    issued_by: str


class MeView(TypedDict):
    id: str
    name: str
    kind: str
    roles: list[str]
    permissions: list[str]
    token: UsedToken | None
    foreign_tokens: int
    mode: Literal["dev", "production"]


class TokenView(TypedDict):
    id: str
    owner: str
    name: str
    roles: list[str]
    created_at: str
    created_by: str
    expires_at: str
    last_used_on: str | None
    revoked_at: str | None


class SessionView(TypedDict):
    """A browser session; ``token`` is the id of the API token that it was opened with."""

    id: str
    token: str
    token_name: str
    roles: list[str]
    created_at: str
    expires_at: str
    last_used_on: str | None


class ClosedSessionsView(TypedDict):
    closed: int


class CreatedTokenView(TokenView):
    """``token`` is shown this once and stored nowhere: None when the answer repeats an earlier request's."""

    token: str | None
