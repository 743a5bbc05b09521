"""Data that is known by its place: nodes without a digest, and the address of a node as the expression of an index."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, String, and_, literal_column, not_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.functions import GenericFunction

from registry.db.models import LineageDigest
from registry.domain.lineage import NodeKind


class place_of(GenericFunction[str]):  # noqa: N801 -- named as the function of SQL that it stands for
    """Return the first 512 characters of the address in the attributes of a dataset's node; NULL without one.

    Written exactly as in the migration of ``ix_lineage_nodes_place``: the databases compare the expressions. It does
    what ``registry.rules.places.plain`` does to a text of lower case without a password.
    """

    name = "registry_place_of"
    type = String()
    inherit_cache = True


@compiles(place_of, "postgresql")
def _place_of_postgresql(element: place_of, compiler: Any, **options: Any) -> str:
    uri = f"split_part(({compiler.process(element.clauses, **options)} ->> 'uri'), '?', 1)"
    return f"substr(rtrim(replace(replace({uri}, 's3a://', 's3://'), 's3n://', 's3://'), '/'), 1, 512)"


@compiles(place_of, "sqlite")
def _place_of_sqlite(element: place_of, compiler: Any, **options: Any) -> str:
    uri = f"json_extract({compiler.process(element.clauses, **options)}, '$.\"uri\"')"
    bare = f"substr({uri}, 1, instr({uri} || '?', '?') - 1)"
    return f"substr(rtrim(replace(replace({bare}, 's3a://', 's3://'), 's3n://', 's3://'), '/'), 1, 512)"


def is_dataset(node: Any, *, by_index: bool = True) -> ColumnElement[bool]:
    """Return the condition that *node* is one of data, as the partial index has it; else no index is used for it."""
    kind = node.kind if by_index else node.kind.concat(literal_column("''"))
    condition: ColumnElement[bool] = kind == literal_column(f"'{NodeKind.DATASET.value}'")
    return condition


def is_place(node: Any, *, by_index: bool = True) -> ColumnElement[bool]:
    """Return the condition that *node* is data at an address, whatever its content: its name is the address."""
    digest = aliased(LineageDigest)
    has_digest = select(digest.node_id).where(digest.node_id == node.id).exists()
    return and_(is_dataset(node, by_index=by_index), not_(has_digest))
