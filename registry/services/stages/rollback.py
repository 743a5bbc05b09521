"""Rollback of production: lock, plan, apply, record."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from registry.db.batch import Answer
from registry.db.models import Model, Version
from registry.db.queries import catalog, governance, records
from registry.db.session import reading
from registry.domain import stages, validation
from registry.domain.access import Actor, Permission
from registry.domain.stages import Move, Stage, TransitionKind
from registry.services import audit, holds
from registry.services.catalog import tenures
from registry.services.idempotency import Claim
from registry.services.integrity import precheck
from registry.services.stages import move_counts
from registry.services.stages.changes import (
    UNSAID,
    Moved,
    StageChange,
    draft_entry,
    finish,
    refuse_deleted,
)
from registry.services.unit_of_work import UnitOfWork, unit_of_work
from registry.storage.checked import Store
from registry.telemetry.meters import meters

ROLLED_BACK_UNCHECKED = "version.rolled_back_unchecked"


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

    Gates are skipped, integrity and holds are not: the target's bytes must be in the store. With
    ``without_store_check`` it is enough that the database has not recorded any damage of them. A dry run needs no
    permission beyond the route's. Raises Forbidden, Held, NoPrevious, IllegalTransition, NotReady, Stale, BlobsMissing,
    or BytesUnchecked when the store does not answer.
    """
    while True:
        rehearsed = rehearse(model, change, actor=actor, store=store, to=to)
        if change.dry_run:
            return rehearsed
        with suppress(LeadsElsewhere):
            return _roll_back_to(rehearsed.move.number, model, change, to, actor=actor, claim=claim)


def rehearse(model: str, change: StageChange, *, actor: Actor, store: Store, to: int | None) -> Moved:
    """Return what the rollback would do now, after a check of its target's bytes. Raises as :func:`roll_back` does."""
    validation.require_reason(change.reason)
    if not change.dry_run:
        actor.require(Permission.VERSION_ROLLBACK)
        if change.without_store_check:
            actor.require(Permission.VERSION_ROLLBACK_UNCHECKED)
    rehearsed = _rehearse_rollback(model, change, to)
    if change.without_store_check:
        precheck.require_undamaged(model, rehearsed.move.number)
    else:
        precheck.require_bytes(store, model, rehearsed.move.number, note=not change.dry_run)
    return rehearsed


def _rehearse_rollback(model: str, change: StageChange, to: int | None) -> Moved:
    with reading(snapshot=True) as session:
        model_row = catalog.model(session, model)
        outgoing = governance.production_holder(session, model_row)
        past = governance.production_line(session, model_row)
        chosen = choose_target(model_row, outgoing, change, past, to=to)
        target = catalog.version(session, model_row, chosen.number)
        decided = _rollback_move(target, outgoing)
        record = records.version_record(session, target)
        if change.dry_run and decided.changed:
            holds.refuse_noticed(record.holds, model, target.number, Stage.PRODUCTION)
        return Moved(decided, None, record, dry_run=True, warnings=_unchecked(model, target.number, change))


def _unchecked(model: str, number: int, change: StageChange) -> list[str]:
    return [precheck.UNCHECKED.format(model, number)] if change.without_store_check else []


class LeadsElsewhere(Exception):
    """Production changed since the rollback's target was checked."""


def _roll_back_to(
    checked: int, model: str, change: StageChange, to: int | None, *, actor: Actor, claim: Claim | None
) -> Moved:
    """Roll back, if the target is still the version whose bytes were checked."""
    with unit_of_work(claim) as unit:
        rolled_back = roll_back_in(unit, checked, model, change, to, actor=actor)
    return rolled_back.value


def roll_back_in(
    unit: UnitOfWork, checked: int, model: str, change: StageChange, to: int | None, *, actor: Actor
) -> Answer[Moved]:
    """Roll back within a unit of work. Raises LeadsElsewhere unless it leads to *checked*, whose bytes were checked."""
    holder = governance.ask_for_holder(model)
    held = holds.ask(model, checked)
    looks = [*governance.share_rules(unit.session), held, holder]
    locked_model, target = catalog.lock_version(unit.session, model, checked, *looks)
    outgoing = governance.holder_of(unit.session, holder)
    past = governance.production_line(unit.session, locked_model)
    chosen = choose_target(locked_model, outgoing, change, past, to=to)
    if chosen.number != checked:
        raise LeadsElsewhere
    decided = _rollback_move(target, outgoing)
    warnings = _unchecked(model, target.number, change)
    if not decided.changed:
        return finish(unit, target, decided, None, warnings, sought=TransitionKind.ROLLBACK)

    holds.refuse_asked(unit.session, held, locked_model, target, Stage.PRODUCTION)
    event = audit.begin(locked_model)
    if outgoing:
        tenures.enter(unit.session, locked_model, outgoing, Stage.ARCHIVED, TransitionKind.ROLLBACK, event)
        outgoing.rolled_back = True
    tenures.enter(
        unit.session, locked_model, target, Stage.PRODUCTION, TransitionKind.ROLLBACK, event, origin=chosen.origin
    )

    draft = draft_entry(locked_model, target, decided, outgoing, change.reason, facts={"origin": chosen.origin})
    if change.without_store_check:
        draft = replace(draft, action=ROLLED_BACK_UNCHECKED)
    audit.record(unit.session, locked_model, event, draft, actor=actor, version=target, related=outgoing)
    if change.without_store_check:
        unit.after_commit(meters().unchecked_rollbacks.inc)
        unit.after_commit(partial(precheck.check_soon, model, target.number))
    return finish(unit, target, decided, event.at, warnings, sought=TransitionKind.ROLLBACK, entry=event.uid)


def choose_target(
    model: Model,
    outgoing: Version | None,
    change: StageChange,
    past: Iterable[stages.ProductionTenure],
    *,
    to: int | None,
) -> stages.ProductionTenure:
    """Return the tenure that the rollback brings back; *past* is as :func:`stages.plan_rollback` takes it.

    Raises what :func:`roll_back` raises, but for the store.
    """
    refuse_deleted(model)
    catalog.check_match(model, change.if_match)
    if change.expected_current is not UNSAID:
        number = outgoing.number if outgoing else None
        stages.check_expected(change.expected_current, holder=number)  # type: ignore[arg-type]  # UNSAID is ruled out
    return stages.plan_rollback(past, to=to)


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
