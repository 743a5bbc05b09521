"""Steps through the lineage graph: edges of nodes in either direction, and nodes that are the same data."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import bindparam, literal_column, not_, select
from sqlalchemy.orm import Session, aliased

from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageDigest, LineageEdge, LineageNode
from registry.db.queries import records
from registry.db.queries.lineage_edges import is_in_force
from registry.db.queries.places import is_dataset, is_place, place_of
from registry.domain.lineage import EdgeKind, NodeKind

CHUNK = 500  # ids in one statement
_IDS: Any = bindparam("nodes", expanding=True)
_SAME_BY_DIGEST = (NodeKind.DATASET, NodeKind.MODEL)


class FoundEdge(NamedTuple):
    """An edge in force; without an id, it follows from an address: data with a digest is a part of what is there."""

    id: int | None
    source: int
    target: int
    kind: str
    role: str


def edges_from(
    session: Session, nodes: Collection[int], kinds: Iterable[EdgeKind] = (), *, most: int | None = None
) -> Iterator[FoundEdge]:
    """Yield the edges in force that start at the nodes, of some *kinds* or of all, *most* of them for 500 nodes."""
    return _edges(session, nodes, "source_id", tuple(kinds), most)


def edges_to(
    session: Session, nodes: Collection[int], kinds: Iterable[EdgeKind] = (), *, most: int | None = None
) -> Iterator[FoundEdge]:
    """Yield the edges in force that lead to the nodes, as :func:`edges_from` does."""
    return _edges(session, nodes, "target_id", tuple(kinds), most)


def retracted_from(session: Session, nodes: Iterable[int]) -> Iterator[int]:
    """Yield the ids of the retracted edges that start at the nodes."""
    for chunk in chunks(nodes):
        yield from (row.id for row in records.rows(session, _RETRACTED, nodes=chunk))


def same_data(session: Session, nodes: Iterable[int]) -> dict[int, int]:
    """Return the *nodes* and all others of the same data, each with the one of its data that came first.

    Datasets, and likewise models, are the same data if they share a digest, directly or through others.
    """
    links: dict[int, list[int]] = {node: [] for node in nodes}
    reached: Sequence[int] = [*links]
    while reached:
        found: dict[int, None] = {}
        for node, other in (pair for some in chunks(reached) for pair in records.rows(session, _SAME, nodes=some)):
            links[node].append(other)
            if other not in links and other not in found:
                found[other] = None
        links |= {node: [] for node in found}
        reached = [*found]
    first: dict[int, int] = {}
    for node in links:
        alike = [node]
        for one in alike:
            if one not in first:
                first[one] = node
                alike += links[one]
    return first


def chunks(nodes: Iterable[int]) -> Iterator[Sequence[int]]:
    """Yield the nodes in groups that one statement takes."""
    rest = iter(nodes)
    while some := [*islice(rest, CHUNK)]:
        yield some


def names(session: Session, nodes: Collection[int]) -> dict[int, str]:
    """Return the names of the nodes."""
    return {row.id: row.name for chunk in chunks(nodes) for row in records.rows(session, _NAMES, nodes=chunk)}


def _edges(
    session: Session, nodes: Collection[int], end: str, kinds: tuple[EdgeKind, ...], most: int | None
) -> Iterator[FoundEdge]:
    statement = _statement(end, kinds, most)
    by_place = _place_statement(end, most) if not kinds or EdgeKind.PART_OF in kinds else None
    for chunk in chunks(nodes):
        for row in records.rows(session, statement, nodes=chunk):
            yield FoundEdge(*row)
        for row in records.rows(session, by_place, nodes=chunk) if by_place else ():
            yield FoundEdge(None, row[0], row[1], EdgeKind.PART_OF.value, "")


@functools.cache
def _statement(end: str, kinds: tuple[EdgeKind, ...], most: int | None) -> FixedStatement:
    column = getattr(LineageEdge, end)
    statement = select(
        LineageEdge.id, LineageEdge.source_id, LineageEdge.target_id, LineageEdge.kind, LineageEdge.role
    ).where(column.in_(_IDS), is_in_force(LineageEdge))
    if kinds:
        statement = statement.where(LineageEdge.kind.in_([literal_column(f"'{kind.value}'") for kind in kinds]))
    statement = statement.order_by(column, LineageEdge.id)
    return FixedStatement(statement if most is None else statement.limit(literal_column(str(most))))


_RETRACTED = FixedStatement(
    select(LineageEdge.id)
    .where(LineageEdge.source_id.in_(_IDS), not_(is_in_force(LineageEdge)))
    .order_by(LineageEdge.source_id, LineageEdge.id)
)
_DATA, _PLACE = aliased(LineageNode), aliased(LineageNode)
# SQLite uses an index on an expression only for a comparison with a value that has no affinity.
_NAME_AS_TEXT: Any = _PLACE.name.concat(literal_column("''"))


@functools.cache
def _place_statement(end: str, most: int | None) -> FixedStatement:
    """Return the query for data and the place that it is at, by the id of the data or of the place."""
    own, address = (_DATA, _PLACE.name) if end == "source_id" else (_PLACE, _NAME_AS_TEXT)
    statement = (
        select(_DATA.id, _PLACE.id)
        .join(_PLACE, address == place_of(_DATA.attributes))
        .where(own.id.in_(_IDS), is_dataset(_DATA), is_place(_PLACE), _DATA.id != _PLACE.id)
        .order_by(own.id, _DATA.id)
    )
    return FixedStatement(statement if most is None else statement.limit(literal_column(str(most))))


_OWN, _OTHER = aliased(LineageDigest), aliased(LineageDigest)
_OWN_NODE, _OTHER_NODE = aliased(LineageNode), aliased(LineageNode)
_SAME = FixedStatement(
    select(_OWN.node_id, _OTHER.node_id)
    .join(_OTHER, _OTHER.digest == _OWN.digest)
    .join(_OWN_NODE, _OWN_NODE.id == _OWN.node_id)
    .join(_OTHER_NODE, _OTHER_NODE.id == _OTHER.node_id)
    .where(
        _OWN.node_id.in_(_IDS),
        _OTHER.node_id != _OWN.node_id,
        _OTHER_NODE.kind == _OWN_NODE.kind,
        _OWN_NODE.kind.in_([literal_column(f"'{kind.value}'") for kind in _SAME_BY_DIGEST]),
    )
    .order_by(_OTHER.node_id)
)
_NAMES = FixedStatement(select(LineageNode.id, LineageNode.name).where(LineageNode.id.in_(_IDS)))
