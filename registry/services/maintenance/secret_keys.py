"""The secret key of the registry: its fingerprint in the database, its rotation, and the replacement of a lost one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from flask import Flask, current_app
from sqlalchemy import func, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import AuditEntry, Registry, Token
from registry.db.session import reading, transaction
from registry.domain import clock
from registry.domain.access import SYSTEM
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, SecretKeyMismatch, Unavailable
from registry.domain.replay.restorations import KEY_REPLACED, KEY_ROTATED
from registry.domain.secret_keys import KeyStanding, standing
from registry.services import audit

log = structlog.get_logger(__name__)
_EXTENSION = "registry-secret-keys"
FIX = (
    "Set the REGISTRY_SECRET_KEY of the other replicas (with SQLite: the file secret-key in the data directory). To "
    "change the key, keep the one before in REGISTRY_SECRET_KEY_PREVIOUS. If that one is lost, registry admin "
    "replace-key --reason TEXT accepts this one and voids every token"
)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of this process, the current one first: their fingerprints, and the ids that tokens name them by."""

    fingerprints: Sequence[str]
    token_keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class OlderTokens:
    """Valid tokens that another key than the current one hashed, and when the last of them expires.

    ``unknown`` of them were hashed with none of this process's keys and are refused.
    """

    count: int
    unknown: int
    until: datetime | None


def attach(app: Flask, keys: Keys) -> None:
    """Name the keys of *app*."""
    app.extensions[_EXTENSION] = keys


def confirm() -> None:
    """Return only with the key of this database: record the first one, and one that succeeds it.

    A database that takes no writes is served on; the next start records the key. Raises SecretKeyMismatch, or
    Unavailable when the database does not answer.
    """
    own = _own()
    with reading() as session:
        recorded = _recorded(session)
        result = standing(recorded, own.fingerprints)
        if result is KeyStanding.FIRST and not _sealed_the_latest_entry(session):
            raise SecretKeyMismatch(
                "REGISTRY_SECRET_KEY is another key than the one that this database's audit log was sealed with last. "
                f"{FIX}"
            )
    if result is KeyStanding.FOREIGN:
        raise _mismatch(recorded, own)
    if result is KeyStanding.SUPERSEDED:
        log.warning("secret_key_superseded", key=own.fingerprints[0], current=recorded[0])
    if result in {KeyStanding.FIRST, KeyStanding.NEXT}:
        try:
            _record_keys(own)
        except SecretKeyMismatch:
            raise
        except Unavailable as error:
            log.warning("secret_key_not_recorded", reason=error.detail)


def confirm_at_start() -> None:
    """Check the secret key as :func:`confirm` does, at the start of a process.

    A database that does not respond is ignored, because readiness shows it.
    """
    try:
        confirm()
    except SecretKeyMismatch:
        raise
    except (Unavailable, SQLAlchemyError) as error:  # a database without this release's schema is reported elsewhere
        log.warning("secret_key_unconfirmed", reason=str(error))


def require() -> None:
    """Raise SecretKeyMismatch when the database has recorded another key; writes nothing."""
    with reading() as session:
        if problem := problem_of(session):
            raise SecretKeyMismatch(f"{problem}. {FIX}")


def problem_of(session: Session) -> str | None:
    """Return why this process's key is not the database's; None when it is, or when none is recorded."""
    own = _own()
    recorded = _recorded(session)
    if standing(recorded, own.fingerprints) is KeyStanding.FOREIGN:
        return _mismatch(recorded, own).detail.partition(". ")[0]
    return None


def replace(reason: str) -> str:
    """Make this process's key the current one although the one before is lost; return its fingerprint.

    Tokens that other keys hashed are refused from then on. Raises Conflict when it is the current one.
    """
    own = _own().fingerprints[0]
    with transaction() as session:
        row, recorded = _lock_registry(session)
        if recorded[:1] == [own]:
            raise Conflict(f"the key with the fingerprint {own} is this database's: there is nothing to replace")
        _write(session, row, recorded, own, KEY_REPLACED, reason=reason)
    return own


