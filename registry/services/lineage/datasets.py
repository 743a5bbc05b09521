"""Datasets by a digest or by their name, with all digests of the same data."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.orm import Session

from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageDigest, LineageNode
from registry.db.queries import records, walking
from registry.domain.errors import Invalid, UnknownValue
from registry.domain.lineage import NodeKind
from registry.rules import digests
from registry.rules.text import is_storable

MOST = 500  # of one name


def datasets(session: Session, text: str, *, parameter: str) -> Sequence[Collection[str]]:
    """Return the digests of each dataset that *text* names: of one by a digest, or of all that have it as their name.

    Datasets that share a digest are one, directly or through others. A digest needs no lineage. Raises Invalid for
    more than 500 datasets of one name, and UnknownValue for a name that none has; both name the *parameter*.
    """
    if not is_storable(text):
        raise Invalid.field(parameter, "must have no characters that a database cannot hold")
    try:
        digest = digests.stored(text)
    except ValueError:
        digest = None
    if digest is not None:
        nodes = [row[0] for row in records.rows(session, _BY_DIGEST, digest=digest)]
        return [{digest}.union(*_by_data(session, nodes))]
    nodes = [row[0] for row in records.rows(session, _BY_NAME, name=text)]
    if not nodes:
        raise UnknownValue(parameter, text, "no lineage has a dataset of this name, and it is no digest")
    if len(nodes) > MOST:
        raise Invalid.field(parameter, f"{text!r} is the name of more than {MOST} datasets: give a digest of one")
    return _by_data(session, nodes)


def _by_data(session: Session, nodes: Sequence[int]) -> list[set[str]]:
    first = walking.same_data(session, nodes)
    found: dict[int, set[str]] = {}
    for some in walking.chunks(first):
        for node, digest in records.rows(session, _DIGESTS, nodes=some):
            found.setdefault(first[node], set()).add(digest)
    return list(found.values())


_IS_DATASET = LineageNode.kind == literal_column(f"'{NodeKind.DATASET.value}'")
_BY_DIGEST = FixedStatement(
    select(LineageDigest.node_id)
    .join(LineageNode, LineageNode.id == LineageDigest.node_id)
    .where(LineageDigest.digest == bindparam("digest"), _IS_DATASET)
)
_BY_NAME = FixedStatement(
    select(LineageNode.id)
    .where(_IS_DATASET, LineageNode.name == bindparam("name"))
    .limit(literal_column(str(MOST + 1)))
)
_DIGESTS = FixedStatement(
    select(LineageDigest.node_id, LineageDigest.digest).where(
        LineageDigest.node_id.in_(bindparam("nodes", expanding=True))
    )
)
