"""Impact: the versions that depend on data, a version, code or a model, those that serve first."""

from __future__ import annotations

import functools
import heapq
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import String, bindparam, literal_column, or_, select
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageDigest, LineageNode, Model, Tenure, Version
from registry.db.queries import catalog, records, walking
from registry.db.queries.commits import commit_of
from registry.db.queries.places import is_dataset, place_of
from registry.db.queries.search_terms import SearchDialect
from registry.db.records import Page
from registry.db.session import reading
from registry.domain import clock
from registry.domain.errors import Invalid, Malformed, NotFound
from registry.domain.lineage import EdgeKind, NodeKind
from registry.domain.stages import Stage
from registry.domain.states import VersionState
from registry.rules import digests, lineage_limits, places
from registry.rules.text import is_storable
from registry.services.lineage import edges
from registry.services.lineage.dependents import ReachedNode, dependents, path_to

MOST_TENURES = 20
SHORTEST_COMMIT = 7
COLUMNS = (
    "model", "version", "stage", "state", "uses", "path", "production_since", "production_until", "created_at",
)  # fmt: skip


class SoughtKind(StrEnum):
    """What a question about impact names: a digest, a dataset by name or address, a version, a commit, a model."""

    DIGEST = "digest"
    DATASET = "dataset"
    VERSION = "version"
    CODE = "code"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Sought:
    """What the versions depend on; a version is ``fraud:3``, a commit has at least seven digits.

    Digests of the same data may be several, with spaces between them: they find what is known by any of them.
    """

    kind: SoughtKind
    text: str


class Use(NamedTuple):
    """How a version used the data itself: as which dataset, and for what."""

    dataset: str
    role: str


class TimeSpan(NamedTuple):
    """A span of time; without an end it goes on."""

    since: datetime
    until: datetime | None


class PathStep(NamedTuple):
    """A node on the way, and its relation to the node before it; the first step is what was asked about."""

    kind: str
    name: str
    relation: str | None
    role: str | None


@dataclass(frozen=True, slots=True)
class AffectedVersion:
    """A version that depends on what was asked about.

    ``stage`` is that of the instant asked about. ``path`` is the shortest way from what was asked about to the version.
    ``tenures`` are its latest times in production, newest first.
    """

    model: str
    number: int
    stage: str
    state: str
    uses: Sequence[Use]
    path: Sequence[PathStep]
    tenures: Sequence[TimeSpan]
    created_at: datetime

    @property
    def production(self) -> TimeSpan | None:
        """Its latest time in production; None if it never was."""
        return self.tenures[0] if self.tenures else None


def impact(
    sought: Sought,
    *,
    stage: Stage | None = None,
    as_of: datetime | None = None,
    after: Sequence[Any] | None = None,
    limit: int,
) -> Page[AffectedVersion]:
    """Return the versions that depend on it: production first, then staging, then the others; the newest first.

    Deleted ones are among them. With *as_of*, stages are those of that instant, and later versions are left out; the
    lineage is what is known now. Raises Invalid for a text that cannot name such a thing, NotFound for one that no
    lineage names, and Conflict where too much depends on it.
    """
    with reading(snapshot=True) as session:
        found = dependents(session, seeds(session, sought))
        shown, last = page_of(ranked(session, found, as_of, stage), after, limit)
        return Page(affected(session, shown, found), last)


def page_of(
    versions: Iterator[RankedVersion], after: Sequence[Any] | None, limit: int
) -> tuple[Sequence[RankedVersion], tuple[int, int] | None]:
    """Return the first of the versions in their order, and the place of the last of them where there are more."""
    if after is not None:
        position = _place_of(after)
        versions = (one for one in versions if one.place > position)
    shown = heapq.nsmallest(limit + 1, versions)
    return shown[:limit], shown[limit - 1].place if len(shown) > limit else None


def table(sought: Sought, *, stage: Stage | None = None, as_of: datetime | None = None) -> Iterator[Sequence[Any]]:
    """Return all versions of :func:`impact` as rows of ``COLUMNS``. Raises as it does, before there is a row.

    Which versions they are is read at once, the rest in groups. No transaction is open while a row is consumed.
    """
    with reading(snapshot=True) as session:
        found = dependents(session, seeds(session, sought))
        in_order = sorted(ranked(session, found, as_of, stage))
    return _table(in_order, found)


def _table(in_order: Sequence[RankedVersion], found: Mapping[int, ReachedNode]) -> Iterator[Sequence[Any]]:
    for group in walking.chunks(in_order):
        with reading() as session:
            versions = affected(session, group, found)
        for one in versions:
            uses = "; ".join(f"{use.dataset} ({use.role})" for use in one.uses)
            path = " > ".join(step.name for step in one.path)
            times = [moment and clock.wire(moment) for moment in (*(one.production or (None, None)), one.created_at)]
            yield (one.model, one.number, one.stage, one.state, uses, path, *times)