def older_tokens() -> OlderTokens:
    """Count the valid tokens that keep earlier keys needed."""
    own = _own()
    with reading() as session:
        rotated = len(_recorded(session)) > 1
        other = Token.key_id.is_not(None) & (Token.key_id != own.token_keys[0])
        unnamed = Token.key_id.is_(None)  # issued by a release that did not name the key: by the first one
        valid = Token.revoked_at.is_(None) & (Token.expires_at > times.now())
        older = valid & (or_(other, unnamed) if rotated else other)
        count, until = session.execute(select(func.count(), func.max(Token.expires_at)).where(older)).one()
        unknown = select(func.count()).where(valid, Token.key_id.is_not(None), Token.key_id.not_in(own.token_keys))
        return OlderTokens(count, session.scalar(unknown) or 0, until)


def _own() -> Keys:
    keys: Keys = current_app.extensions[_EXTENSION]
    return keys


def _mismatch(recorded: Sequence[str], own: Keys) -> SecretKeyMismatch:
    return SecretKeyMismatch(
        f"REGISTRY_SECRET_KEY is not the key of this database: its fingerprint is {own.fingerprints[0]}, and the "
        f"database's is {recorded[0]}. {FIX}"
    )


def _recorded(session: Session) -> list[str]:
    return list(session.scalars(select(Registry.secret_keys)).one() or ())


def _sealed_the_latest_entry(session: Session) -> bool:
    """Return whether a key of this process sealed the latest entry; also true of an entry without a seal."""
    seal = session.scalar(select(AuditEntry.seal).order_by(AuditEntry.id.desc()).limit(1))
    return seal is None or audit.knows_key_of(seal)


def _record_keys(own: Keys) -> None:
    """Look again under the lock, for another process may have been faster. The first key needs no audit entry."""
    with transaction() as session:
        row, recorded = _lock_registry(session)
        match standing(recorded, own.fingerprints):
            case KeyStanding.FIRST:
                row.secret_keys = [own.fingerprints[0]]
                log.info("secret_key_recorded", key=own.fingerprints[0])
            case KeyStanding.NEXT:
                _write(session, row, recorded, own.fingerprints[0], KEY_ROTATED)
                log.info("secret_key_rotated", key=own.fingerprints[0], before=recorded[0])
            case KeyStanding.FOREIGN:
                raise _mismatch(recorded, own)


def _lock_registry(session: Session) -> tuple[Registry, list[str]]:
    row = session.scalars(select(Registry).with_for_update().execution_options(populate_existing=True)).one()
    return row, list(row.secret_keys or ())


def _write(
    session: Session, row: Registry, recorded: list[str], key: str, action: str, *, reason: str | None = None
) -> None:
    chain = audit.lock_chain(session, audit.REGISTRY)
    event = audit.begin(chain)
    row.secret_keys = [key, *(one for one in recorded if one != key)]
    draft = AuditEntryDraft(
        action,
        {},
        before={"secret_keys": recorded},
        after={"secret_keys": row.secret_keys},
        texts=audit.texts(reason=reason),
    )
    audit.record(session, chain, event, draft, actor=SYSTEM)


def described(situation: OlderTokens) -> tuple[str, str]:
    """Return the situation of the older tokens, and what to do; both empty when there are none."""
    if situation.unknown:
        return (
            f"{situation.unknown} valid tokens were issued with a key that is neither the current nor a previous one: "
            "they are refused",
            "Set that key in REGISTRY_SECRET_KEY_PREVIOUS, or revoke the tokens.",
        )
    if situation.count and situation.until:
        return (
            f"{situation.count} valid tokens were issued with a previous key, "
            f"the last expires {clock.wire(situation.until)}",
            "Keep REGISTRY_SECRET_KEY_PREVIOUS until then, or replace the tokens.",
        )
    return "", ""
