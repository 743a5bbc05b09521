"""The stage machine: which moves exist, whom they displace, and where a rollback leads.

Edges are data; every decision here is a function of its arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from registry.domain.errors import IllegalTransition, NoPrevious, NotReady, Occupied, Stale
from registry.domain.states import VersionState


class Stage(StrEnum):
    NONE = "none"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"


class Lifecycle(StrEnum):
    """``enforced`` obeys EDGES; ``open`` allows any move and several production versions, as MLflow did."""

    ENFORCED = "enforced"
    OPEN = "open"


class TransitionKind(StrEnum):
    """Cause of the beginning or end of a tenure."""

    PROMOTE = "promote"
    DEMOTE = "demote"
    ARCHIVE = "archive"
    RESTORE = "restore"
    SUPERSEDE = "supersede"
    ROLLBACK = "rollback"


EDGES: Mapping[Stage, frozenset[Stage]] = {
    Stage.NONE: frozenset({Stage.STAGING, Stage.ARCHIVED}),
    Stage.STAGING: frozenset({Stage.PRODUCTION, Stage.NONE, Stage.ARCHIVED}),
    Stage.PRODUCTION: frozenset({Stage.ARCHIVED}),
    Stage.ARCHIVED: frozenset({Stage.STAGING}),
}
SERVING = frozenset({Stage.STAGING, Stage.PRODUCTION})
_RANK = {Stage.NONE: 0, Stage.STAGING: 1, Stage.PRODUCTION: 2}


@dataclass(frozen=True, slots=True)
class Candidate:
    """The facts of a version that the stage machine needs."""

    number: int
    stage: Stage
    state: VersionState
    rolled_back: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A decided move. ``kind`` is None when the version already holds the stage: nothing is to be written."""

    number: int
    source: Stage
    target: Stage
    kind: TransitionKind | None
    displaced: int | None = None

    @property
    def changed(self) -> bool:
        return self.kind is not None


@dataclass(frozen=True, slots=True)
class ProductionTenure:
    """One span for which a version held production, as a rollback needs it.

    ``origin`` is the id of the tenure that a rollback brought back, or its own id.
    """

    id: int
    number: int
    origin: int
    ended_kind: TransitionKind | None
    state: VersionState
    rolled_back: bool


def plan(
    version: Candidate,
    target: Stage,
    *,
    lifecycle: Lifecycle,
    holder: int | None,
    leave_vacant: bool = False,
    displace: bool = True,
) -> Move:
    """Decide whether *version* may enter *target*; the move names the version that it displaces from production.

    Raises IllegalTransition (with the allowed stages), NotReady, or without *displace* Occupied when another version
    holds production.
    """
    if version.state is VersionState.DELETED:
        raise NotReady(f"version {version.number} is deleted; restore it before moving it")
    if version.stage is target:
        return Move(version.number, version.stage, target, None)
    if lifecycle is Lifecycle.ENFORCED:
        _check_edge(version, target, leave_vacant=leave_vacant)
    if target in SERVING:
        _check_ready(version, target, lifecycle)
    displaced = holder if lifecycle is Lifecycle.ENFORCED and target is Stage.PRODUCTION else None
    if displaced is not None and not displace:
        raise Occupied(
            f"version {displaced} holds production; promote with archive_existing_versions=true to take its place, "
            "or archive it first",
            holder=displaced,
        )
    return Move(version.number, version.stage, target, kind_of(version.stage, target), displaced)


def allowed(version: Candidate) -> frozenset[Stage]:
    """Return the stages that *version* may enter next in an enforced lifecycle."""
    return EDGES[version.stage]


def passed_over(staging: Iterable[int], holder: int | None) -> list[int]:
    """Return the versions in *staging* that are older than the *holder* of production, by number."""
    return sorted(number for number in staging if holder is not None and number < holder)


def kind_of(source: Stage, target: Stage) -> TransitionKind:
    """Return the name of the move from *source* to *target*."""
    if target is Stage.ARCHIVED:
        return TransitionKind.ARCHIVE
    if source is Stage.ARCHIVED and target is not Stage.PRODUCTION:
        return TransitionKind.RESTORE
    return TransitionKind.PROMOTE if _RANK[target] > _RANK.get(source, -1) else TransitionKind.DEMOTE


