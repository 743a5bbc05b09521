"""Steps through the lineage graph: edges of nodes in either direction, and nodes that are the same data."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import bindparam, literal_column, not_, select
from sqlalchemy.orm import Session, aliased

from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageDigest, LineageEdge, LineageNode
from registry.db.queries import pages
from registry.db.queries.lineage_edges import is_in_force
from registry.db.queries.places import is_dataset, is_place, place_of
from registry.domain.errors import Conflict
from registry.domain.lineage import EdgeKind, NodeKind

CHUNK = 500  # ids in one statement
MOST_NODES = 100_000  # that one question may reach
T = TypeVar("T")
_Shared = tuple[str, str]  # a kind of nodes, and a digest that several of them carry
_VALUES: Any = bindparam("values", expanding=True)
_SAME_BY_DIGEST = (NodeKind.DATASET, NodeKind.MODEL)


@dataclass(slots=True)
class EdgeLimit:
    """The most edges that are read of ``CHUNK`` nodes; ``incomplete`` collects the nodes of which not all were."""

    most: int
    incomplete: set[int] = field(default_factory=set)


class FoundEdge(NamedTuple):
    """An edge in force; without an id, it follows from an address: data with a digest is a part of what is there."""

    id: int | None
    source: int
    target: int
    kind: str
    role: str


def edges_from(
    session: Session, nodes: Collection[int], kinds: Iterable[EdgeKind] = (), *, limit: EdgeLimit | None = None
) -> Iterator[FoundEdge]:
    """Yield the edges in force that start at the nodes, of some *kinds* or of all, within the *limit*."""
    return _edges(session, nodes, "source_id", tuple(kinds), limit)


def edges_to(
    session: Session, nodes: Collection[int], kinds: Iterable[EdgeKind] = (), *, limit: EdgeLimit | None = None
) -> Iterator[FoundEdge]:
    """Yield the edges in force that lead to the nodes, as :func:`edges_from` does."""
    return _edges(session, nodes, "target_id", tuple(kinds), limit)


def retracted_from(session: Session, nodes: Iterable[int]) -> Iterator[int]:
    """Yield the ids of the retracted edges that start at the nodes."""
    return (row.id for row in _in_chunks(session, _RETRACTED, nodes))


def same_data(session: Session, nodes: Iterable[int]) -> dict[int, int]:
    """Return the *nodes* and all others of the same data, each with the one of its data that came first.

    Datasets, and likewise models, are the same data if they share a digest, directly or through others. Raises Conflict
    for more than ``MOST_NODES`` of them.
    """
    shared: dict[int, list[_Shared]] = {node: [] for node in nodes}
    carriers: dict[_Shared, list[int]] = {}
    reached: Sequence[int] = [*shared]
    while reached:
        new: dict[_Shared, list[int]] = {}
        for row in _in_chunks(session, _SHARED, reached):
            if row.kind is not None:
                shared[row.node_id].append((row.kind, row.digest))
                if (row.kind, row.digest) not in carriers:
                    new[row.kind, row.digest] = []
        reached = []
        for row in _in_chunks(session, _CARRIERS, dict.fromkeys(digest for _, digest in new)):
            if (row.kind, row.digest) in new:
                new[row.kind, row.digest].append(row.node_id)
                if row.node_id not in shared:
                    shared[row.node_id] = []
                    reached.append(row.node_id)
        carriers |= new
        if len(shared) > MOST_NODES:
            raise Conflict(f"more than {MOST_NODES:,} nodes of the lineage are the same data")
    return _first_of_each(shared, carriers)


def _first_of_each(
    shared: Mapping[int, Sequence[_Shared]], carriers: Mapping[_Shared, Sequence[int]]
) -> dict[int, int]:
    """Return for each node the first one that it is connected with by digests; each digest is followed once."""
    first: dict[int, int] = {}
    followed: set[_Shared] = set()
    for node in shared:
        waiting = [node]
        for one in waiting:
            if one not in first:
                first[one] = node
                new = [digest for digest in shared[one] if digest not in followed]
                followed.update(new)
                waiting += [other for digest in new for other in carriers[digest]]
    return first


def chunks(values: Iterable[T]) -> Iterator[Sequence[T]]:
    """Yield the values in groups that one statement takes."""
    rest = iter(values)
    while some := [*islice(rest, CHUNK)]:
        yield some


def names(session: Session, nodes: Collection[int]) -> dict[int, str]:
    """Return the names of the nodes."""
    return {row.id: row.name for row in _in_chunks(session, _NAMES, nodes)}


def _edges(
    session: Session, nodes: Collection[int], end: str, kinds: tuple[EdgeKind, ...], limit: EdgeLimit | None
) -> Iterator[FoundEdge]:
    own = ("source_id", "target_id").index(end)
    most = limit and limit.most
    statement = _statement(end, kinds, most)
    by_place = _place_statement(end, most) if not kinds or EdgeKind.PART_OF in kinds else None
    for chunk in chunks(nodes):
        found = [FoundEdge(*row) for row in pages.rows(session, statement, {"values": chunk})]
        yield from _up_to_limit(limit, found, own, chunk)
        found = [
            FoundEdge(None, row[0], row[1], EdgeKind.PART_OF.value, "")
            for row in (pages.rows(session, by_place, {"values": chunk}) if by_place else ())
        ]
        yield from _up_to_limit(limit, found, own, chunk)


def _up_to_limit(
    limit: EdgeLimit | None, found: Sequence[FoundEdge], own: int, chunk: Iterable[int]
) -> Sequence[FoundEdge]:
    """Return the first of the edges, which are in the order of their *own* ends and at most one above the limit."""
    if limit is None or len(found) <= limit.most:
        return found
    last = found[limit.most]
    first = (last.source, last.target)[own]
    limit.incomplete.update(node for node in chunk if node >= first)
    return found[: limit.most]


def _in_chunks(session: Session, statement: FixedStatement, values: Iterable[Any]) -> Iterator[Any]:
    for chunk in chunks(values):
        yield from pages.rows(session, statement, {"values": chunk})


@functools.cache
def _statement(end: str, kinds: tuple[EdgeKind, ...], most: int | None) -> FixedStatement:
    column = getattr(LineageEdge, end)
    statement = select(
        LineageEdge.id, LineageEdge.source_id, LineageEdge.target_id, LineageEdge.kind, LineageEdge.role
    ).where(column.in_(_VALUES), is_in_force(LineageEdge))
    if kinds:
        statement = statement.where(LineageEdge.kind.in_([literal_column(f"'{kind.value}'") for kind in kinds]))
    statement = statement.order_by(column, LineageEdge.id)
    return FixedStatement(statement if most is None else statement.limit(literal_column(str(most + 1))))


_RETRACTED = FixedStatement(
    select(LineageEdge.id)
    .where(LineageEdge.source_id.in_(_VALUES), not_(is_in_force(LineageEdge)))
    .order_by(LineageEdge.source_id, LineageEdge.id)
)
_DATA, _PLACE = aliased(LineageNode), aliased(LineageNode)
# SQLite uses an index on an expression only for a comparison with a value that has no affinity.
_NAME_AS_TEXT: Any = _PLACE.name.concat(literal_column("''"))


@functools.cache
def _place_statement(end: str, most: int | None) -> FixedStatement:
    """Return the query for data and the place that it is at, by the id of the data or of the place."""
    own, address = (_DATA, _PLACE.name) if end == "source_id" else (_PLACE, _NAME_AS_TEXT)
    # SQLite, without statistics, would prefer all nodes of the kind to the ids of many.
    kinds = is_dataset(_DATA, by_index=own is not _DATA), is_place(_PLACE, by_index=own is not _PLACE)
    statement = (
        select(_DATA.id, _PLACE.id)
        .join(_PLACE, address == place_of(_DATA.attributes))
        .where(own.id.in_(_VALUES), *kinds, _DATA.id != _PLACE.id)
        .order_by(own.id, _DATA.id)
    )
    return FixedStatement(statement if most is None else statement.limit(literal_column(str(most + 1))))


_OWN, _OTHER = aliased(LineageDigest), aliased(LineageDigest)
# Of each row: if it were joined, SQLite would begin with all nodes of a kind. Nodes of other kinds have none.
_KIND: Any = (
    select(LineageNode.kind)
    .where(
        LineageNode.id == _OWN.node_id,
        LineageNode.kind.in_([literal_column(f"'{kind.value}'") for kind in _SAME_BY_DIGEST]),
    )
    .correlate(_OWN)
    .scalar_subquery()
)
_SHARED = FixedStatement(
    select(_OWN.node_id, _OWN.digest, _KIND.label("kind")).where(
        _OWN.node_id.in_(_VALUES),
        select(_OTHER.digest).where(_OTHER.digest == _OWN.digest, _OTHER.node_id != _OWN.node_id).exists(),
    )
)
_CARRIERS = FixedStatement(
    select(_OWN.node_id, _OWN.digest, _KIND.label("kind"))
    .where(_OWN.digest.in_(_VALUES))
    .order_by(_OWN.node_id)
    .limit(literal_column(str(MOST_NODES + 1)))
)
_NAMES = FixedStatement(select(LineageNode.id, LineageNode.name).where(LineageNode.id.in_(_VALUES)))
