"""Versions that need attention: damaged, moved past the gates, pending for long, failed, or without lineage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from registry.db.queries import attention as queries
from registry.db.session import reading
from registry.domain.holds import HoldNotice
from registry.services import leases
from registry.services.holds import recall
from registry.services.maintenance import heartbeats

MOST = 50  # of each kind
PENDING_LONG = timedelta(minutes=10)
RECENTLY = timedelta(days=7)


class ConcernKind(StrEnum):
    """Kinds of concerns; ``held``, ``damaged`` and ``unrecorded`` apply to versions in production."""

    HELD = "held"
    DAMAGED = "damaged"
    BREAK_GLASS = "break_glass"
    WAITING = "waiting"
    FAILED = "failed"
    UNRECORDED = "unrecorded"


@dataclass(frozen=True, slots=True)
class Concern:
    """One version that needs attention; ``text`` is the reason. ``since`` is None if unknown."""

    kind: ConcernKind
    model: str
    version: int
    since: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Attention:
    """The versions that need attention, the most urgent first. ``more`` are the kinds with further versions.

    These are kinds with more than MOST versions, and held ones where too much depends on what is held to find all.
    """

    items: Sequence[Concern]
    more: Sequence[ConcernKind]


def list_() -> Attention:
    """Return the versions that need attention now, at most MOST of each kind.

    Versions are listed that are pending for longer than PENDING_LONG, or failed within RECENTLY. A move past the gates
    is listed until it is acknowledged.
    """
    with reading(snapshot=True) as session:
        moment = leases.now(session)
        held = recall.live_holds(session)
        found: dict[ConcernKind, list[Concern]] = {
            ConcernKind.HELD: _list_held(session, held.notices),
            ConcernKind.DAMAGED: _list_damaged(session),
            ConcernKind.BREAK_GLASS: _list_broken_glass(session),
            ConcernKind.WAITING: _list_waiting(session, moment),
            ConcernKind.FAILED: _list_failed(session, moment),
            ConcernKind.UNRECORDED: _list_unrecorded(session),
        }
    items = [concern for concerns in found.values() for concern in concerns[:MOST]]
    more = [
        kind
        for kind, concerns in found.items()
        if len(concerns) > MOST or (kind is ConcernKind.HELD and held.uncounted)
    ]
    return Attention(items, more)


def _list_held(session: Session, held: Mapping[int, Sequence[HoldNotice]]) -> list[Concern]:
    rows = queries.named(session, [*held][: MOST + 1]) if held else []
    return [
        Concern(ConcernKind.HELD, row.name, row.number, held[row.id][0].placed_at, _describe_holds(held[row.id]))
        for row in rows
    ]


def _describe_holds(held: Sequence[HoldNotice]) -> str:
    return f"it is in production and held: {'; '.join(hold.text for hold in held)}"


def _list_damaged(session: Session) -> list[Concern]:
    rows = queries.damaged(session, limit=MOST + 1)
    times = queries.found_at(session) if rows else {}
    return [
        Concern(ConcernKind.DAMAGED, row.name, row.number, times.get(row.sha256), _describe_damage(row)) for row in rows
    ]


def _describe_damage(row: Any) -> str:
    parts = [
        f"{count} of {_count_files(row.file_count)} {'is' if count == 1 else 'are'} {condition}"
        for count, condition in ((row.missing, "missing from the store"), (row.corrupt, "corrupt"))
        if count
    ]
    return ", and ".join(parts)


def _count_files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _list_broken_glass(session: Session) -> list[Concern]:
    rows = queries.moved_past_gates(session, limit=MOST + 1)
    return _dated_concerns(ConcernKind.BREAK_GLASS, rows, lambda row: f"{row.by} moved it past the gates")


def _list_waiting(session: Session, moment: datetime) -> list[Concern]:
    rows = queries.waiting(session, before=moment - PENDING_LONG, limit=MOST + 1)
    if not rows:
        return []
    alive = any(worker.alive for worker in heartbeats.workers(session))
    text = f"its files are not verified yet; {'a worker' if alive else 'no worker'} is alive"
    return [Concern(ConcernKind.WAITING, row.name, row.number, row.created_at, text) for row in rows]


def _list_failed(session: Session, moment: datetime) -> list[Concern]:
    rows = queries.failed(session, since=moment - RECENTLY, limit=MOST + 1)
    return _dated_concerns(ConcernKind.FAILED, rows, lambda row: row.state_reason or "its files could not be verified")


def _list_unrecorded(session: Session) -> list[Concern]:
    return _dated_concerns(ConcernKind.UNRECORDED, queries.unrecorded(session, limit=MOST + 1), _describe_origin)


def _describe_origin(row: Any) -> str:
    lacking = [] if row.has_data else ["without training data"]
    dirty = ["with uncommitted code"] if row.is_dirty else []
    return f"it is in production {' and '.join([*lacking, *dirty])}"


def _dated_concerns(kind: ConcernKind, rows: Iterable[Any], describe: Callable[[Any], str]) -> list[Concern]:
    """Return the concerns of rows that have a name, a number and a time first."""
    return [Concern(kind, row[0], row[1], row[2], describe(row)) for row in rows]
