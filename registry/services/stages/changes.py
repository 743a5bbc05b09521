"""Stage changes: their conditions, results and entries, for transitions and rollback alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from registry.db.batch import Answer
from registry.db.models import Model, Version
from registry.db.queries import records
from registry.db.records import VersionRecord
from registry.domain import clock
from registry.domain.access import Actor, Permission
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, Invalid
from registry.domain.stages import SERVING, Move, Stage, TransitionKind
from registry.services import audit
from registry.services.catalog import versions
from registry.services.gates.verdicts import PolicyEvaluation
from registry.services.idempotency import Outcome
from registry.services.stages import move_counts
from registry.services.unit_of_work import UnitOfWork

UNSAID = object()


ACTIONS = {
    TransitionKind.PROMOTE: "version.promoted",
    TransitionKind.DEMOTE: "version.demoted",
    TransitionKind.ARCHIVE: "version.archived",
    TransitionKind.RESTORE: "version.restored",
    TransitionKind.ROLLBACK: "version.rolled_back",
}


@dataclass(frozen=True, slots=True)
class StageChange:
    """The conditions and options of a stage change.

    ``expected_current`` is the holder that the caller saw: a number, None for no holder, UNSAID for any.
    ``if_match`` is the row version that the caller saw: of the version that moves, or of the model that is rolled back.
    Without ``displace`` no holder is displaced; with ``archive_others`` every other version in the target stage is
    archived in the same transaction, also where the lifecycle would let it stay. With ``revises`` a move to the present
    stage sets ``revised_at``, which MLflow's clients read. ``without_store_check`` rolls back without a check of the
    bytes in the store. ``break_glass`` moves past the gates. ``request`` is the request for approval that the move
    applies.
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
    break_glass: bool = False
    request: str | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """The result of a move, or of its dry run. ``at`` is None when nothing was written.

    ``warnings`` list the checks that were left out. ``entry`` is the id of the audit entry of the move. ``gates`` has
    the verdicts on a rehearsed move that a policy guards.
    """

    move: Move
    at: datetime | None
    version: VersionRecord
    dry_run: bool = False
    warnings: Sequence[str] = ()
    entry: str | None = None
    gates: PolicyEvaluation | None = None

    @property
    def changed(self) -> bool:
        """Whether the version moved, or in a dry run would move."""
        return self.move.changed and (self.gates is None or self.gates.passed)


def recall(outcome: Outcome) -> Moved:
    """Return the move of an earlier request, with the present state of the version."""
    number, source, target, kind, displaced = outcome["move"]
    decided = Move(number, Stage(source), Stage(target), kind and TransitionKind(kind), displaced=displaced)
    at = outcome["at"] and datetime.fromisoformat(outcome["at"])
    entry = outcome.get("entry")  # earlier releases did not remember it
    return Moved(decided, at, versions.recall(outcome), warnings=outcome["warnings"], entry=entry)


def require_to_break(change: StageChange, target: Stage, *, actor: Actor) -> None:
    """Raise Invalid for a move past the gates into a stage without gates, or Forbidden unless it is a dry run."""
    if target not in SERVING:
        raise Invalid.field("break_glass", f"applies to moves into {' and '.join(sorted(SERVING))} only")
    if not change.dry_run:
        actor.require(Permission.VERSION_BREAK_GLASS)


def finish(
    unit: UnitOfWork,
    version: Version,
    decided: Move,
    at: datetime | None,
    warnings: Sequence[str],
    *,
    sought: TransitionKind,
    entry: str | None = None,
) -> Answer[Moved]:
    """Return the move of the unit of work, and count it after the commit; *at* is None if nothing is written."""
    unit.after_commit(partial(move_counts.count_move, decided, sought=sought, is_done=at is not None))
    unit.remember(
        model=version.model_id,
        number=version.number,
        move=[decided.number, decided.source, decided.target, decided.kind, decided.displaced],
        at=at and clock.wire(at),
        warnings=list(warnings),
        entry=entry,
    )
    record = records.read_back(unit.session, version)
    return Answer(lambda: Moved(decided, at, record.value, warnings=warnings, entry=entry))


def draft_entry(
    model: Model,
    version: Version,
    decided: Move,
    related: Version | None,
    reason: str,
    *,
    facts: Mapping[str, Any] = MappingProxyType({}),
    recorded: Mapping[str, str] = MappingProxyType({}),
) -> AuditEntryDraft:
    """Return the entry of the move; *recorded* is what its ``after`` has beyond the stages."""
    assert decided.kind is not None  # noqa: S101 -- only a move that changes something is recorded
    before: dict[str, Any] = {"stage": decided.source.value}
    after: dict[str, Any] = {"stage": decided.target.value, **recorded}
    if decided.target is Stage.PRODUCTION:
        before["production"], after["production"] = related.number if related else None, version.number
    return AuditEntryDraft(
        ACTIONS[decided.kind],
        versions.subject(model, version, related),
        before=before,
        after=after,
        digests=versions.digests(version),
        texts=audit.texts(reason=reason),
        facts=facts,
    )


def refuse_deleted(model: Model) -> None:
    if model.deleted_at is not None:
        raise Conflict(f"the model {model.name!r} is deleted; restore it first")
