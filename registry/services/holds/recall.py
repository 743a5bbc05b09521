"""Recalls: holds in a list, and what is downstream of one: which versions are live, and which have left production."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.orm import Session

from registry.db.fixed_statements import FixedStatement
from registry.db.models import Account, AliasTenure, AuditEntry, Hold, LineageNode, Model, Tenure, Version
from registry.db.queries import holds as queries
from registry.db.queries import pages, walking
from registry.db.queries.walking import MOST_NODES
from registry.db.records import HoldRecord, Page
from registry.db.session import reading
from registry.domain import clock
from registry.domain.errors import Conflict, NotFound
from registry.domain.holds import MOST_UPSTREAM, HoldKind, HoldNotice
from registry.domain.stages import Stage
from registry.services.holds import placing
from registry.services.lineage import impact
from registry.services.lineage.dependents import ReachedNode, dependents
from registry.services.lineage.impact import AffectedVersion, RankedVersion, Sought, SoughtKind

MOST_LISTED = 120_000  # nodes of the lineage that a list of holds reaches
MOST_WATCHED = 20_000  # that attention and the metrics reach, which are asked for often
MOST_DEPARTURES = 200
COLUMNS = (
    "model", "version", "stage", "state", "aliases", "promoted_by", "path", "production_since", "production_until",
)  # fmt: skip


class HoldState(StrEnum):
    """Which holds a list has."""

    ACTIVE = "active"
    RELEASED = "released"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Departure:
    """A version that left production since the hold was placed: when, how, and by which entry of whom."""

    model: str
    number: int
    at: datetime
    kind: str
    entry: str
    actor: str


@dataclass(frozen=True, slots=True)
class Recall:
    """A hold, and how far its versions have left production.

    ``downstream``, ``live`` and ``staging`` count versions: all that it is about, those in production and those in
    staging. They are None where too much depends on its target. ``departures`` are the latest ones, newest first.
    """

    hold: HoldRecord
    downstream: int | None
    live: int | None
    staging: int | None
    departures: Sequence[Departure]

    @property
    def complete(self) -> bool:
        """Whether no version that it is about is in production."""
        return self.live == 0


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """A version that a hold is about, its aliases, and who brought it to production, while it is there."""

    affected: AffectedVersion
    aliases: Sequence[str]
    promoted_by: str | None


@dataclass(frozen=True, slots=True)
class LiveHolds:
    """The active holds on each version in production, by its id.

    ``uncounted`` are holds on data and models that too much depends on: their versions may be missing.
    """

    notices: Mapping[int, Sequence[HoldNotice]]
    uncounted: Sequence[int]


def list_(
    *,
    state: HoldState = HoldState.ACTIVE,
    model: str | None = None,
    live: bool = False,
    after: Sequence[Any] | None = None,
    limit: int,
) -> Page[HoldRecord]:
    """Return holds, the newest first; of a model those on its versions. *live*: those that hold one in production."""
    with reading(snapshot=True) as session:
        counts = _live_counts(session)
        values: dict[str, Any] = {} if model is None else {"model": model}
        values |= {} if after is None else {"after": after[0]}
        values |= {"among": [*counts] or [0]} if live else {}
        states = [] if state is HoldState.ALL else [state.value]
        found = queries.records(session, queries.listed(*values, *states), values | {"most": limit + 1})
    shown = [replace(hold, live=counts.get(hold.id, 0)) if hold.released_at is None else hold for hold in found[:limit]]
    return Page(shown, (shown[-1].id,) if len(found) > limit else None)


def show(id: int) -> Recall:
    """Return a hold with what is downstream of it. Raises NotFound."""
    with reading(snapshot=True) as session:
        hold = placing.record_of(session, id)
        try:
            ranked = [*_ranked_versions(session, hold)[0]]
        except Conflict:  # too much depends on it
            return Recall(hold, None, None, None, [])
        stages = Counter(one.stage for one in ranked)
        departures = _departures(session, [-one.place[1] for one in ranked], hold.placed_at)
        return Recall(hold, len(ranked), stages[Stage.PRODUCTION], stages[Stage.STAGING], departures)


def versions(
    id: int, *, stage: Stage | None = None, after: Sequence[Any] | None = None, limit: int
) -> Page[HeldVersion]:
    """Return the versions that a hold is about, as they are now: production first, then staging, the newest first.

    Raises NotFound, and Conflict where too much depends on its target.
    """
    with reading(snapshot=True) as session:
        ranked, found = _ranked_versions(session, placing.record_of(session, id), stage)
        shown, last = impact.page_of(ranked, after, limit)
        return Page(_held_versions(session, shown, found), last)


def table(id: int, *, stage: Stage | None = None) -> Iterator[Sequence[Any]]:
    """Return all of :func:`versions` as rows of ``COLUMNS``. Raises as it does, before there is a row."""
    with reading(snapshot=True) as session:
        ranked, found = _ranked_versions(session, placing.record_of(session, id), stage)
        in_order = sorted(ranked)
    return _table(in_order, found)


def live_holds(session: Session, *, most: int = MOST_WATCHED) -> LiveHolds:
    """Return the active holds on the versions in production, found from the holds.

    At most *most* nodes are reached. A hold takes half of what is left of them: one that takes more is not counted, and
    leaves room for others.
    """
    if not queries.active_counts(session):
        return LiveHolds({}, [])
    notices = {version: [*held] for version, held in queries.live(session).items()}
    uncounted: list[int] = []
    for hold in queries.records(session, queries.listed("upstream"), {"most": MOST_UPSTREAM}):
        share = most // 2
        try:
            found = _downstream(session, hold, most=share)
        except Conflict:
            uncounted.append(hold.id)
            most -= share
            continue
        most -= len(found)
        for version in queries.in_production(session, found):
            notices.setdefault(version, []).append(queries.notice_of(hold))
    in_order = {version: sorted(held, key=lambda one: one.id) for version, held in notices.items()}
    return LiveHolds(in_order, uncounted)


def _table(in_order: Sequence[RankedVersion], found: Mapping[int, ReachedNode]) -> Iterator[Sequence[Any]]:
    for group in walking.chunks(in_order):
        with reading() as session:
            described = _held_versions(session, group, found)
        for one in described:
            version = one.affected
            path = " > ".join(step.name for step in version.path)
            times = [moment and clock.wire(moment) for moment in version.production or (None, None)]
            aliases = ", ".join(one.aliases)
            yield (version.model, version.number, version.stage, version.state, aliases, one.promoted_by, path, *times)


def _live_counts(session: Session) -> Mapping[int, int | None]:
    """Return how many versions in production each active hold is about, if any; None where it is not counted."""
    live = live_holds(session, most=MOST_LISTED)
    return {**Counter(notice.id for held in live.notices.values() for notice in held), **dict.fromkeys(live.uncounted)}


def _ranked_versions(
    session: Session, hold: HoldRecord, stage: Stage | None = None
) -> tuple[Iterator[RankedVersion], Mapping[int, ReachedNode]]:
    found = _downstream(session, hold)
    return impact.ranked(session, found, stage=stage, with_seeds=hold.number is not None), found


def _downstream(session: Session, hold: HoldRecord, *, most: int = MOST_NODES) -> Mapping[int, ReachedNode]:
    """Return the nodes that a hold is about; none where no lineage names its target. Raises Conflict for too many."""
    if hold.number is not None:
        rows = pages.rows(session, _NODE_OF_TARGET, {"hold": hold.id})
        seeds = [row[0] for row in rows]
        if hold.kind == HoldKind.VERSION:
            return {node: ReachedNode(node, True, None, None) for node in seeds}
        return dependents(session, seeds, most=most)
    kind = SoughtKind.DIGEST if hold.kind == HoldKind.DATA else SoughtKind.MODEL
    try:
        return dependents(session, impact.seeds(session, Sought(kind, hold.target)), most=most)
    except NotFound:
        return {}


def _held_versions(
    session: Session, ranked: Sequence[RankedVersion], found: Mapping[int, ReachedNode]
) -> Sequence[HeldVersion]:
    ids = [-one.place[1] for one in ranked]
    aliases: dict[int, list[str]] = {}
    promoters: dict[int, str] = {}
    for chunk in walking.chunks(ids):
        for version, alias in pages.rows(session, _ALIASES, {"versions": chunk}):
            aliases.setdefault(version, []).append(alias)
        promoters |= {row[0]: row[1] for row in pages.rows(session, _PROMOTERS, {"versions": chunk})}
    return [
        HeldVersion(version, aliases.get(key, []), promoters.get(key))
        for key, version in zip(ids, impact.affected(session, ranked, found), strict=True)
    ]


def _departures(session: Session, versions: Sequence[int], since: datetime) -> Sequence[Departure]:
    found = [
        Departure(*row)
        for chunk in walking.chunks(versions)
        for row in pages.rows(session, _LEFT, {"versions": chunk, "since": since})
    ]
    return sorted(found, key=lambda one: (one.at, one.number), reverse=True)[:MOST_DEPARTURES]


_VERSIONS: Any = bindparam("versions", expanding=True)
_IN_PRODUCTION: Any = Tenure.stage == literal_column(f"'{Stage.PRODUCTION.value}'")
_NODE_OF_TARGET = FixedStatement(
    select(LineageNode.id).join(Hold, Hold.version_id == LineageNode.version_id).where(Hold.id == bindparam("hold"))
)
_ALIASES = FixedStatement(
    select(AliasTenure.version_id, AliasTenure.alias)
    .where(AliasTenure.version_id.in_(_VERSIONS), AliasTenure.ended_at.is_(None))
    .order_by(AliasTenure.alias)
)
_PROMOTERS = FixedStatement(
    select(Tenure.version_id, Account.name)
    .join(AuditEntry, AuditEntry.uid == Tenure.started_entry)
    .join(Account, Account.id == AuditEntry.actor_id)
    .where(Tenure.version_id.in_(_VERSIONS), _IN_PRODUCTION, Tenure.ended_at.is_(None))
)
_LEFT = FixedStatement(
    select(Model.name, Version.number, Tenure.ended_at, Tenure.ended_kind, Tenure.ended_entry, Account.name)
    .join(Version, Version.id == Tenure.version_id)
    .join(Model, Model.id == Version.model_id)
    .join(AuditEntry, AuditEntry.uid == Tenure.ended_entry)
    .join(Account, Account.id == AuditEntry.actor_id)
    .where(
        Tenure.version_id.in_(_VERSIONS),
        _IN_PRODUCTION,
        Tenure.ended_at > bindparam("since", type_=Tenure.ended_at.type),
    )
    .order_by(Tenure.ended_at.desc(), Tenure.id.desc())
    .limit(literal_column(str(MOST_DEPARTURES)))
)
