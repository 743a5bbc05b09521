"""Deletion of rows that are past keeping."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import InstrumentedAttribute, Session


def delete_older(session: Session, column: InstrumentedAttribute[Any], limit: Any) -> int:
    """Delete the rows of the column's table whose *column* is before *limit*; return how many."""
    done = session.execute(delete(column.class_).where(column < limit))
    return int(done.rowcount)  # type: ignore[attr-defined]  # Result is a CursorResult here