def stored(digest: str) -> str:
    """Return the form in which the registry stores a digest. Raises Invalid."""
    try:
        return digests.stored(digest)
    except ValueError as error:
        raise Invalid.field("digest", str(error)) from error


_NUMBER = re.compile(r"[1-9][0-9]{0,8}\Z", re.ASCII)
_COMMIT_TEXT = re.compile(rf"[0-9a-f]{{{SHORTEST_COMMIT},64}}\Z", re.ASCII | re.IGNORECASE)


def _limited(column: Any, *conditions: Any) -> Rows:
    """Select nodes, at most one more than may depend on what is asked about."""
    return select(column).where(*conditions).limit(literal_column(str(walking.MOST_NODES + 1)))


_BY_DIGEST = FixedStatement(_limited(LineageDigest.node_id, LineageDigest.digest == bindparam("digest")))
_BY_NAME = FixedStatement(_limited(LineageNode.id, is_dataset(LineageNode), LineageNode.name == bindparam("name")))
_BY_PLACE = FixedStatement(
    _limited(LineageNode.id, is_dataset(LineageNode), place_of(LineageNode.attributes) == bindparam("place"))
)
_OF_VERSION = FixedStatement(select(LineageNode.id).where(LineageNode.version_id == bindparam("version")))


@functools.cache
def _by_commit(dialect: str) -> FixedStatement:
    """Return the statement of the code at the commits of a range."""
    kind: Any = literal_column(f"'{NodeKind.CODE.value}'")
    rare = SearchDialect(dialect).rare
    first, last = bindparam("first", type_=String()), bindparam("last", type_=String())
    commit = commit_of(LineageNode.attributes)
    return FixedStatement(
        _limited(LineageNode.id, LineageNode.kind == kind, rare(commit >= first), rare(commit < last))
    )


@functools.cache
def _by_uri(dialect: str) -> FixedStatement:
    """Return the statement of the models with a URI, alone or with a revision, which are in one range of names."""
    kind: Any = literal_column(f"'{NodeKind.MODEL.value}'")
    name = SearchDialect(dialect).bytewise(LineageNode.name)
    uri, first, last = (bindparam(key, type_=String()) for key in ("uri", "first", "last"))
    return FixedStatement(
        _limited(LineageNode.id, LineageNode.kind == kind, name >= uri, name < last, or_(name == uri, name >= first))
    )


def seeds(session: Session, sought: Sought) -> Sequence[int]:
    """Return the nodes that the text names. Raises Invalid or NotFound."""
    text, dialect = sought.text, session.get_bind().dialect.name
    rows: Sequence[Any]
    if not is_storable(text):
        raise Invalid.field(sought.kind, "must have no characters that a database cannot hold")
    match sought.kind:
        case SoughtKind.DIGEST:
            forms = stored_digests(text)
            text = ", ".join(forms)
            rows = [row for form in forms for row in records.rows(session, _BY_DIGEST, digest=form)]
        case SoughtKind.DATASET:
            place = places.plain(text)[: places.NAME_LENGTH]
            rows = [*records.rows(session, _BY_NAME, name=text), *records.rows(session, _BY_PLACE, place=place)]
        case SoughtKind.MODEL:
            # "A" follows "@": the range has all revisions.
            rows = records.rows(session, _by_uri(dialect), uri=text, first=f"{text}@", last=f"{text}A")
        case SoughtKind.CODE:
            if not _COMMIT_TEXT.match(text):
                raise Invalid.field("code", f"must be a commit of at least {SHORTEST_COMMIT} hex digits")
            by_commit = _by_commit(dialect)
            rows = records.rows(session, by_commit, first=text.lower(), last=text.lower() + "g")
        case SoughtKind.VERSION:
            model, _, number = text.rpartition(":")
            if not model or not _NUMBER.match(number):
                raise Invalid.field("version", "must be MODEL:NUMBER, for example fraud:3")
            version = catalog.any_version(session, model, int(number))
            rows = records.rows(session, _OF_VERSION, version=version.id)
    if not rows:
        raise NotFound(f"no lineage names the {sought.kind} {text}")
    return [*dict.fromkeys(row[0] for row in rows)]


def stored_digests(text: str) -> Sequence[str]:
    """Return the forms in which the registry stores digests of the same data. Raises Invalid."""
    digests_of_data = text.split() or [text]
    if len(digests_of_data) > lineage_limits.SOUGHT_DIGESTS:
        raise Invalid.field("digest", f"must be at most {lineage_limits.SOUGHT_DIGESTS} digests")
    return [*dict.fromkeys(map(stored, digests_of_data))]


class RankedVersion(NamedTuple):
    """The node of a dependent version with its place in the order, and its stage."""

    place: tuple[int, int]
    stage: str
    node: int


