"""Batches: statements that are sent to the database together.

On PostgreSQL a batch is one round trip, whatever its length (libpq's pipeline mode). Its statements are executed in
their order, each with another snapshot, as if they were sent one by one. On SQLite, where a statement costs no
round trip, they are executed one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Connection, exc

from registry.db import engine
from registry.db.fixed_statements import FixedStatement

T = TypeVar("T")
Values = Mapping[str, Any]


class Query:
    """A statement with its *values*, that returns rows; ``rows`` are there once it was executed."""

    def __init__(self, statement: FixedStatement, /, **values: Any) -> None:
        self.statement, self.values = statement, values
        self.rows: Sequence[Any] = ()

    def step(self) -> BatchStep:
        """Return the query as a step of a batch."""
        return BatchStep(self.statement, (self.values,), self)


class Answer(Generic[T]):
    """A result that is read with the commit. ``value`` is there once the batch was sent."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read

    @property
    def value(self) -> T:
        """The result."""
        return self._read()


class BatchStep(NamedTuple):
    """A statement of a batch, executed once for each of *rows*, the values of its parameters."""

    statement: FixedStatement
    rows: Sequence[Values]
    query: Query | None = None


def send(connection: Connection, steps: Sequence[BatchStep], *, commit: bool = False, then: str | None = None) -> Any:
    """Execute the steps in their order; with *commit*, which PostgreSQL takes with them, the transaction ends.

    *then* is a query that PostgreSQL executes after the commit, in the same round trip. Returns its one value; None
    without a commit, and where the query failed: an error would let the caller repeat the writes.
    Raises the error of the first statement that fails, as SQLAlchemy does; the later ones are not executed.
    """
    if not steps and engine.is_begin_due(connection):
        return None  # nothing was written, and no transaction was begun
    driver: Any = connection.connection.driver_connection
    try:
        if connection.dialect.name == "postgresql":
            return _together(connection, driver, steps, commit=commit, then=then if commit else None)
        _one_by_one(connection, driver, steps)
        return None
    except connection.dialect.loaded_dbapi.Error as error:
        raise _named(connection, driver, error) from error


class _Execution:
    """A step under way: what SQLAlchemy's listeners get as its context. ``failure`` is that of the batch."""

    def __init__(self, connection: Connection, step: BatchStep) -> None:
        self.failure: Exception | None = None
        self.compiled = step.statement.compiled(connection.dialect)
        self.bound = [self.compiled.bound(values) for values in step.rows]
        self._connection, self.query = connection, step.query
        text, values = self.bound[0]
        self._many = len(self.bound) > 1
        self._noted = (None, text, [row for _, row in self.bound] if self._many else values, self, self._many)

    def begin(self) -> None:
        """Let the listeners know the statement, before it is sent."""
        self._connection.engine.dispatch.before_cursor_execute(self._connection, *self._noted)

    def run(self, cursor: Any) -> None:
        """Execute the statement with a cursor of SQLite."""
        _, text, values, *_ = self._noted
        (cursor.executemany if self._many else cursor.execute)(text, values)

    def end(self, failure: Exception | None = None) -> None:
        """Let the listeners know that there is a result, or a *failure*."""
        self.failure = failure
        self._connection.engine.dispatch.after_cursor_execute(self._connection, *self._noted)

    def keep(self, rows: Sequence[Any], types: Sequence[Any]) -> None:
        """Give a query the driver's *rows*; *types* are those of the columns."""
        if self.query is not None:
            self.query.rows = self.compiled.rows(rows, types)


def _together(
    connection: Connection, driver: Any, steps: Sequence[BatchStep], *, commit: bool, then: str | None
) -> Any:
    from registry.db.pipeline import COMMIT, Command  # psycopg is there only where PostgreSQL is used

    begin = engine.take_begin(connection)
    begins = [begin] if begin else []
    if not begin and (snapshot := engine.begin_snapshot(driver)):
        begins = [snapshot, engine.IDLE_SNAPSHOT]
    commands = [Command(text, is_prepared=False) for text in begins]
    is_prepared = driver.prepare_threshold is not None
    executions = []
    for step in steps:
        executions.append(execution := _Execution(connection, step))
        execution.begin()
        commands += [Command(text, parameters, is_prepared) for text, parameters in execution.bound]
    if commit:
        commands.append(Command(COMMIT, is_prepared=False))
    if then is not None:
        commands.append(Command(then, is_prepared=is_prepared, is_optional=True))
    try:
        results = iter(driver.execute_together(commands))
    except connection.dialect.loaded_dbapi.Error as error:
        for execution in executions:
            execution.end(error)
        raise
    for _ in begins:
        next(results)
    for execution in executions:
        execution.end()
        result, *_ = [next(results) for _ in execution.bound]
        execution.keep(result.rows, result.types)
    if then is None:
        return None
    *_, last = results
    return last.rows[0][0] if last.rows else None


def _one_by_one(connection: Connection, driver: Any, steps: Sequence[BatchStep]) -> None:
    for step in steps:
        execution = _Execution(connection, step)
        execution.begin()
        cursor = driver.cursor()
        try:
            execution.run(cursor)
            if execution.query is not None:
                execution.keep(cursor.fetchall(), [column[1] for column in cursor.description])
        except connection.dialect.loaded_dbapi.Error as error:
            execution.end(error)
            raise
        execution.end()
        cursor.close()


def _named(connection: Connection, driver: Any, error: Exception) -> BaseException:
    """Return the driver's error as SQLAlchemy names it; a lost connection leaves the pool."""
    dialect = connection.dialect
    if is_lost := dialect.is_disconnect(error, driver, None):  # type: ignore[arg-type]  # it is one of the driver's
        connection.invalidate(error)
    return exc.DBAPIError.instance(
        None,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,  # the values are names, hashes and texts: not for the log
        connection_invalidated=is_lost,
        dialect=dialect,
    )
