"""Move versions between stages and roll production back: lock, plan, apply, record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import Model, Tenure, Version
from registry.db.queries import catalog, governance, records
from registry.db.records import HolderRecord, VersionRecord
from registry.db.session import look_up, reading
from registry.domain import clock, stages
from registry.domain.access import Actor, Permission
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, Invalid, NotFound
from registry.domain.stages import Candidate, Lifecycle, Move, Stage, TransitionKind
from registry.domain.states import VersionState
from registry.services import audit
from registry.services.catalog import authority, tenures, versions
from registry.services.idempotency import Claim, Outcome
from registry.services.integrity import precheck
from registry.services.stages import move_counts
from registry.services.unit_of_work import UnitOfWork, unit_of_work
from registry.storage.checked import Store
from registry.telemetry.meters import meters

UNSAID = object()
REASON_LENGTH = 2000
HOLDERS = 400
ACTIONS = {
    TransitionKind.PROMOTE: "version.promoted",
    TransitionKind.DEMOTE: "version.demoted",
    TransitionKind.ARCHIVE: "version.archived",
    TransitionKind.RESTORE: "version.restored",
    TransitionKind.ROLLBACK: "version.rolled_back",
}
ROLLED_BACK_UNCHECKED = "version.rolled_back_unchecked"
_HELD = (Tenure.model_id == catalog.model_id(bindparam("model"))) & (Tenure.stage == bindparam("stage"))
_HOLDER = governance.covering(governance.select_holders().where(_HELD), Tenure, None)
_TENURE = governance.covering(select(Tenure.id).where(_HELD), Tenure, None)


@dataclass(frozen=True, slots=True)
class StageChange:
    """The conditions and options of a stage change.

    ``expected_current`` is the holder that the caller saw: a number, None for no holder, UNSAID for any.
    ``if_match`` is the row version that the caller saw: of the version that moves, or of the model that is rolled back.
    Without ``displace`` no holder is displaced; with ``archive_others`` every other version in the target stage is
    archived in the same transaction, also where the lifecycle would let it stay. With ``revises`` a move to the present
    stage sets ``revised_at``, which MLflow's clients read. ``without_store_check`` rolls back without a check of the
    bytes in the store.
    """

    reason: str
    expected_current: int | object | None = UNSAID
    leave_vacant: bool = False
    dry_run: bool = False
    if_match: int | None = None
    displace: bool = True
    archive_others: bool = False
    revises: bool = False
    without_store_check: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """The result of a move, or of its dry run. ``at`` is None when nothing was written.

    ``warnings`` list the checks that were left out.
    """

    move: Move
    at: datetime | None
    version: VersionRecord
    dry_run: bool = False
    warnings: Sequence[str] = ()


def move(
    model: str,
    number: int,
    target: Stage,
    change: StageChange,
    *,
    actor: Actor,
    store: Store,
    claim: Claim | None = None,
) -> Moved:
    """Move a version to *target*, displacing the holder of production.

    The move, its tenures and its audit entry commit together or not at all. A dry run needs no permission beyond the
    route's. Raises IllegalTransition, NotReady, Stale, PreconditionFailed, Forbidden, or BlobsMissing when bytes that
    should go to production are gone.
    """
    with move_counts.counting_refusals(move_counts.SOUGHT[target]):
        check_reason(change.reason)
        warnings: list[str] = []
        if target is Stage.PRODUCTION:
            if not change.dry_run:
                actor.require(Permission.VERSION_PROMOTE)
            unchecked = precheck.refuse_damaged(store, model, number, note=not change.dry_run)
            warnings = [unchecked] if unchecked else []
        if change.dry_run:
            return replace(_rehearse_move(model, number, target, change, actor=actor), warnings=warnings)
        return _change_stage(model, number, target, change, warnings, actor=actor, claim=claim)


def _change_stage(
    model: str,
    number: int,
    target: Stage,
    change: StageChange,
    warnings: Sequence[str],
    *,
    actor: Actor,
    claim: Claim | None,
) -> Moved:
    with unit_of_work(claim) as unit:
        locked_model = catalog.lock_model(unit.session, model)
        version = catalog.version(unit.session, locked_model, number)
        decided, displaced = _plan_move(unit.session, locked_model, version, target, change, actor=actor)
        others = tenures.others_in(unit.session, locked_model, version, target) if change.archive_others else []
        if change.revises and not decided.changed:
            locked_model.revised_at = version.revised_at = times.now()
            unit.session.flush()  # the answer is read by a statement
        if not decided.changed and not others:
            return _finish(unit, version, decided, None, warnings, sought=move_counts.SOUGHT[target])

        event = audit.begin(locked_model)
        if displaced:
            tenures.enter(unit.session, locked_model, displaced, Stage.ARCHIVED, TransitionKind.SUPERSEDE, event)
        if decided.kind is not None:
            tenures.enter(unit.session, locked_model, version, decided.target, decided.kind, event)
            version.rolled_back = version.rolled_back and decided.target is not Stage.PRODUCTION
            draft = _draft_entry(locked_model, version, decided, displaced, change.reason)
            audit.record(unit.session, locked_model, event, draft, actor=actor, version=version, related=displaced)
        at = event.at
        for other in others:
            if other is not displaced:
                _archive_beside(unit.session, locked_model, other, version, target, change.reason, at=at, actor=actor)
        if warnings:
            unit.after_commit(partial(precheck.check_soon, model, number))
        return _finish(unit, version, decided, at, warnings, sought=move_counts.SOUGHT[target])


@move_counts.counting_refusals(TransitionKind.ROLLBACK)
def roll_back(
    model: str,
    change: StageChange,
    *,
    actor: Actor,
    store: Store,
    to: int | None = None,
    claim: Claim | None = None,
) -> Moved:
    """Return production to the previous good holder, or to the earlier holder *to*; the outgoing version is archived.

    Gates are skipped, integrity is not: the target's bytes must be in the store. With ``without_store_check`` it is
    enough that the database has not recorded any damage of them. A dry run needs no permission beyond the route's.
    Raises Forbidden, NoPrevious, IllegalTransition, NotReady, Stale, BlobsMissing, or BytesUnchecked when the store
    does not answer.
    """
    check_reason(change.reason)
    if not change.dry_run:
        actor.require(Permission.VERSION_ROLLBACK)
        if change.without_store_check:
            actor.require(Permission.VERSION_ROLLBACK_UNCHECKED)
    while True:
        rehearsed = _rehearse_rollback(model, change, to)
        checked = rehearsed.move.number
        if change.without_store_check:
            precheck.require_undamaged(model, checked)
        else:
            precheck.require_bytes(store, model, checked, note=not change.dry_run)
        if change.dry_run:
            return rehearsed
        with suppress(_LeadsElsewhere):
            return _roll_back_to(checked, model, change, to, actor=actor, claim=claim)


def recall(outcome: Outcome) -> Moved:
    """Return what an earlier request moved, with the version as it is now."""
    number, source, target, kind, displaced = outcome["move"]
    decided = Move(number, Stage(source), Stage(target), kind and TransitionKind(kind), displaced=displaced)
    at = outcome["at"] and datetime.fromisoformat(outcome["at"])
    return Moved(decided, at, versions.recall(outcome), warnings=outcome["warnings"])


def holders(model: str) -> dict[str, list[HolderRecord]]:
    """Return who holds staging and production now, latest entrant first, ``HOLDERS`` at most. Raises NotFound."""
    with reading() as session:
        model_row = catalog.model(session, model)
        statement = governance.select_holders().where(
            Tenure.model_id == model_row.id, Tenure.ended_at.is_(None), Tenure.stage != Stage.ARCHIVED.value
        )
        holders_by_stage: dict[str, list[HolderRecord]] = {Stage.STAGING.value: [], Stage.PRODUCTION.value: []}
        order = (Tenure.stage, Tenure.started_at.desc(), Tenure.id.desc())  # production first
        for row in records.rows(session, statement.order_by(*order).limit(HOLDERS)):
            holder = HolderRecord(*row)
            holders_by_stage[holder.stage].append(holder)
        return holders_by_stage


def holder(model: str, stage: Stage, *, as_of: datetime | None = None) -> HolderRecord:
    """Return the version that holds the stage, or held it *as_of*: its latest entrant.

    The past is also that of deleted models of the name. Raises NotFound, Invalid, or TimeUncertain.
    """
    governance.require_past(as_of)
    if as_of is None:
        rows = look_up(_HOLDER, model=model, stage=stage.value)
    else:
        ever = governance.select_holders().where(catalog.ever_named(model, after=as_of), Tenure.stage == stage.value)
        rows = look_up(governance.covering(ever, Tenure, as_of).add_columns(*audit.doubts(as_of)))
    if rows and (as_of is None or not any(rows[0][-2:])):
        return HolderRecord(*(rows[0] if as_of is None else rows[0][:-2]))
    with reading() as session:
        catalog.require_ever_named(session, model)
        if as_of is not None:
            audit.require_certain(session, model, as_of)
        if rows:
            return HolderRecord(*rows[0][:-2])
        raise NotFound(_nobody(session, model, stage, as_of))


def tenure_of(model: str, stage: Stage) -> int | None:
    """Return the id of the present tenure of the :func:`holder`; None without one."""
    rows = look_up(_TENURE, model=model, stage=stage.value)
    return rows[0][0] if rows else None


def check_reason(reason: str) -> None:
    """Raise Invalid unless *reason* has text, of fewer than 2,000 characters."""
    if not reason.strip() or len(reason) > REASON_LENGTH:
        raise Invalid.field("reason", f"must have 1 to {REASON_LENGTH} characters: history will show it")


def _rehearse_move(model: str, number: int, target: Stage, change: StageChange, *, actor: Actor) -> Moved:
    with reading() as session:
        model_row = catalog.model(session, model)
        version = catalog.version(session, model_row, number)
        decided, _ = _plan_move(session, model_row, version, target, change, actor=actor)
        return Moved(decided, None, records.version_record(session, version), dry_run=True)


def _plan_move(
    session: Session, model: Model, version: Version, target: Stage, change: StageChange, *, actor: Actor
) -> tuple[Move, Version | None]:
    _refuse_deleted(model)
    catalog.check_match(version, change.if_match)
    if not change.dry_run:
        authority.require_to_move(actor, model, version)
    matters = target is Stage.PRODUCTION or change.expected_current is not UNSAID
    incumbent = governance.production_holder(session, model) if matters else None
    number = incumbent.number if incumbent else None
    if change.expected_current is not UNSAID:
        stages.check_expected(change.expected_current, holder=number)  # type: ignore[arg-type]  # UNSAID is ruled out
    decided = stages.plan(
        Candidate(version.number, Stage(version.stage), VersionState(version.state), version.rolled_back),
        target,
        lifecycle=Lifecycle(model.lifecycle),
        holder=number,
        leave_vacant=change.leave_vacant,
        displace=change.displace,
    )
    return decided, incumbent if decided.displaced is not None else None


def _archive_beside(
    session: Session,
    model: Model,
    other: Version,
    mover: Version,
    stage: Stage,
    reason: str,
    *,
    at: datetime,
    actor: Actor,
) -> None:
    """Archive one that stood in the stage which *mover* got to itself; its own entry makes its history complete."""
    event = replace(audit.begin(model), at=at)
    kind = TransitionKind.SUPERSEDE if stage is Stage.PRODUCTION else TransitionKind.ARCHIVE
    tenures.enter(session, model, other, Stage.ARCHIVED, kind, event)
    archived = Move(other.number, stage, Stage.ARCHIVED, TransitionKind.ARCHIVE)
    draft = _draft_entry(model, other, archived, mover, reason)
    audit.record(session, model, event, draft, actor=actor, version=other, related=mover)


def _rehearse_rollback(model: str, change: StageChange, to: int | None) -> Moved:
    with reading(snapshot=True) as session:
        model_row = catalog.model(session, model)
        chosen, outgoing = _plan_rollback(session, model_row, change, to)
        target = catalog.version(session, model_row, chosen.number)
        decided = _rollback_move(target, outgoing)
        record = records.version_record(session, target)
        return Moved(decided, None, record, dry_run=True, warnings=_unchecked(model, target.number, change))


def _unchecked(model: str, number: int, change: StageChange) -> list[str]:
    return [precheck.UNCHECKED.format(model, number)] if change.without_store_check else []


class _LeadsElsewhere(Exception):
    """Production changed since the rollback's target was checked."""


