"""From an Authorization header, or the cookie of a browser session, to an actor."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from cachetools import TTLCache
from sqlalchemy import bindparam, literal_column, or_, select, update
from sqlalchemy.orm import aliased

from registry.auth import tokens
from registry.auth.login_failures import LoginFailures
from registry.db import times
from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Account, Token
from registry.db.session import look_up_together, transaction
from registry.domain.access import Actor, ActorKind, Role, TokenPurpose, permissions_of
from registry.domain.errors import Unauthenticated, Unavailable
from registry.domain.token_life import warns_from

MISSING = "a valid API token is needed: send 'Authorization: Bearer mrp_…'"
# One text for every token that is refused: a caller learns nothing about which tokens exist.
REFUSED = "the API token was refused: it is unknown, has expired or was revoked; send another one"
LOGIN = "log in with an API token"
ENDED = "the session has ended; log in again"
AskWith = Callable[[str], Query | None]
_NO_HASH = "0" * 64
_ROLES = frozenset(Role)
_REMEMBERED = 10_000
_TOKEN = FixedStatement(
    select(Token.id, Token.hash, Token.name, Token.roles, Token.expires_at, Token.last_used_on, Token.created_by,
           Token.created_at, Account.id.label("account_id"), Account.name.label("account"), Account.kind,
           times.column().label("moment"))
    .join(Account, Account.id == Token.account_id)
    .where(Token.id == bindparam("id"), Token.revoked_at.is_(None))
)  # fmt: skip
_PARENT = aliased(Token)
# Also sessions that were closed: their browsers are no guessers.
_SESSION = FixedStatement(
    select(Token.id, Token.hash, Token.name, Token.roles, Token.expires_at, Token.last_used_on, Token.created_by,
           Token.created_at, Account.id.label("account_id"), Account.name.label("account"), Account.kind,
           Token.parent_id, or_(Token.revoked_at.is_not(None), _PARENT.revoked_at.is_not(None)).label("closed"),
           times.column().label("moment"))
    .join(Account, Account.id == Token.account_id)
    .join(_PARENT, _PARENT.id == Token.parent_id)
    .where(Token.id == bindparam("id"), Token.purpose == literal_column(f"'{TokenPurpose.SESSION}'"))
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Credential:
    """An accepted token or session. From ``warns_from`` on, responses show when it expires."""

    id: str
    name: str
    expires_at: datetime
    warns_from: datetime


@dataclass(frozen=True, slots=True)
class _KnownToken:
    """A token as the database had it."""

    hash: str
    actor: Actor
    credential: Credential
    last_used_on: date | None


class Authenticator:
    """Authentication of tokens by their keyed hashes, made with any of the *peppers*.

    An accepted token is cached for *seconds*; a caller that needs certainty requests a fresh answer. Refusals are not
    cached.
    """

    def __init__(self, *, peppers: Sequence[bytes], seconds: float, failures: LoginFailures) -> None:
        self._peppers = peppers
        self._failures = failures
        self._known: TTLCache[str, _KnownToken] = TTLCache(_REMEMBERED, seconds)
        self._forgotten = 0
        self._lock = threading.Lock()

    def authenticate(
        self,
        header: str | None,
        *,
        address: str,
        as_password: bool = False,
        fresh: bool = False,
        ask_with: AskWith | None = None,
    ) -> tuple[Actor, Credential]:
        """Return the actor of the header's token; with *as_password* it may also come as Basic authentication's.

        The query that *ask_with* makes for the token's id is executed with that of the token, if this is looked up.
        A failure is counted for the *address*, and for the token's id where it has one; without a header nothing is.
        Raises Unauthenticated, or RateLimited when too many failed before.
        """
        if not header:
            raise Unauthenticated(MISSING)
        text = bearer(header) or (basic(header) if as_password else None)
        token_id = tokens.lookup_id(text) if text else None
        if text is None or token_id is None:
            raise self._failed(address, None, REFUSED if text else MISSING)
        # Before the look-up: a refused guess must not cost a query.
        self._failures.refuse_blocked(address, token_id)
        remembered, forgotten = None if fresh else self._remembered(token_id), self._forgotten
        known = remembered or _read_token(token_id, ask_with)
        matched = self._matches(text, known.hash if known else _NO_HASH)
        if known is None or not matched or known.credential.expires_at <= times.now():
            raise self._failed(address, token_id, REFUSED)
        if known is not remembered:
            self._accept(token_id, known, forgotten)
        return known.actor, known.credential

    def authenticate_session(self, text: str | None, *, address: str, fresh: bool = False) -> tuple[Actor, Credential]:
        """Return the actor of a browser session, whose token *text* is.

        A failure is counted as that of an API token, but not for a session that has ended. Raises as
        :meth:`authenticate` does.
        """
        if not text:
            raise Unauthenticated(LOGIN)
        session_id = tokens.session_id(text)
        if session_id is None:
            raise self._failed(address, None, ENDED)
        self._failures.refuse_blocked(address, session_id)
        remembered, forgotten = None if fresh else self._remembered(session_id), self._forgotten
        row = None if remembered else _read_row(_SESSION, session_id)
        stored = remembered.hash if remembered else row.hash if row else _NO_HASH
        if not self._matches(text, stored):
            raise self._failed(address, session_id, ENDED)
        known = remembered or _known(row)
        if (row is not None and row.closed) or known.credential.expires_at <= times.now():
            raise Unauthenticated(ENDED)
        if known is not remembered:
            self._accept(session_id, known, forgotten)
        return known.actor, known.credential

    def forget(self, token_id: str) -> None:
        """Believe the token no longer, nor the sessions that were made from it: it was revoked."""
        with self._lock:
            self._forgotten += 1
            self._known.pop(token_id, None)
            self._forget_sessions(lambda actor: actor.parent_id == token_id)

    def forget_account(self, account_id: str) -> None:
        """Believe no session of the account: they were closed."""
        with self._lock:
            self._forgotten += 1
            self._forget_sessions(lambda actor: actor.id == account_id)

    def _forget_sessions(self, of: Callable[[Actor], bool]) -> None:
        sessions = [name for name, known in self._known.items() if known.actor.parent_id and of(known.actor)]
        for session in sessions:
            del self._known[session]

    def _matches(self, text: str, stored: str) -> bool:
        """Return whether *stored* is the hash of the token *text*; one without a row costs the same."""
        return any(tokens.matches(text, stored, pepper=pepper) for pepper in self._peppers)

    def _accept(self, token_id: str, known: _KnownToken, forgotten: int) -> None:
        """Note the use of a token that was read, and remember it unless one was revoked since *forgotten*."""
        _note_use(known)
        with self._lock:
            if self._forgotten == forgotten:
                self._known[token_id] = known

    def _failed(self, address: str, token_id: str | None, detail: str) -> Unauthenticated:
        """Count a failure; return the error with *detail*. Raises RateLimited beyond a limit."""
        self._failures.count(address, token_id)
        return Unauthenticated(detail)

    def _remembered(self, token_id: str) -> _KnownToken | None:
        with self._lock:
            return self._known.get(token_id)


def _read_token(token_id: str, ask_with: AskWith | None) -> _KnownToken | None:
    row = _read_row(_TOKEN, token_id, ask_with(token_id) if ask_with else None)
    return None if row is None else _known(row)


def _read_row(statement: FixedStatement, token_id: str, other: Query | None = None) -> Any:
    """Return the row of a token, and execute the *other* query with that of the token."""
    asked_at = times.steady()
    query = Query(statement, id=token_id)
    look_up_together(query, *([other] if other else []))
    if not query.rows:
        return None
    times.note(query.rows[0].moment, asked_at=asked_at)
    return query.rows[0]


def _known(row: Any) -> _KnownToken:
    roles = frozenset(map(Role, _ROLES.intersection(row.roles)))  # a later release may have granted a new role
    actor = Actor(
        row.account_id,
        row.account,
        ActorKind(row.kind),
        roles,
        permissions_of(roles),
        row.id,
        issuer_id=row.created_by,
        parent_id=getattr(row, "parent_id", None),
    )
    credential = Credential(row.id, row.name, row.expires_at, warns_from(row.created_at, row.expires_at))
    return _KnownToken(row.hash, actor, credential, row.last_used_on)


def bearer(header: str | None) -> str | None:
    """Return the token in ``Bearer <token>``; None for every other header."""
    scheme, _, text = (header or "").partition(" ")
    return text if scheme.lower() == "bearer" and text.isascii() and "," not in text else None


def basic(header: str | None) -> str | None:
    """Return the token in ``Basic base64(<anything>:<token>)``; None for other headers.

    MLflow's clients have a password there.
    """
    scheme, _, text = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, colon, token = base64.b64decode(text.encode("ascii"), validate=True).decode("ascii").partition(":")
    except ValueError:
        return None
    return token if colon else None


def _note_use(known: _KnownToken) -> None:
    """Remember the day of the last use: one write a day, not one a request; a database that takes none is read on."""
    today = times.now().date()
    if known.last_used_on == today:
        return
    with suppress(Unavailable), transaction() as session:
        session.execute(update(Token).where(Token.id == known.credential.id).values(last_used_on=today))
