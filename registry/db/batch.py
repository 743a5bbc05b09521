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
from registry.db.fixed_statements import CompiledStatement, FixedStatement

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


def send(connection: Connection, steps: Sequence[BatchStep], *, commit: bool = False) -> None:
    """Execute the steps in their order; with *commit*, which PostgreSQL takes with them, the transaction ends.

    Raises the error of the first statement that fails, as SQLAlchemy does; the later ones are not executed.
    """
    begins = engine.is_begin_due(connection)
    if begins and not steps:
        return  # nothing was written, and no transaction was begun
    driver: Any = connection.connection.driver_connection
    try:
        if connection.dialect.name == "postgresql" and (commit or begins or len(steps) > 1):
            _pipeline(connection, driver, steps, commit=commit)
        else:
            _one_by_one(connection, steps)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _named(connection, driver, error) from error


class _Execution:
    """A statement under way: what SQLAlchemy's listeners get as its context. ``failure`` is that of the batch."""

    def __init__(self, connection: Connection, compiled: CompiledStatement, rows: Sequence[Values]) -> None:
        driver: Any = connection.connection.driver_connection
        self.cursor = driver.cursor()
        self.failure: Exception | None = None
        self._connection, self._many = connection, len(rows) > 1
        self._text, self._parameters = compiled.bound(rows[0])
        if self._many:
            self._parameters = [self._parameters, *(compiled.bound(values)[1] for values in rows[1:])]

    def run(self) -> None:
        """Execute the statement, or send it. Raises the driver's errors."""
        self._connection.dispatch.before_cursor_execute(
            self._connection, self.cursor, self._text, self._parameters, self, self._many
        )
        execute = self.cursor.executemany if self._many else self.cursor.execute
        execute(self._text, self._parameters)

    def end(self, failure: Exception | None = None) -> None:
        """Let the listeners know that there is a result, or a *failure*."""
        self.failure = failure
        self._connection.dispatch.after_cursor_execute(
            self._connection, self.cursor, self._text, self._parameters, self, self._many
        )


def _pipeline(connection: Connection, driver: Any, steps: Sequence[BatchStep], *, commit: bool) -> None:
    executions, failure = [], None
    try:
        with driver.pipeline():
            try:
                for step in steps:
                    executions.append(_Execution(connection, step.statement.compiled(connection.dialect), step.rows))
                    executions[-1].run()
                if commit:
                    driver.execute("COMMIT", prepare=False)
            except connection.dialect.loaded_dbapi.Error as error:
                failure = error  # psycopg would log a warning of an error that ends its block
    except connection.dialect.loaded_dbapi.Error as error:
        failure = failure or error  # the end of the block only says that statements were left out
    for execution in executions:
        execution.end(failure)
    if failure is not None:
        if driver.pgconn.pipeline_status:  # the server ended the session amid the batch: libpq is stuck in the mode
            driver.close()
        raise failure
    for step, execution in zip(steps, executions, strict=True):
        if step.query is not None:
            step.query.rows = step.statement.compiled(connection.dialect).rows(execution.cursor)


def _one_by_one(connection: Connection, steps: Sequence[BatchStep]) -> None:
    for step in steps:
        compiled = step.statement.compiled(connection.dialect)
        execution = _Execution(connection, compiled, step.rows)
        try:
            execution.run()
        except connection.dialect.loaded_dbapi.Error as error:
            execution.end(error)
            raise
        execution.end()
        if step.query is not None:
            step.query.rows = compiled.rows(execution.cursor)
        execution.cursor.close()


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
