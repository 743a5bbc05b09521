"""The commit of a code node, as the expression of an index."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction


class commit_of(GenericFunction[str]):  # noqa: N801 -- named as the function of SQL that it stands for
    """Return the commit in the attributes of a code node; NULL without one.

    Written exactly as in the migration of ``ix_lineage_nodes_commit``: the databases compare the expressions.
    """

    name = "registry_commit_of"
    type = String()
    inherit_cache = True


@compiles(commit_of, "postgresql")
def _commit_of_postgresql(element: commit_of, compiler: Any, **options: Any) -> str:
    return f"""(({compiler.process(element.clauses, **options)} ->> 'commit') COLLATE "C")"""


@compiles(commit_of, "sqlite")
def _commit_of_sqlite(element: commit_of, compiler: Any, **options: Any) -> str:
    return f"""json_extract({compiler.process(element.clauses, **options)}, '$."commit"')"""
