"""Browser sessions: opened with an API token, closed by their owner, and ended with the token.

A session acts as the account of its token with the same roles, for ``SESSION_LIFE`` or until the token ends.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, aliased

from registry.auth import tokens
from registry.db import times
from registry.db.models import Token
from registry.db.queries import records
from registry.db.records import Page, SessionRecord
from registry.db.session import reading
from registry.domain import clock, fact_digests
from registry.domain.access import Actor, TokenPurpose
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import NotFound, RateLimited, Unauthenticated
from registry.domain.token_life import SESSION_LIFE, SESSIONS_KEPT_FOR
from registry.services import audit
from registry.services.idempotency import Claim, Outcome
from registry.services.unit_of_work import unit_of_work

MOST_A_DAY = 200  # of one API token; each is an entry that the audit log keeps
DAY = timedelta(days=1)
_PARENT = aliased(Token)
_IS_SESSION = Token.purpose == TokenPurpose.SESSION


def open_session(*, actor: Actor, pepper: bytes) -> SessionRecord:
    """Open a session of the account and the roles of *actor*, whose API token has just been checked.

    Raises Unauthenticated when the token was revoked or has expired in the meantime, or RateLimited beyond
    ``MOST_A_DAY``.
    """
    with unit_of_work() as unit:
        chain = audit.lock_chain(unit.session, audit.AUTH)
        # Read under the lock of the accounts' chain, under which tokens are revoked.
        parent = unit.session.get(Token, actor.token_id, populate_existing=True)
        event = audit.begin(chain)
        if parent is None or parent.purpose != TokenPurpose.API or not _is_valid(parent, event.at):
            raise Unauthenticated("the API token was revoked or has expired; log in with another one")
        _require_few(unit.session, parent, event.at)
        new = tokens.issue("s", pepper=pepper)
        token = Token(
            id=new.id,
            hash=new.hash,
            key_id=new.key_id,
            account_id=parent.account_id,
            name="",
            roles=list(parent.roles),
            created_at=event.at,
            created_by=parent.created_by,
            expires_at=min(event.at + SESSION_LIFE, parent.expires_at),
            purpose=TokenPurpose.SESSION,
            parent_id=parent.id,
        )
        unit.session.add(token)
        after = {
            "owner": token.account_id,
            "parent": parent.id,
            "roles": token.roles,
            "expires_at": clock.wire(token.expires_at),
        }
        facts = {"token": fact_digests.token(token.hash, token.name)}
        draft = AuditEntryDraft("session.opened", {"token": token.id}, after=after, facts=facts)
        audit.record(unit.session, chain, event, draft, actor=actor)
        return replace(_session_record((token, parent.name)), token=new.text)


def list_open(owner_id: str, *, after: tuple[Any, ...] | None = None, limit: int) -> Page[SessionRecord]:
    """List the open sessions of the account, by id."""
    statement = _open_at(times.now(), Token, _PARENT.name).where(Token.account_id == owner_id).order_by(Token.id)
    if after is not None:
        statement = statement.where(Token.id > after[0])
    with reading() as session:
        page = records.page(session, statement, by=(Token.id,), limit=limit)
        return Page([_session_record(row) for row in page.items], page.next_after)


def count_open(session: Session, moment: datetime) -> int:
    """Return the number of open sessions of all accounts. Reads all sessions."""
    return int(session.scalars(_open_at(moment, func.count())).one())


def close_session(session_id: str, *, actor: Actor) -> None:
    """Close a session of the actor's account. Idempotent. Raises NotFound."""
    with unit_of_work() as unit:
        chain = audit.lock_chain(unit.session, audit.AUTH)
        token = unit.session.get(Token, session_id, populate_existing=True)
        if token is None or token.purpose != TokenPurpose.SESSION or token.account_id != actor.id:
            raise NotFound(f"there is no session {session_id!r} of yours")
        if token.revoked_at is None:
            _close(unit.session, chain, [token], actor=actor)


def close_all(*, actor: Actor, claim: Claim | None = None) -> Outcome:
    """Close every open session of the actor's account; returns how many were ``closed``."""
    with unit_of_work(claim) as unit:
        chain = audit.lock_chain(unit.session, audit.AUTH)
        is_open = (Token.account_id == actor.id, _IS_SESSION, Token.revoked_at.is_(None),
                   Token.expires_at > times.now())  # fmt: skip
        statement = select(Token).where(*is_open).order_by(Token.id)
        opened = unit.session.scalars(statement.execution_options(populate_existing=True)).all()
        if opened:
            _close(unit.session, chain, opened, actor=actor)
        outcome = {"closed": len(opened)}
        unit.remember(**outcome)
        return outcome


def recall(outcome: Outcome) -> Outcome:
    """Return how many sessions an earlier request closed."""
    return outcome


def sweep(session: Session, now: datetime) -> None:
    """Delete the sessions that expired long ago. The audit log keeps their opening and closing."""
    session.execute(delete(Token).where(_IS_SESSION, Token.expires_at < now - SESSIONS_KEPT_FOR))


def _open_at(moment: datetime, *columns: Any) -> Any:
    """Return a selection of the sessions that are open at *moment*: none whose token was revoked."""
    return (
        select(*columns)
        .select_from(Token)
        .join(_PARENT, _PARENT.id == Token.parent_id)
        .where(_IS_SESSION, Token.revoked_at.is_(None), Token.expires_at > moment, _PARENT.revoked_at.is_(None))
    )


def _is_valid(token: Token, moment: datetime) -> bool:
    return token.revoked_at is None and token.expires_at > moment


def _require_few(session: Session, parent: Token, moment: datetime) -> None:
    latest = (
        select(Token.created_at)
        .where(Token.parent_id == parent.id, _IS_SESSION, Token.created_at > moment - DAY)
        .order_by(Token.created_at.desc())
        .limit(MOST_A_DAY)
        .subquery()
    )
    count, oldest = session.execute(select(func.count(), func.min(latest.c.created_at))).one()
    if count >= MOST_A_DAY:
        raise RateLimited(
            f"{MOST_A_DAY} sessions were opened with this API token within a day; log in with another one, or later",
            retry_after=max(1, int((oldest + DAY - moment).total_seconds())),
        )


def _close(session: Session, chain: Any, opened: Any, *, actor: Actor) -> None:
    event = audit.begin(chain)
    for token in opened:
        token.revoked_at = event.at
    draft = AuditEntryDraft("session.closed", {}, after={"sessions": [token.id for token in opened]})
    audit.record(session, chain, event, draft, actor=actor)


def _session_record(row: Any) -> SessionRecord:
    token, parent_name = row
    return SessionRecord(
        id=token.id,
        parent_id=token.parent_id,
        parent_name=parent_name,
        roles=token.roles,
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_on=token.last_used_on,
    )
