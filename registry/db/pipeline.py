"""Statements that PostgreSQL gets in one message and answers in one: libpq's pipeline mode.

psycopg's own pipeline sends each statement separately and waits for the socket after each. Here libpq collects them up
to the end. Source of the rules: the chapters "Pipeline Mode" and "Asynchronous Command Processing" of libpq's manual.
"""

from __future__ import annotations

import hashlib
import select
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

# A connection prepares so many statements; others are parsed each time. The service has fewer, but for those with a
# list of values, which have a text for each padded length.
PREPARED_MAX = 300
_DONE = {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}
_SEVERITY = DiagnosticField.SEVERITY_NONLOCALIZED
_LAST = {b"FATAL", b"PANIC"}  # severities of the last message of a server process: the reason why it ends
COMMIT = "COMMIT"
# A prepared statement whose columns a migration has changed, and one that a pooler has dropped.
_OUTDATED = {"0A000", "26000"}


class Command(NamedTuple):
    """A statement with ``$1`` for its first parameter, and the values of the parameters.

    One that ``is_optional`` has no rows where it fails. Only the last command can be.
    """

    text: str
    parameters: Sequence[Any] = ()
    is_prepared: bool = True
    is_optional: bool = False


class Result(NamedTuple):
    """What PostgreSQL returned for a command: rows, and the identifiers of the columns' types."""

    rows: Sequence[tuple[Any, ...]]
    types: Sequence[int]


class Pipeline:
    """The pipeline of a connection, with the statements that it has prepared."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection, self._pgconn = connection, connection.pgconn
        self._adapter: Any = Transformer(connection)  # its type depends on whether psycopg's speedups are there
        self._names: dict[str, bytes] = {}
        self._seconds = 0.0

    def execute(self, commands: Sequence[Command], *, seconds: float) -> list[Result]:
        """Execute the commands in their order; return their results.

        Raises the error of the first command that fails; the later ones are not executed. A connection without an
        answer for *seconds*, or with half an answer, is closed.
        """
        self._seconds = seconds
        values = [self._dumped(command.parameters) for command in commands]
        try:
            self._pgconn.enter_pipeline_mode()
            drawn: dict[str, bytes] = {}  # the names of the statements that the batch prepares, by their texts
            parses = [self._send(command, sent, drawn) for command, sent in zip(commands, values, strict=True)]
            self._pgconn.pipeline_sync()
            self._flush()
            results = list(self._results(len(commands) + len(drawn)))
            self._pgconn.exit_pipeline_mode()
        except BaseException:
            self._connection.close()  # the next statement would take what is left of the answer for its own
            raise
        return self._matched(commands, parses, results)

    def _dumped(self, parameters: Sequence[Any]) -> Sequence[Any]:
        # As text without a type: the statement determines it, and one prepared statement serves all values.
        return self._adapter.dump_sequence(parameters, [PyFormat.TEXT] * len(parameters)) if parameters else ()

    def _send(self, command: Command, values: Sequence[Any], drawn: dict[str, bytes]) -> bytes | None:
        """Give a command to libpq; return the name under which it is to be prepared first, if it is.

        A statement is prepared once, however often it is in the batch.
        """
        text, parsed = command.text.encode(), None
        name = (self._names.get(command.text) or drawn.get(command.text)) if command.is_prepared else None
        if command.is_prepared and name is None and len(self._names) + len(drawn) < PREPARED_MAX:
            name = parsed = drawn[command.text] = _name(text)
            self._pgconn.send_prepare(name, text)
        if name is None:
            self._pgconn.send_query_params(text, values)
        else:
            self._pgconn.send_query_prepared(name, values)
        return parsed

    def _matched(
        self, commands: Sequence[Command], parses: Sequence[bytes | None], results: Sequence[PGresult]
    ) -> list[Result]:
        """Return the result of each command, and note what was prepared. Raises the error of the first that failed."""
        left, done = iter(results), []
        for command, name in zip(commands, parses, strict=True):
            if name is not None:
                if (parsed := next(left)).status in _DONE:
                    self._names[command.text] = name
                elif not command.is_optional:
                    raise psycopg.errors.error_from_result(parsed)
            result = next(left)
            if not command.is_optional:
                self._require_success(result, is_named=command.text in self._names)
            if command.text == COMMIT and result.command_status == b"ROLLBACK":
                raise psycopg.errors.InFailedSqlTransaction("a statement had failed: nothing was committed")
            done.append(result)
        try:
            return [self._loaded(result) for result in done]  # what was prepared is noted even if a value is not read
        finally:
            self._adapter.set_pgresult(None)

    def _loaded(self, result: PGresult) -> Result:
        if result.status != ExecStatus.TUPLES_OK:
            return Result((), ())
        self._adapter.set_pgresult(result)
        rows = self._adapter.load_rows(0, result.ntuples, tuple)
        return Result(rows, [result.ftype(column) for column in range(result.nfields)])

    def _require_success(self, result: PGresult, *, is_named: bool = False) -> PGresult:
        if result.status in _DONE:
            return result
        error = psycopg.errors.error_from_result(result)
        if is_named and error.sqlstate in _OUTDATED:
            self._connection.close()
            raise psycopg.OperationalError("a prepared statement is outdated: the connection is given up") from error
        raise error

    def _flush(self) -> None:
        """Send what libpq has collected. Answers are read, too: until they are sent, PostgreSQL may read no more."""
        while self._pgconn.flush():
            if self._wait(select.POLLIN | select.POLLOUT) & select.POLLIN:
                self._pgconn.consume_input()

    def _results(self, count: int) -> Iterator[PGresult]:
        """Return *count* results, and read the end of the pipeline.

        Raises the reason for which the server ended the connection, or OperationalError when none is known.
        """
        for _ in range(count):
            if (result := self._next()) is None:
                raise psycopg.OperationalError("the connection is lost")
            if self._pgconn.status == ConnStatus.BAD or result.error_field(_SEVERITY) in _LAST:
                raise psycopg.errors.error_from_result(result)
            yield result
            if self._next() is not None:
                raise psycopg.InternalError("a statement has more than one result")
        if (end := self._next()) is None or end.status != ExecStatus.PIPELINE_SYNC:
            raise psycopg.OperationalError("the connection is lost")

    def _next(self) -> PGresult | None:
        while self._pgconn.is_busy():
            self._wait(select.POLLIN)
            self._pgconn.consume_input()
        return self._pgconn.get_result()

    def _wait(self, events: int) -> int:
        """Wait for one of the events; return those that there are. Raises OperationalError when there is none."""
        poll = select.poll()  # select() takes no descriptor above 1,023
        poll.register(self._pgconn.socket, events)
        if not (ready := poll.poll(self._seconds * 1000)):
            raise psycopg.OperationalError(f"no answer within {self._seconds:g} seconds: it is given up")
        return ready[0][1]


def _name(text: bytes) -> bytes:
    """Return the name of a prepared statement. Through a pooler it names this text, or no statement at all."""
    return b"registry_" + hashlib.blake2b(text, digest_size=16).hexdigest().encode()