_STAGES = FixedStatement(
    select(LineageNode.id.label("node"), Version.id, Version.stage, Version.created_at)
    .join(Version, Version.id == LineageNode.version_id)
    .where(LineageNode.id.in_(bindparam("nodes", expanding=True)))
)
_HELD_AT = FixedStatement(
    select(Tenure.version_id, Tenure.stage).where(
        Tenure.version_id.in_(bindparam("versions", expanding=True)),
        Tenure.started_at <= bindparam("at"),
        or_(Tenure.ended_at.is_(None), Tenure.ended_at > bindparam("at")),
    )
)
# Without an order: SQLite would read all tenures in production for it.
_TENURES = FixedStatement(
    select(Tenure.started_at, Tenure.id, Tenure.version_id, Tenure.ended_at).where(
        Tenure.version_id.in_(bindparam("versions", expanding=True)),
        Tenure.stage == literal_column(f"'{Stage.PRODUCTION.value}'"),
    )
)
_NODES = FixedStatement(
    select(
        LineageNode.id.label("node"),
        LineageNode.kind,
        LineageNode.name,
        Version.id,
        Version.number,
        Version.state,
        Version.created_at,
        Model.name.label("model"),
        Model.deleted_at,
    )
    .outerjoin(Version, Version.id == LineageNode.version_id)
    .outerjoin(Model, Model.id == Version.model_id)
    .where(LineageNode.id.in_(bindparam("nodes", expanding=True)))
)
_RANKS = {Stage.PRODUCTION: 0, Stage.STAGING: 1}


def ranked(
    session: Session,
    found: Mapping[int, ReachedNode],
    as_of: datetime | None = None,
    stage: Stage | None = None,
    *,
    with_seeds: bool = False,
) -> Iterator[RankedVersion]:
    """Yield the versions among the dependents; a version does not depend on itself, and is left out with the seeds."""
    for chunk in walking.chunks(node for node, arrival in found.items() if with_seeds or arrival.origin is not None):
        rows = records.rows(session, _STAGES, nodes=chunk)
        if as_of is not None:
            rows = [row for row in rows if row.created_at <= as_of]
            held = _held_at(session, [row.id for row in rows], as_of)
        for row in rows:
            then = row.stage if as_of is None else held.get(row.id, Stage.NONE.value)
            if stage is None or then == stage:
                yield RankedVersion((_RANKS.get(Stage(then), 2), -row.id), then, row.node)


def _held_at(session: Session, versions: Sequence[int], at: datetime) -> Mapping[int, str]:
    return dict(records.rows(session, _HELD_AT, versions=versions, at=at)) if versions else {}


def _place_of(after: Sequence[Any]) -> tuple[int, int]:
    match [*after]:
        case [int() as rank, int() as version]:
            return rank, version
    raise Malformed("this cursor is of another list")


def affected(
    session: Session, shown: Sequence[RankedVersion], found: Mapping[int, ReachedNode]
) -> Sequence[AffectedVersion]:
    """Return what is shown of the versions, in their order."""
    if not shown:
        return []
    paths = {one.node: path_to(found[one.node]) for one in shown}
    used = [
        edge
        for edge in walking.edges_from(session, paths, [EdgeKind.USED, EdgeKind.EVALUATED_ON])
        if (target := found.get(edge.target)) and target.origin is None
    ]
    needed = {arrival.node for path in paths.values() for arrival in path} | {edge.target for edge in used}
    nodes = {row.node: row for chunk in walking.chunks(needed) for row in records.rows(session, _NODES, nodes=chunk)}
    uses: dict[int, list[Use]] = {}
    for edge in used:
        role = edge.role or edge.kind.replace("_", " ")
        uses.setdefault(edge.source, []).append(Use(nodes[edge.target].name, role))
    tenures: dict[int, list[TimeSpan]] = {}
    versions = [nodes[one.node].id for one in shown]
    for since, _, version, until in sorted(records.rows(session, _TENURES, versions=versions), reverse=True):
        tenures.setdefault(version, []).append(TimeSpan(since, until))
    return [
        AffectedVersion(
            model=row.model,
            number=row.number,
            stage=one.stage,
            state=VersionState.DELETED.value if row.deleted_at else row.state,
            uses=uses.get(one.node, []),
            path=[_step(arrival, nodes[arrival.node]) for arrival in paths[one.node]],
            tenures=tenures.get(row.id, [])[:MOST_TENURES],
            created_at=row.created_at,
        )
        for one in shown
        for row in [nodes[one.node]]
    ]


def _step(arrival: ReachedNode, row: Any) -> PathStep:
    edge = arrival.edge
    name = edges.name_of(row.name, row.model, row.number)
    return PathStep(row.kind, name, edge and edge.kind, (edge and edge.role) or None)
