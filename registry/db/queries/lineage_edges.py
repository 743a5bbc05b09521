"""Conditions on lineage edges by what was stated about them since."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, not_, select
from sqlalchemy.orm import aliased

from registry.db.models import LineageStatement
from registry.domain.lineage import StatementVerb


def is_registered(edge: Any) -> ColumnElement[bool]:
    """Return the condition that *edge* is from a registration or a run's later snapshot: nothing added it since."""
    statement = aliased(LineageStatement)
    added = select(statement.id).where(statement.edge_id == edge.id, statement.verb == _literal(StatementVerb.ADDED))
    return not_(added.exists())


def is_in_force(edge: Any) -> ColumnElement[bool]:
    """Return the condition that *edge* belongs into answers: its latest statement, if any, does not retract it."""
    statement = aliased(LineageStatement)
    latest = (
        select(statement.verb)
        .where(statement.edge_id == edge.id)
        .order_by(statement.id.desc())
        .limit(literal_column("1"))
        .correlate(edge)
        .scalar_subquery()
    )
    is_kept: ColumnElement[bool] = func.coalesce(latest, literal_column("''")) != _literal(StatementVerb.RETRACTED)
    return is_kept


def _literal(verb: StatementVerb) -> Any:
    return literal_column(f"'{verb.value}'")