def check_expected(expected: int | None, *, holder: int | None) -> None:
    """Raise Stale unless the holder of production is the one that the caller saw."""
    if expected != holder:
        seen = "no version" if expected is None else f"version {expected}"
        now = "no version" if holder is None else f"version {holder}"
        raise Stale(f"you expected {seen} to hold production, but {now} does; look again and decide", holder=holder)


def plan_rollback(past: Iterable[ProductionTenure], *, to: int | None = None) -> ProductionTenure:
    """Choose the production tenure that a rollback returns to.

    *past* is every production tenure of the model, newest first; it is read only as far as needed. Without *to*, the
    result is the latest tenure before the newest one's origin that was superseded and whose version can serve again:
    it is ready, was not rolled back since, and is neither the newest holder nor in production now. After A, B, C that
    is B, then A, then none. With *to*, it is that version's latest tenure.

    Raises NoPrevious, or IllegalTransition or NotReady when *to* names a version that cannot return.
    """
    return _previous(past) if to is None else _earlier_holder(past, to)


def _previous(past: Iterable[ProductionTenure]) -> ProductionTenure:
    position: int | None = None
    current: set[int] = set()
    for tenure in past:
        if position is None or tenure.ended_kind is None:
            current.add(tenure.number)
        if position is None:
            position = tenure.origin
        elif tenure.id < position and tenure.number not in current and _is_good(tenure):
            return tenure
    if position is None:
        raise NoPrevious("no version of this model has ever held production; there is nothing to roll back to")
    raise NoPrevious("no earlier version was superseded in production and is still ready; name one with 'to' (--to)")


def _is_good(tenure: ProductionTenure) -> bool:
    return (
        tenure.ended_kind is TransitionKind.SUPERSEDE and tenure.state is VersionState.READY and not tenure.rolled_back
    )


def _earlier_holder(past: Iterable[ProductionTenure], number: int) -> ProductionTenure:
    tenure = next((tenure for tenure in past if tenure.number == number), None)
    if tenure is None:
        raise NoPrevious(f"version {number} never held production; promote it through staging instead")
    if tenure.rolled_back:
        raise IllegalTransition(
            f"version {number} was rolled back; it re-enters production only through staging", allowed=[Stage.STAGING]
        )
    if tenure.state is not VersionState.READY:
        raise NotReady(f"version {number} is {tenure.state}; only ready versions enter production")
    return tenure


def _check_ready(version: Candidate, target: Stage, lifecycle: Lifecycle) -> None:
    if version.state is VersionState.READY:
        return
    if version.state is not VersionState.UNVERIFIED:
        raise NotReady(f"version {version.number} is {version.state}; only ready versions enter {target}")
    if lifecycle is Lifecycle.ENFORCED:
        raise NotReady(
            f"version {version.number} is unverified: its files are elsewhere and the registry has not seen them. "
            f"Register them as a new version with their bytes (registry register, the MLflow plugin, or an artifact "
            f"location of this registry), then move that to {target}"
        )


def _check_edge(version: Candidate, target: Stage, *, leave_vacant: bool) -> None:
    if target not in EDGES[version.stage]:
        raise IllegalTransition(
            f"version {version.number} cannot go from {version.stage} to {target}{_advice(version, target)}",
            allowed=sorted(EDGES[version.stage]),
        )
    if version.stage is Stage.PRODUCTION and not leave_vacant:
        raise IllegalTransition(
            f"archiving version {version.number} would leave production vacant; "
            "promote another version, roll back, or set leave_vacant: true (--leave-vacant)",
            allowed=sorted(EDGES[version.stage]),
        )


def _advice(version: Candidate, target: Stage) -> str:
    if target is Stage.PRODUCTION and version.stage is Stage.ARCHIVED:
        return "; move it to staging first, or roll back to it"
    if target is Stage.PRODUCTION:
        return "; move it to staging first"
    if version.stage is Stage.PRODUCTION:
        return "; promote another version over it, roll back, or archive it with leave_vacant: true (--leave-vacant)"
    return ""