def _roll_back_to(
    checked: int, model: str, change: StageChange, to: int | None, *, actor: Actor, claim: Claim | None
) -> Moved:
    """Roll back, if that still leads to the version whose bytes were checked."""
    with unit_of_work(claim) as unit:
        locked_model = catalog.lock_model(unit.session, model)
        chosen, outgoing = _plan_rollback(unit.session, locked_model, change, to)
        if chosen.number != checked:
            raise _LeadsElsewhere
        target = catalog.version(unit.session, locked_model, chosen.number)
        decided = _rollback_move(target, outgoing)
        warnings = _unchecked(model, target.number, change)
        if not decided.changed:
            return _finish(unit, target, decided, None, warnings, sought=TransitionKind.ROLLBACK)

        event = audit.begin(locked_model)
        if outgoing:
            tenures.enter(unit.session, locked_model, outgoing, Stage.ARCHIVED, TransitionKind.ROLLBACK, event)
            outgoing.rolled_back = True
        tenures.enter(
            unit.session, locked_model, target, Stage.PRODUCTION, TransitionKind.ROLLBACK, event, origin=chosen.origin
        )

        draft = _draft_entry(locked_model, target, decided, outgoing, change.reason, facts={"origin": chosen.origin})
        if change.without_store_check:
            draft = replace(draft, action=ROLLED_BACK_UNCHECKED)
        audit.record(unit.session, locked_model, event, draft, actor=actor, version=target, related=outgoing)
        if change.without_store_check:
            unit.after_commit(meters().unchecked_rollbacks.inc)
            unit.after_commit(partial(precheck.check_soon, model, target.number))
        return _finish(unit, target, decided, event.at, warnings, sought=TransitionKind.ROLLBACK)


