"""Show how PostgreSQL runs the statements behind a call: the service's own ones, taken from the server's log."""

from __future__ import annotations

import json
import re
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.benchmarks.serving.database import Database
from tests.benchmarks.serving.driving import Request, ask
from tests.benchmarks.serving.streams import Server

LOGGED = re.compile(r"(?:execute [^:]*|statement): (.*)", re.DOTALL)
PARAMETER = re.compile(r"\$\d+ = (NULL|'(?:[^']|'')*')")
COLUMNS = re.compile(r"^SELECT \w+\.\w+, .*? FROM", re.DOTALL)
TIME = re.compile(r"actual time=[\d.]+\.\.([\d.]+)")
GENERIC_WORSE = 2
SETTLE = 0.5  # seconds: the processes of PostgreSQL read settings and write the log in their own time
WIDTH = 160
PLANNED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@dataclass(frozen=True)
class Statement:
    """As the service sent it, with the values that it sent."""

    text: str
    values: tuple[str, ...]


class Listener:
    """Reads the statements that one database is sent."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.log = Path(database.server.data) / "log" / "all.json"

    @contextmanager
    def listening(self) -> Iterator[None]:
        self._set("all")
        try:
            yield
        finally:
            self._set("none")

    def statements(self, server: Server, request: Request) -> list[Statement]:
        """What the service sends for one request, in order."""
        begin = self.log.stat().st_size
        ask(server.port, request)
        time.sleep(SETTLE)
        with self.log.open() as lines:
            lines.seek(begin)
            records = [json.loads(line) for line in lines]
        return [found for record in records if (found := self._statement(record))]

    def _statement(self, record: dict[str, str]) -> Statement | None:
        matched = LOGGED.fullmatch(record["message"])
        if record.get("dbname") != self.database.name or not matched:
            return None
        return Statement(matched[1], tuple(PARAMETER.findall(record.get("detail", ""))))

    def _set(self, which: str) -> None:
        with self.database.connection() as connection:
            connection.execute(f"ALTER SYSTEM SET log_statement = '{which}'".encode())
            connection.execute("SELECT pg_reload_conf()")
        time.sleep(SETTLE)


def explained(database: Database, statements: list[Statement]) -> Iterator[str]:
    """Each statement with its plan; what a transaction needs besides is left out. Nothing is changed."""
    for statement in statements:
        if not statement.text.startswith(PLANNED):
            continue
        yield textwrap.shorten(COLUMNS.sub("SELECT ... FROM", statement.text), WIDTH * 6)
        yield f"  with {textwrap.shorten(', '.join(statement.values), WIDTH * 2) or 'no values'}"
        yield from (f"    {line}" for line in _plan(database, statement))


def _plan(database: Database, statement: Statement) -> list[str]:
    """Made for these values; with it the one for any values, which a prepared statement may get, if that is far slower.

    An INSERT is not run again: its keys are taken, and it looks for nothing.
    """
    custom = _explain(database, statement, "force_custom_plan")
    generic = _explain(database, statement, "force_generic_plan") if statement.values else custom
    if _seconds(generic) <= GENERIC_WORSE * _seconds(custom):
        return custom
    return [*custom, "with the plan for any values:", *generic]


def _explain(database: Database, statement: Statement, mode: str) -> list[str]:
    runs = "" if statement.text.startswith("INSERT") else "ANALYZE, BUFFERS, SUMMARY OFF, "
    with database.connection() as connection:
        connection.execute("BEGIN")
        connection.execute(f"SET LOCAL plan_cache_mode = {mode}".encode())
        connection.execute(f"PREPARE found AS {statement.text}".encode())
        values = f"({', '.join(statement.values)})" if statement.values else ""
        try:
            rows = connection.execute(f"EXPLAIN ({runs}COSTS OFF) EXECUTE found {values}".encode()).fetchall()
        except psycopg.Error as error:
            return [f"no plan: {error}"]
        finally:
            connection.execute("ROLLBACK")
    return [str(row[0]) for row in rows]


def _seconds(plan: list[str]) -> float:
    """How long the whole plan ran; nothing where it was not run."""
    found = TIME.search(plan[0])
    return float(found[1]) / 1000 if found else 0.0
