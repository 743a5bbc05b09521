"""Accounts and their API tokens: create, list, revoke, and the bootstrap token of a first run."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased

from registry.auth import tokens
from registry.db import times
from registry.db.base import Rows
from registry.db.models import Account, Token
from registry.db.queries import records
from registry.db.records import Page, TokenRecord
from registry.db.session import reading, transaction
from registry.domain import clock, confusables, fact_digests, validation
from registry.domain.access import GRANTABLE, SYSTEM, Actor, ActorKind, Permission, Role, TokenPurpose
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, Forbidden, Invalid, NotFound
from registry.rules import names
from registry.services import audit
from registry.services.idempotency import Claim, Outcome
from registry.services.unit_of_work import unit_of_work

BOOTSTRAP_LIFE = timedelta(hours=1)
MAX_DAYS = 365
BOOTSTRAP_NAME = "bootstrap"
RESERVED = frozenset({"system", "local-dev", BOOTSTRAP_NAME, "registry", "worker"})  # in no spelling an account
# Names that roles suggest: an account may have one, but none may only look like it.
OFFICIAL = frozenset({"admin", "administrator", "root", *(role.value for role in GRANTABLE)})


def create_token(
    owner: str,
    roles: Sequence[Role],
    *,
    actor: Actor,
    pepper: bytes,
    name: str = "",
    days: int = 90,
    claim: Claim | None = None,
) -> TokenRecord:
    """Issue a token that acts as *owner* with *roles* for *days*.

    A bootstrap token issues one, for an admin, and is used up by that. Raises Invalid or Forbidden. The name of a new
    account obeys the rules of models' names, and looks like that of no other account.
    """
    roles_granted = _check_roles(roles, actor)
    if not 1 <= days <= MAX_DAYS:
        raise Invalid.field("expires_in_days", f"must be 1 to {MAX_DAYS}")
    with unit_of_work(claim) as unit:
        chain = audit.lock_chain(unit.session, audit.AUTH)
        event = audit.begin(chain)
        _use_up_bootstrap(unit.session, actor, event)
        account = _account(unit.session, owner, event)
        new = tokens.issue("p", pepper=pepper)
        token = Token(
            id=new.id,
            hash=new.hash,
            key_id=new.key_id,
            account_id=account.id,
            name=name,
            roles=[role.value for role in roles_granted],
            created_at=event.at,
            created_by=actor.id,
            expires_at=event.at + timedelta(days=days),
        )
        unit.session.add(token)
        after = {"roles": token.roles, "expires_at": clock.wire(token.expires_at), "owner": account.id}
        draft = AuditEntryDraft(
            "token.created",
            {"token": token.id},
            after=after,
            texts=audit.texts(owner=account.name),
            facts={"token": fact_digests.token(token.hash, token.name)},
        )
        audit.record(unit.session, chain, event, draft, actor=actor)
        unit.remember(token=token.id)
        return replace(_read_token_record(unit.session, token.id), token=new.text)


def recall(outcome: Outcome) -> TokenRecord:
    """Return the token that an earlier request revoked, as it is now."""
    with reading() as session:
        return _read_token_record(session, outcome["token"])


def recall_creation(outcome: Outcome) -> TokenRecord:
    """Return the token that an earlier request issued, as it was issued, but without its secret: no row holds that."""
    return replace(recall(outcome), last_used_on=None, revoked_at=None)


def list_tokens(*, owner_id: str | None = None, after: tuple[Any, ...] | None = None, limit: int) -> Page[TokenRecord]:
    """List every API token, or those of the account *owner_id*, without its secret, by id."""
    statement = _select_tokens().where(Token.purpose == TokenPurpose.API)
    if owner_id is not None:
        statement = statement.where(Token.account_id == owner_id)
    if after is not None:
        statement = statement.where(Token.id > after[0])
    with reading() as session:
        page = records.page(session, statement.order_by(Token.id), by=(Token.id,), limit=limit)
        return Page([_token_record(row) for row in page.items], page.next_after)


def describe(token_id: str, *, owner_id: str | None = None) -> TokenRecord:
    """Return an API token, without its secret; with *owner_id* it must act as that account. Raises NotFound."""
    statement = _select_tokens().where(Token.id == token_id, Token.purpose == TokenPurpose.API)
    if owner_id is not None:
        statement = statement.where(Token.account_id == owner_id)
    with reading() as session:
        row = session.execute(statement).first()
        if row is None:
            raise _unknown(token_id, owner_id)
        return _token_record(row)


def issuer_of(token_id: str) -> str | None:
    """Return the name of the account that issued the token."""
    issuer = select(Account.name).join(Token, Token.created_by == Account.id)
    with reading() as session:
        return session.scalar(issuer.where(Token.id == token_id))


def count_foreign(account_id: str) -> int:
    """Return how many valid API tokens act as the account and were issued by another one."""
    foreign = select(func.count()).where(
        Token.account_id == account_id,
        Token.purpose == TokenPurpose.API,
        Token.created_by != account_id,
        Token.revoked_at.is_(None),
        Token.expires_at > times.now(),
    )
    with reading() as session:
        return session.scalar(foreign) or 0


def revoke(
    token_id: str,
    *,
    actor: Actor,
    owner_id: str | None = None,
    reason: str | None = None,
    claim: Claim | None = None,
) -> TokenRecord:
    """Make the token, and the sessions from it, useless from now on; with *owner_id* it must act as that account.

    The token may itself be that of a session. Raises NotFound, or Conflict if it is revoked already.
    """
    with unit_of_work(claim) as unit:
        chain = audit.lock_chain(unit.session, audit.AUTH)
        token = unit.session.get(Token, token_id, populate_existing=True)
        if token is None or owner_id not in {None, token.account_id}:
            raise _unknown(token_id, owner_id)
        if token.revoked_at is not None:
            raise Conflict(f"the token {token_id} is revoked already")
        event = audit.begin(chain)
        token.revoked_at = event.at
        draft = AuditEntryDraft("token.revoked", {"token": token.id}, texts=audit.texts(reason=reason))
        audit.record(unit.session, chain, event, draft, actor=actor)
        unit.remember(token=token.id)
        return _read_token_record(unit.session, token.id)


def _unknown(token_id: str, owner_id: str | None) -> NotFound:
    whose = "" if owner_id is None else " that acts as you"
    return NotFound(f"there is no token {token_id!r}{whose}")


def issue_bootstrap(*, pepper: bytes, force: bool = False) -> str | None:
    """Return a one-hour, single-use token for the first admin; None where one was issued, or any other token exists.

    With *force* (requested by an operator on the machine) it is issued all the same. Earlier ones are revoked. Raises
    ClockImplausible when a token is to be issued and cannot be dated.
    """
    with transaction() as session:
        chain = audit.lock_chain(session, audit.AUTH)
        bootstraps = Token.account_id == SYSTEM.id  # the registry's account has no other tokens
        waiting = (Token.revoked_at.is_(None)) & (Token.expires_at > times.now())
        if not force and session.scalars(select(Token.id).where(~bootstraps | waiting).limit(1)).first():
            return None
        event = audit.begin(chain)  # not before: a wrong clock must not keep a server from starting
        for old in session.scalars(select(Token).where(bootstraps, Token.revoked_at.is_(None))):
            old.revoked_at = event.at
        new = tokens.issue("b", pepper=pepper)
        session.add(
            Token(
                id=new.id,
                hash=new.hash,
                key_id=new.key_id,
                account_id=SYSTEM.id,
                name=BOOTSTRAP_NAME,
                roles=[Role.BOOTSTRAP.value],
                created_at=event.at,
                created_by=SYSTEM.id,
                expires_at=event.at + BOOTSTRAP_LIFE,
            )
        )
        draft = AuditEntryDraft(
            "bootstrap.issued", {"token": new.id}, facts={"token": fact_digests.token(new.hash, BOOTSTRAP_NAME)}
        )
        audit.record(session, chain, event, draft, actor=SYSTEM)
        return new.text


def _check_roles(roles: Sequence[Role], actor: Actor) -> list[Role]:
    roles_granted = sorted(set(roles))
    if not roles_granted or not set(roles_granted) <= GRANTABLE:
        raise Invalid.field("roles", f"must be one or more of {', '.join(sorted(GRANTABLE))}")
    if Role.BOOTSTRAP in actor.roles and Role.ADMIN not in roles_granted:
        raise Forbidden("the bootstrap token is for the first admin: roles must hold 'admin'",
                        permission=Permission.TOKEN_MANAGE)  # fmt: skip
    return roles_granted


def _use_up_bootstrap(session: Session, actor: Actor, event: audit.Event) -> None:
    if Role.BOOTSTRAP not in actor.roles:
        return
    # Read under the lock of the accounts' chain: two requests may present the same bootstrap token.
    token = session.get(Token, actor.lasting_token_id, populate_existing=True)
    if token is None or token.revoked_at is not None:
        raise Forbidden("the bootstrap token is used up", permission=Permission.TOKEN_CREATE)
    token.revoked_at = event.at


def _account(session: Session, name: str, event: audit.Event) -> Account:
    """Return the account of that name, old or new, under the lock of the chain of accounts. Raises Invalid."""
    existing = session.scalars(select(Account).where(Account.name == name)).first()
    if existing is not None and existing.kind != ActorKind.USER:
        raise Invalid.field("owner", f"{name!r} is the registry's own account; choose another name")
    if existing is not None:
        return existing  # under any name: the rules may be newer
    validation.require(names.account_name_problem, "owner", name)
    _refuse_impostor(session, name)
    account = Account(
        id=str(uuid.uuid4()),
        name=name,
        kind=ActorKind.USER.value,
        created_at=event.at,
        look=confusables.look(name),
    )
    session.add(account)
    session.flush()  # a token refers to it
    return account


def _refuse_impostor(session: Session, name: str) -> None:
    """Raise Invalid for a new name that looks like that of an account, or like one that speaks for the registry."""
    skeletons = confusables.looks(name)
    alike = select(Account.name).where(or_(Account.look.in_(skeletons), Account.look.is_(None)))
    others = [other for other in session.scalars(alike.order_by(Account.name)) if confusables.look(other) in skeletons]
    reserved = [one for one in sorted(RESERVED) if confusables.look(one) in skeletons]
    official = [one for one in sorted(OFFICIAL) if confusables.look(one) in skeletons and names.name_key(name) != one]
    if clashes := [*others, *reserved, *official]:
        written = f" ({confusables.foreign(name)})" if confusables.foreign(name) else ""
        what = "the account" if others else "the reserved name"
        raise Invalid.field("owner", f"{name!r}{written} looks like {what} {clashes[0]!r}; choose another name")


def _select_tokens() -> Rows:
    owner, creator = aliased(Account), aliased(Account)
    return (
        select(Token, owner.name, creator.name)
        .join(owner, owner.id == Token.account_id)
        .join(creator, creator.id == Token.created_by)
    )


def _read_token_record(session: Session, token_id: str) -> TokenRecord:
    session.flush()  # the token may be new
    return _token_record(session.execute(_select_tokens().where(Token.id == token_id)).one())


def _token_record(row: Any) -> TokenRecord:
    token, owner, creator = row
    return TokenRecord(
        id=token.id,
        owner=owner,
        name=token.name,
        roles=token.roles,
        created_at=token.created_at,
        created_by=creator,
        expires_at=token.expires_at,
        last_used_on=token.last_used_on,
        revoked_at=token.revoked_at,
    )