def _finish(
    unit: UnitOfWork,
    version: Version,
    decided: Move,
    at: datetime | None,
    warnings: Sequence[str],
    *,
    sought: TransitionKind,
) -> Moved:
    """Return what the unit of work moved, and let it count that; *at* is None when it wrote nothing."""
    unit.after_commit(partial(move_counts.count_move, decided, sought=sought, is_done=at is not None))
    unit.remember(
        model=version.model_id,
        number=version.number,
        move=[decided.number, decided.source, decided.target, decided.kind, decided.displaced],
        at=at and clock.wire(at),
        warnings=list(warnings),
    )
    return Moved(decided, at, records.version_record(unit.session, version), warnings=warnings)


def _plan_rollback(
    session: Session, model: Model, change: StageChange, to: int | None
) -> tuple[stages.ProductionTenure, Version | None]:
    _refuse_deleted(model)
    catalog.check_match(model, change.if_match)
    outgoing = governance.production_holder(session, model)
    if change.expected_current is not UNSAID:
        number = outgoing.number if outgoing else None
        stages.check_expected(change.expected_current, holder=number)  # type: ignore[arg-type]  # UNSAID is ruled out
    return stages.plan_rollback(governance.production_line(session, model), to=to), outgoing


def _rollback_move(target: Version, outgoing: Version | None) -> Move:
    source = Stage(target.stage)
    if source is Stage.PRODUCTION:
        return Move(target.number, source, Stage.PRODUCTION, None)
    return Move(
        target.number,
        source,
        Stage.PRODUCTION,
        TransitionKind.ROLLBACK,
        displaced=outgoing.number if outgoing else None,
    )


