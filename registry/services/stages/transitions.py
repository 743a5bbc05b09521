"""Transitions of versions between stages: lock, plan, apply, record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from sqlalchemy.orm import Session

from registry.db import times
from registry.db.batch import Answer, Query
from registry.db.models import Model, Version
from registry.db.queries import catalog, governance, records
from registry.db.session import reading
from registry.domain import stages, validation
from registry.domain.access import Actor, Permission
from registry.domain.stages import Candidate, Lifecycle, Move, Stage, TransitionKind
from registry.domain.states import VersionState
from registry.services import audit, holds
from registry.services.catalog import authority, tenures
from registry.services.gates import approvals, assignments, verdicts
from registry.services.gates.awaited_formats import with_known_formats
from registry.services.idempotency import Claim
from registry.services.integrity import precheck
from registry.services.stages import break_glass, move_counts
from registry.services.stages.changes import (
    UNSAID,
    Moved,
    StageChange,
    draft_entry,
    finish,
    refuse_deleted,
    require_to_break,
)
from registry.services.unit_of_work import UnitOfWork, unit_of_work
from registry.storage.checked import Store
from registry.telemetry.meters import meters


class Asked(NamedTuple):
    """Queries that are executed with the lock of the model: for its policy, and for the open request for the move."""

    policy: Query
    request: Query


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
    route's. Raises Held, IllegalTransition, NotReady, GatesUnmet, Stale, PreconditionFailed, Forbidden, or BlobsMissing
    when bytes that should go to production are gone.
    """
    with move_counts.counting_refusals(move_counts.SOUGHT[target]):
        validation.require_reason(change.reason)
        warnings: list[str] = []
        if change.break_glass:
            require_to_break(change, target, actor=actor)
        if target is Stage.PRODUCTION:
            if not change.dry_run and not change.break_glass:
                actor.require(Permission.VERSION_PROMOTE)
            unchecked = precheck.refuse_damaged(store, model, number, note=not change.dry_run)
            warnings = [unchecked] if unchecked else []
        if change.dry_run:
            return replace(_rehearse_move(model, number, target, change, actor=actor), warnings=warnings)
        return with_known_formats(
            store,
            model,
            number,
            lambda: _change_stage(model, number, target, change, warnings, actor=actor, claim=claim),
        )


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
    holder = governance.ask_for_holder(model)
    with unit_of_work(claim) as unit:
        looks = [holder] if _concerns_holder(target, change) else []
        policy, held = assignments.ask_for_current(model), holds.ask(model, number)
        request = approvals.ask_for_move(model, number, target.value)
        if target in verdicts.GUARDED:
            looks += [*governance.share_rules(unit.session), policy, held, request]
        locked_model, version = catalog.lock_version(unit.session, model, number, *looks)
        incumbent = governance.holder_of(unit.session, holder)
        if version.stage != target:
            holds.refuse_asked(unit.session, held, locked_model, version, target)
        moved = move_in(
            unit, locked_model, version, incumbent, target, change,
            asked=Asked(policy, request), warnings=warnings, actor=actor,
        )  # fmt: skip
    return moved.value


def move_in(
    unit: UnitOfWork,
    locked_model: Model,
    version: Version,
    incumbent: Version | None,
    target: Stage,
    change: StageChange,
    *,
    asked: Asked,
    warnings: Sequence[str],
    actor: Actor,
) -> Answer[Moved]:
    """Apply and record the move, within a unit of work that has locked the model."""
    decided, displaced = plan_move(locked_model, version, incumbent, target, change, actor=actor)
    if not decided.changed:
        approvals.refuse_done(change.request)
    others = tenures.others_in(unit.session, locked_model, version, target) if change.archive_others else []
    if change.revises and not decided.changed:
        locked_model.revised_at = version.revised_at = times.now()
    if not decided.changed and not others:
        return finish(unit, version, decided, None, warnings, sought=move_counts.SOUGHT[target])
    judge = verdicts.evaluate if change.break_glass else verdicts.decide
    gates = judge(unit.session, locked_model, version, target, asked.policy) if decided.changed else None
    requested = approvals.found(unit.session, asked.request) if target in verdicts.GUARDED else None

    event = audit.begin(locked_model)
    as_of = gates.facts.at if gates else event.at
    approvals.require_same(requested, change.request, as_of)
    if displaced:
        tenures.enter(unit.session, locked_model, displaced, Stage.ARCHIVED, TransitionKind.SUPERSEDE, event)
    if decided.kind is not None:
        tenures.enter(unit.session, locked_model, version, decided.target, decided.kind, event)
        version.rolled_back = version.rolled_back and decided.target is not Stage.PRODUCTION
        recorded = {**(gates.recorded if gates else {}), **approvals.recorded(requested, as_of)}
        draft = draft_entry(locked_model, version, decided, displaced, change.reason, recorded=recorded)
        if change.break_glass:
            draft = replace(draft, action=break_glass.BROKEN)
            version.broken_glass_entry = event.uid
            unit.after_commit(meters().broken_glasses.inc)
        audit.record(unit.session, locked_model, event, draft, actor=actor, version=version, related=displaced)
        closed = approvals.close_applied(
            unit.session, locked_model, requested, event, as_of=as_of, actor=actor, version=version
        )
        if closed is not None:
            unit.remember_also(request=closed)
    if gates:
        verdicts.keep(unit.session, gates, locked_model, version, event)
    at = event.at
    for other in others:
        if other is not displaced:
            _archive_beside(unit.session, locked_model, other, version, target, change.reason, at=at, actor=actor)
    if warnings:
        unit.after_commit(partial(precheck.check_soon, locked_model.name, version.number))
    entry = event.uid if decided.changed else None
    return finish(unit, version, decided, at, warnings, sought=move_counts.SOUGHT[target], entry=entry)


def _rehearse_move(model: str, number: int, target: Stage, change: StageChange, *, actor: Actor) -> Moved:
    with reading(snapshot=True) as session:
        model_row = catalog.model(session, model)
        version = catalog.version(session, model_row, number)
        incumbent = governance.production_holder(session, model_row) if _concerns_holder(target, change) else None
        decided, _ = plan_move(model_row, version, incumbent, target, change, actor=actor)
        if decided.changed and target in verdicts.GUARDED:
            held = holds.of(session, [version.id]).get(version.id, ())
            holds.refuse_noticed(held, model_row.name, version.number, target)
        gates = verdicts.rehearse(session, model_row, version, target) if decided.changed else None
        return Moved(decided, None, records.version_record(session, version), dry_run=True, gates=gates)


def _concerns_holder(target: Stage, change: StageChange) -> bool:
    return target is Stage.PRODUCTION or change.expected_current is not UNSAID


def plan_move(
    model: Model, version: Version, incumbent: Version | None, target: Stage, change: StageChange, *, actor: Actor
) -> tuple[Move, Version | None]:
    """Decide the move from rows that were read, and return it with the version that it displaces.

    Raises what :func:`move` raises, but for the store.
    """
    refuse_deleted(model)
    catalog.check_match(version, change.if_match)
    if not change.dry_run:
        authority.require_to_move(actor, model, version)
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
    draft = draft_entry(model, other, archived, mover, reason)
    audit.record(session, model, event, draft, actor=actor, version=other, related=mover, aside=True)
