"""Tenures of stages and aliases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.domain import holds as holding
from registry.domain.holds import HoldNotice


@dataclass(frozen=True, slots=True)
class BrokenGlass:
    """A move of a version past the gates that no approver has acknowledged; ``entry`` is its audit entry."""

    at: datetime
    by: str
    reason: str | None
    entry: str


@dataclass(frozen=True, slots=True)
class HolderRecord:
    """A version's tenure in a stage, and who put it there why.

    ``break_glass`` and ``holds`` are those of the version, now.
    """

    tenure: int
    model: str
    stage: str
    number: int
    manifest_digest: str | None
    since: datetime
    until: datetime | None
    entry: str
    kind: str
    actor: str
    reason: str | None
    break_glass: BrokenGlass | None
    holds: Sequence[HoldNotice]

    @property
    def facts(self) -> list[str]:
        """Return the facts of the version that may change while it stays where it is, for ETags."""
        return [*(["glass"] if self.break_glass else []), *holding.facts(self.holds)]


@dataclass(frozen=True, slots=True)
class TenureRecord(HolderRecord):
    """A tenure, and who ended it why; the fields ``ended_…`` are None while it lasts.

    ``successor`` is the version that took its place, None where it left without one. ``state`` and ``rolled_back`` are
    those of its version now. ``origin`` is the tenure that a rollback brought back, None for another one.
    """

    ended_kind: str | None
    ended_entry: str | None
    ended_by: str | None
    ended_reason: str | None
    successor: int | None
    state: str
    rolled_back: bool
    origin: int | None


@dataclass(frozen=True, slots=True)
class ServingRecord:
    """A version that holds a stage, or held it at an instant, and who put it there why.

    ``named`` is the name of the model at that instant, ``holds`` are the active ones on the version now. ``now`` is the
    version that holds the stage now, and ``staged`` the one that entered staging last; None where none does.
    ``damaged``: its bytes are known to be missing or wrong now. ``uncertain``: a wrong clock dated entries of the
    model, so at that instant another version may have held it.
    """

    tenure: int
    model: str
    named: str
    stage: str
    number: int
    manifest_digest: str | None
    since: datetime
    until: datetime | None
    entry: str
    kind: str
    actor: str
    reason: str | None
    break_glass: BrokenGlass | None
    holds: Sequence[HoldNotice]
    now: int | None
    staged: int | None
    damaged: bool
    uncertain: bool


@dataclass(frozen=True, slots=True)
class AliasRecord:
    """Target of an alias, now or at a time; ``created`` in the reply to the call that created the alias.

    ``state``, ``break_glass`` and ``holds`` are those of the version, and ``protected`` that of the alias, as they are
    now.
    """

    tenure: int
    model: str
    alias: str
    number: int
    manifest_digest: str | None
    since: datetime
    until: datetime | None
    entry: str
    actor: str
    reason: str | None
    break_glass: BrokenGlass | None
    holds: Sequence[HoldNotice]
    state: str
    protected: bool
    created: bool = False

    @property
    def facts(self) -> list[str]:
        """Return the fields of the alias that may change while it stays where it is."""
        glass = ["glass"] if self.break_glass else []
        return [self.state, *(["protected"] if self.protected else []), *glass, *holding.facts(self.holds)]
