"""The service's connections to PostgreSQL that a test in this process left open.

psycopg warns of one when it is collected as garbage, which may be many tests later: the warning would fail another.
"""

from __future__ import annotations

from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from registry.db.statement_timeouts import TimedConnection

_opened: WeakSet[TimedConnection] = WeakSet()


@event.listens_for(Pool, "connect")
def _note(connection: object, _entry: ConnectionPoolEntry) -> None:
    if isinstance(connection, TimedConnection):
        _opened.add(connection)


def left_open() -> list[str]:
    """Forget what was opened so far; return what of it is open still, with its database."""
    left = [repr(connection) for connection in _opened if not connection.closed]
    _opened.clear()
    return left