def _draft_entry(
    model: Model,
    version: Version,
    decided: Move,
    related: Version | None,
    reason: str,
    *,
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> AuditEntryDraft:
    assert decided.kind is not None  # noqa: S101 -- only a move that changes something is recorded
    before: dict[str, Any] = {"stage": decided.source.value}
    after: dict[str, Any] = {"stage": decided.target.value}
    if decided.target is Stage.PRODUCTION:
        before["production"], after["production"] = related.number if related else None, version.number
    return AuditEntryDraft(
        ACTIONS[decided.kind],
        versions.subject(model, version, related),
        before=before,
        after=after,
        digests={"manifest": version.manifest_digest},
        texts=audit.texts(reason=reason),
        facts=facts,
    )


def _refuse_deleted(model: Model) -> None:
    if model.deleted_at is not None:
        raise Conflict(f"the model {model.name!r} is deleted; restore it first")


def _nobody(session: Session, model: str, stage: Stage, as_of: datetime | None) -> str:
    if as_of is None:
        return f"no version of {model!r} holds {stage}"
    first: Any = governance.first_tenure(session, model, stage)
    since = f"; the first to hold it began at {clock.wire(first)}" if first else "; none ever did"
    return f"no version of {model!r} held {stage} at {clock.wire(as_of)}{since}"
