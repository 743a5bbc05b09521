"""From an Authorization header to an actor."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from registry.auth import tokens
from registry.db.models import Account, Token
from registry.db.session import reading, transaction
from registry.domain import clock
from registry.domain.access import Actor, ActorKind, Role, permissions_of
from registry.domain.errors import Unauthenticated

# One text for every refusal: a caller learns nothing about which tokens exist.
REFUSED = "a valid API token is needed: send 'Authorization: Bearer mrp_…'"
_NO_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class Credential:
    """A token that was accepted."""

    id: str
    name: str
    expires_at: datetime


def authenticate(header: str | None, *, pepper: bytes, as_password: bool = False) -> tuple[Actor, Credential]:
    """The actor that the header's token stands for; with *as_password* it may also come as Basic authentication's.

    Raises Unauthenticated.
    """
    text = bearer(header) or (basic(header) if as_password else None)
    token_id = tokens.lookup_id(text) if text else None
    if text is None or token_id is None:
        raise Unauthenticated(REFUSED)
    with reading() as session:
        row = session.execute(
            select(Token, Account).join(Account, Account.id == Token.account_id).where(Token.id == token_id)
        ).first()
        # An unknown id costs the same comparison as a wrong secret.
        matched = tokens.matches(text, row[0].hash if row else _NO_HASH, pepper=pepper)
    if row is None or not matched or not _is_live(row[0]):
        raise Unauthenticated(REFUSED)
    token, account = row
    _note_use(token)
    roles = frozenset(Role(role) for role in token.roles)
    actor = Actor(account.id, account.name, ActorKind(account.kind), roles, permissions_of(roles), token.id)
    return actor, Credential(token.id, token.name, token.expires_at)


def bearer(header: str | None) -> str | None:
    """The token in ``Bearer <token>``; None for every other header."""
    scheme, _, text = (header or "").partition(" ")
    return text if scheme.lower() == "bearer" and text.isascii() and "," not in text else None


def basic(header: str | None) -> str | None:
    """The token in ``Basic base64(<anything>:<token>)``, where MLflow's clients have a password; None for others."""
    scheme, _, text = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, colon, token = base64.b64decode(text.encode("ascii"), validate=True).decode("ascii").partition(":")
    except ValueError:
        return None
    return token if colon else None


def _is_live(token: Token) -> bool:
    return token.revoked_at is None and token.expires_at > clock.now()


def _note_use(token: Token) -> None:
    """Remember the day of the last use: one write a day, not one a request."""
    today = clock.now().date()
    if token.last_used_on == today:
        return
    with transaction() as session:
        session.execute(update(Token).where(Token.id == token.id).values(last_used_on=today))
