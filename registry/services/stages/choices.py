"""Possible moves of a version and targets of a rollback, computed without a request to the store.

Each result comes from the function that plans the move itself, for rows of one transaction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from sqlalchemy.orm import Session

from registry.db.batch import Query
from registry.db.models import Model, Version
from registry.db.queries import catalog, governance
from registry.db.records import TenureRecord
from registry.db.session import reading
from registry.db.write_session import writing
from registry.domain.access import Actor, Permission
from registry.domain.errors import Conflict, Forbidden, IllegalTransition
from registry.domain.holds import HoldNotice
from registry.domain.stages import SERVING, Move, ProductionTenure, Stage, TransitionKind
from registry.domain.states import VersionState
from registry.services import holds
from registry.services.catalog import authority
from registry.services.gates import assignments, verdicts
from registry.services.gates.verdicts import PolicyEvaluation
from registry.services.stages import past, rollback, transitions
from registry.services.stages.changes import StageChange

LISTED = 50
_REHEARSAL = StageChange(reason="", dry_run=True)
_VACATING = StageChange(reason="", dry_run=True, leave_vacant=True)


@dataclass(frozen=True, slots=True)
class StageOption:
    """A stage that the version could enter: the ``move``, or the first ``refusal``.

    ``forbidden`` is the refusal for a missing permission, in any state. ``leave_vacant``: the move needs that option.
    ``gates`` has the verdicts on a move that a policy guards.
    """

    stage: Stage
    move: Move | None
    leave_vacant: bool
    refusal: Conflict | None
    forbidden: Forbidden | None
    gates: PolicyEvaluation | None = None

    @property
    def allowed(self) -> bool:
        """Whether a request would succeed, apart from the check of the store."""
        return self.move is not None and self.forbidden is None


@dataclass(frozen=True, slots=True)
class Options:
    """The stages that a version could enter from its present one. ``holder`` is the version in production."""

    model: str
    number: int
    stage: Stage
    holder: int | None
    options: Sequence[StageOption]

    def to(self, stage: Stage) -> StageOption | None:
        """Return the option for *stage*; None for the present one."""
        return next((option for option in self.options if option.stage is stage), None)


@dataclass(frozen=True, slots=True)
class WayBack:
    """A version that held production earlier, by its latest tenure there; ``refusal`` is why it cannot return."""

    tenure: TenureRecord
    refusal: Conflict | None

    @property
    def number(self) -> int:
        return self.tenure.number


@dataclass(frozen=True, slots=True)
class WaysBack:
    """The targets of a rollback of production: by default version ``target``, or the ``refusal`` if there is none.

    ``earlier`` are the versions that held production, the latest holder first, without those that hold it now: as many
    as had one of the latest ``LISTED`` tenures, and the target. ``more`` is set when there are others.
    """

    model: str
    holder: int | None
    target: int | None
    refusal: Conflict | None
    earlier: Sequence[WayBack]
    more: bool


def options(model: str, number: int, *, actor: Actor) -> Options:
    """Return the effect or the refusal of a move of the version to each other stage. Raises NotFound."""
    with reading(snapshot=True) as session:
        model_row = catalog.model(session, model)
        version = catalog.version(session, model_row, number)
        incumbent, policy = governance.ask_for_holder(model), assignments.ask_for_current(model)
        writing(session).ask(incumbent, policy)
        holder = governance.holder_of(session, incumbent)
        held = holds.of(session, [version.id]).get(version.id, ())
        others = [stage for stage in Stage if stage != version.stage]
        planned = [_option(model_row, version, holder, stage, held=held, actor=actor) for stage in others]
        found = [_through_gates(session, model_row, version, option, policy) for option in planned]
    return Options(model, number, Stage(version.stage), holder.number if holder else None, found)


def _option(
    model: Model, version: Version, holder: Version | None, target: Stage, *, held: Sequence[HoldNotice], actor: Actor
) -> StageOption:
    move, refusal, vacating = None, None, False
    try:
        planned, _ = transitions.plan_move(model, version, holder, target, _REHEARSAL, actor=actor)
        if target in SERVING:
            holds.refuse_noticed(held, model.name, version.number, target)
        move = planned
    except Conflict as refused:
        refusal = refused
    if isinstance(refusal, IllegalTransition):
        try:
            move, _ = transitions.plan_move(model, version, holder, target, _VACATING, actor=actor)
            vacating, refusal = True, None
        except IllegalTransition:
            pass  # the first text says more
    return StageOption(target, move, vacating, refusal, _lack(actor, model, version, target))


def _through_gates(session: Session, model: Model, version: Version, option: StageOption, policy: Query) -> StageOption:
    gates = verdicts.evaluate(session, model, version, option.stage, policy) if option.move else None
    if gates is None or gates.passed:
        return replace(option, gates=gates)
    return replace(option, gates=gates, move=None, refusal=verdicts.refusal(model, version, gates))


def _lack(actor: Actor, model: Model, version: Version, target: Stage) -> Forbidden | None:
    try:
        actor.require(Permission.VERSION_STAGE)
        if target is Stage.PRODUCTION:
            actor.require(Permission.VERSION_PROMOTE)
        authority.require_to_move(actor, model, version)
    except Forbidden as lack:
        return lack
    return None


def ways_back(model: str) -> WaysBack:
    """Return the default target of a rollback of the model's production, and the other targets. Raises NotFound."""
    with reading(snapshot=True) as session:
        model_row = catalog.model(session, model)
        holder = governance.production_holder(session, model_row)
        read: list[TenureRecord] = []
        line = _noting(past.line_of_production(session, model_row.name, at_once=LISTED + 1), read)
        target, refusal = _verdict(model_row, holder, map(_planned, line), to=None)
        chosen = [read[-1]] if target is not None else []
        refusal = refusal or (_held_back(read[-1]) if target is not None else None)
        target = None if refusal else target
        deque(islice(line, max(0, LISTED - len(read))), maxlen=0)
        more = len(read) > LISTED or next(line, None) is not None
    ways = []
    for tenure in _latest_of_each([*read[:LISTED], *chosen]):
        _, refused = _verdict(model_row, holder, map(_planned, read), to=tenure.number)
        ways.append(WayBack(tenure, refused or _held_back(tenure)))
    return WaysBack(model, holder.number if holder else None, target, refusal, ways, more)


