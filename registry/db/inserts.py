"""Insert what is not there yet, in the one form that both databases share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from registry.db.base import Base


def insert_missing(
    session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]
) -> int:
    """Insert *rows* but for those whose *key* exists; returns how many were new.

    A row that another transaction is inserting is waited for. Give rows in a fixed order, lest two callers deadlock.
    """
    if not rows:
        return 0
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).on_conflict_do_nothing(index_elements=list(key))
    statement = statement.execution_options(preserve_rowcount=True)  # else psycopg has forgotten it by then
    done = (
        session.connection().execute(statement, list(rows))
        if len(rows) > 1
        else session.execute(statement.values(dict(rows[0])))
    )
    return int(done.rowcount)  # type: ignore[attr-defined]  # Result is a CursorResult here
