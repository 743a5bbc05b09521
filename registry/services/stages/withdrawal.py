"""Withdrawal: a hold on a version in production that leaves it in the same unit of work."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from registry.db.batch import Answer
from registry.db.queries import catalog, governance
from registry.db.records import HoldRecord
from registry.db.session import reading
from registry.domain import validation
from registry.domain.access import Actor, Permission
from registry.domain.errors import Conflict, Held, NoPrevious
from registry.domain.stages import Stage, TransitionKind
from registry.services import holds
from registry.services.gates import approvals, assignments
from registry.services.holds.placing import HoldTarget
from registry.services.idempotency import Claim, Outcome
from registry.services.stages import move_counts, rollback, transitions
from registry.services.stages.changes import Moved, StageChange
from registry.services.unit_of_work import UnitOfWork, unit_of_work
from registry.storage.checked import Store


@dataclass(frozen=True, slots=True)
class Placed:
    """A hold that was placed. With a rollback, ``left`` is whether the version left production by it.

    ``successor`` is the version that is in production instead, None where there is none; ``move_entry`` is the audit
    entry of that move.
    """

    hold: HoldRecord
    left: bool = False
    successor: int | None = None
    move_entry: str | None = None


def place(
    target: HoldTarget,
    *,
    reason: str,
    rollback: bool = False,
    leave_vacant: bool = False,
    actor: Actor,
    store: Store,
    claim: Claim | None = None,
) -> Placed:
    """Place a hold; with *rollback* take its version out of production in the same unit of work.

    Raises what ``holds.placing.place`` and :func:`withdraw` raise.
    """
    if rollback and target.model is not None and target.number is not None:
        return withdraw(
            target.model,
            target.number,
            reason=reason,
            leave_vacant=leave_vacant,
            actor=actor,
            store=store,
            claim=claim,
        )
    return Placed(holds.placing.place(target, reason=reason, actor=actor, claim=claim))


def withdraw(
    model: str,
    number: int,
    *,
    reason: str,
    leave_vacant: bool = False,
    actor: Actor,
    store: Store,
    claim: Claim | None = None,
) -> Placed:
    """Place a hold on a version in production, and roll production back; with *leave_vacant* archive the version.

    Both are done, or neither. Raises what a rollback raises, or Conflict when the version is not in production.
    """
    validation.require_reason(reason)
    change = StageChange(reason=reason, expected_current=number, leave_vacant=leave_vacant)
    with reading() as session:
        model_row = catalog.model(session, model)
        version = catalog.version(session, model_row, number)
        holder = governance.production_holder(session, model_row)
    if version.stage != Stage.PRODUCTION:
        raise Conflict(f"{model}:{number} is not in production; place the hold without a rollback")
    if leave_vacant or holder is None or holder.number != number:  # in lifecycle open there may be others
        with move_counts.counting_refusals(TransitionKind.ARCHIVE):
            return _archive(model, number, StageChange(reason=reason, leave_vacant=True), actor=actor, claim=claim)
    with move_counts.counting_refusals(TransitionKind.ROLLBACK):
        try:
            return _roll_back(model, number, change, actor=actor, store=store, claim=claim)
        except (NoPrevious, Held) as refused:
            refused.detail = (
                f"{refused.detail}. Nothing was done. To take {model}:{number} out of production without a successor, "
                "add leave_vacant (--leave-vacant)"
            )
            raise


def recall(outcome: Outcome) -> Placed:
    """Return the hold of an earlier request as it is now, with the move that was made with it."""
    left, successor, entry = outcome.get("move", (False, None, None))
    return Placed(holds.placing.recall(outcome), left, successor, entry)


def _roll_back(
    model: str, number: int, change: StageChange, *, actor: Actor, store: Store, claim: Claim | None
) -> Placed:
    while True:
        rehearsed = rollback.rehearse(model, change, actor=actor, store=store, to=None)
        with suppress(rollback.LeadsElsewhere), unit_of_work(claim) as unit:
            hold = _place_first(unit, model, number, change, actor=actor)
            moved = rollback.roll_back_in(unit, rehearsed.move.number, model, change, None, actor=actor)
            return _finish_withdrawal(unit, hold, moved, successor=rehearsed.move.number)


def _archive(model: str, number: int, change: StageChange, *, actor: Actor, claim: Claim | None) -> Placed:
    actor.require(Permission.VERSION_STAGE)
    with unit_of_work(claim) as unit:
        hold = _place_first(unit, model, number, change, actor=actor)
        locked_model, version = catalog.lock_version(unit.session, model, number)
        holder = governance.production_holder(unit.session, locked_model)
        moved = transitions.move_in(
            unit,
            locked_model,
            version,
            holder,
            Stage.ARCHIVED,
            change,
            asked=transitions.Asked(
                assignments.ask_for_current(model), approvals.ask_for_move(model, number, Stage.ARCHIVED)
            ),
            warnings=[],
            actor=actor,
        )
        others = holder.number if holder and holder.number != number else None
        return _finish_withdrawal(unit, hold, moved, successor=others)


def _place_first(unit: UnitOfWork, model: str, number: int, change: StageChange, *, actor: Actor) -> HoldRecord:
    locked_model, version = catalog.lock_version(unit.session, model, number)
    placed = holds.placing.place_on_version(unit, locked_model, version, reason=change.reason, actor=actor)
    return holds.placing.record_of(unit.session, placed.id)


def _finish_withdrawal(unit: UnitOfWork, hold: HoldRecord, moved: Answer[Moved], *, successor: int | None) -> Placed:
    entry = unit.outcome.get("entry")
    unit.remember(hold=hold.id, move=[True, successor, entry])
    return Placed(hold, True, successor, entry)