def _held_back(tenure: TenureRecord) -> Conflict | None:
    try:
        holds.refuse_noticed(tenure.holds, tenure.model, tenure.number, Stage.PRODUCTION)
    except Conflict as refused:
        return refused
    return None


def _noting(line: Iterator[TenureRecord], read: list[TenureRecord]) -> Iterator[TenureRecord]:
    for tenure in line:
        read.append(tenure)
        yield tenure


def _planned(tenure: TenureRecord) -> ProductionTenure:
    return ProductionTenure(
        id=tenure.tenure,
        number=tenure.number,
        origin=tenure.origin or tenure.tenure,
        ended_kind=TransitionKind(tenure.ended_kind) if tenure.ended_kind else None,
        state=VersionState(tenure.state),
        rolled_back=tenure.rolled_back,
    )


def _verdict(
    model: Model, holder: Version | None, line: Iterable[ProductionTenure], *, to: int | None
) -> tuple[int | None, Conflict | None]:
    try:
        return rollback.choose_target(model, holder, _REHEARSAL, line, to=to).number, None
    except Conflict as refused:
        return None, refused


def _latest_of_each(line: Sequence[TenureRecord]) -> Iterator[TenureRecord]:
    """Yield the latest tenure of each version of *line*, newest first, without the versions that hold it now."""
    seen = {tenure.number for tenure in line if tenure.until is None}
    for tenure in line:
        if tenure.number not in seen:
            seen.add(tenure.number)
            yield tenure
