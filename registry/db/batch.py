"""Batches: statements that are sent to the database together.

On PostgreSQL a batch is one round trip, whatever its length (libpq's pipeline mode). Its statements are executed in
their order, each with a snapshot of its own, as if they were sent one by one. On SQLite, where a statement costs no
round trip, they are executed one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Connection, exc, literal, select

from registry.db import engine
from registry.db.fixed_statements import CompiledStatement, FixedStatement

S = TypeVar("S")
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


NOTHING = FixedStatement(select(literal(1)))


class Answer(Generic[T]):
    """What a query of a batch returns; ``value`` is there once the batch was sent."""

    def __init__(self, query: Query, convert: Callable[[Sequence[Any]], T]) -> None:
        self._query, self._convert = query, convert

    @classmethod
    def known(cls, value: T) -> Answer[T]:
        """Return the answer to a question that needs no query any more."""
        return cls(Query(NOTHING), lambda _: value)

    @property
    def value(self) -> T:
        """The converted rows."""
        return self._convert(self._query.rows)

    def then(self, convert: Callable[[T], S]) -> Answer[S]:
        """Return the answer that *convert* makes of this one."""
        return Answer(self._query, lambda rows: convert(self._convert(rows)))


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
            _one_by_one(connection, driver, steps)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _named(connection, driver, error) from error


def _pipeline(connection: Connection, driver: Any, steps: Sequence[BatchStep], *, commit: bool) -> None:
    fetch, failure = [], None
    try:
        with driver.pipeline():
            try:
                for step in steps:
                    compiled = step.statement.compiled(connection.dialect)
                    cursor = _execute(connection, driver, compiled, step.rows)
                    if step.query is not None:
                        fetch.append((cursor, compiled, step.query))
                if commit:
                    driver.execute("COMMIT", prepare=False)
            except connection.dialect.loaded_dbapi.Error as error:
                failure = error  # psycopg would log a warning of an error that ends its block
    except connection.dialect.loaded_dbapi.Error as error:
        failure = failure or error  # the end of the block only says that statements were left out
    if failure is not None:
        raise failure
    for cursor, compiled, query in fetch:
        query.rows = compiled.rows(cursor)


def _one_by_one(connection: Connection, driver: Any, steps: Sequence[BatchStep]) -> None:
    for step in steps:
        compiled = step.statement.compiled(connection.dialect)
        cursor = _execute(connection, driver, compiled, step.rows)
        if step.query is not None:
            step.query.rows = compiled.rows(cursor)
        cursor.close()


def _execute(connection: Connection, driver: Any, compiled: CompiledStatement, rows: Sequence[Values]) -> Any:
    """Execute one statement for each of *rows*, and return its cursor. SQLAlchemy's listeners get notice of it, too."""
    cursor = driver.cursor()
    text, parameters = compiled.bound(rows[0])
    if len(rows) == 1:
        connection.dispatch.before_cursor_execute(connection, cursor, text, parameters, None, False)
        cursor.execute(text, parameters)
    else:
        each = [parameters, *(compiled.bound(values)[1] for values in rows[1:])]
        connection.dispatch.before_cursor_execute(connection, cursor, text, each, None, True)
        cursor.executemany(text, each)
    return cursor


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
