"""Moves past the gates: their mark on the version, until an approver acknowledges it."""

from __future__ import annotations

from itertools import takewhile

from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.orm import Session

from registry.db.batch import Answer
from registry.db.fixed_statements import FixedStatement
from registry.db.models import AuditEntry, Version
from registry.db.queries import catalog, records
from registry.db.records import VersionRecord
from registry.domain import four_eyes, validation
from registry.domain.access import Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict
from registry.domain.four_eyes import Person
from registry.services import audit
from registry.services.catalog import versions
from registry.services.idempotency import Claim
from registry.services.stages.changes import refuse_deleted
from registry.services.unit_of_work import unit_of_work

BROKEN, ACKNOWLEDGED = "version.promoted_by_break_glass", "version.break_glass_acknowledged"
_ACTION = AuditEntry.action
_BREAKERS = FixedStatement(
    select(AuditEntry.actor_id, AuditEntry.issuer_id, _ACTION)
    .where(
        AuditEntry.version_id == bindparam("version"),
        _ACTION.in_([literal_column(f"'{BROKEN}'"), literal_column(f"'{ACKNOWLEDGED}'")]),
    )
    .order_by(AuditEntry.id.desc())
)


def acknowledge(model: str, number: int, *, reason: str, actor: Actor, claim: Claim | None = None) -> VersionRecord:
    """Acknowledge the moves of the version past the gates: answers no longer show them, its history does.

    Raises NotFound, or Conflict without such a move, and where *actor* made one of them: by their account, by a
    credential that they issued, or by one that was issued to them by the account that acknowledges.
    """
    validation.require_reason(reason)
    with unit_of_work(claim) as unit:
        locked_model, version = catalog.lock_version(unit.session, model, number)
        refuse_deleted(locked_model)
        if version.broken_glass_entry is None:
            raise Conflict(f"version {number} of {model!r} has no move past the gates that is to be acknowledged")
        _require_others(unit.session, version, actor)
        event = audit.begin(locked_model)
        before, version.broken_glass_entry = version.broken_glass_entry, None
        catalog.touch(version, event.at, revises=False)
        draft = AuditEntryDraft(
            ACKNOWLEDGED,
            versions.subject(locked_model, version),
            before={"break_glass": before},
            after={"break_glass": None},
            digests=versions.digests(version),
            texts=audit.texts(reason=reason),
        )
        audit.record(unit.session, locked_model, event, draft, actor=actor, version=version)
        unit.remember(model=locked_model.id, number=version.number)
        acknowledged: Answer[VersionRecord] = records.read_back(unit.session, version)
    return acknowledged.value


def _require_others(session: Session, version: Version, actor: Actor) -> None:
    """Raise Conflict when *actor* made a move past the gates since the last acknowledgement."""
    rows = records.rows(session, _BREAKERS, version=version.id)
    since = takewhile(lambda row: row.action != ACKNOWLEDGED, rows)
    moved = f"moved version {version.number} past the gates"
    reason = four_eyes.exclusion(
        four_eyes.person(actor), [(Person(row.actor_id, row.issuer_id), moved) for row in since]
    )
    if reason is not None:
        raise Conflict(
            f"{actor.name} cannot acknowledge it: {reason}. Another person has to acknowledge "
            "it, with a token that the account which moved it did not issue"
        )
