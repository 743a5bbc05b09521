"""Statements that are sent to PostgreSQL together: their results, their errors, and what a lost connection leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import LargeBinary, bindparam, cast, literal, select, text
from sqlalchemy.exc import IntegrityError

from registry.db import batch
from registry.db.batch import Query
from registry.db.bulk_insert import insert_rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Stray
from registry.db.pipeline import Command
from registry.db.session import db, look_up, transaction
from registry.db.statement_timeouts import TimedConnection
from registry.db.write_session import writing
from registry.domain.errors import Unavailable, Undone

ROW = {"key": "k", "handle": "", "size": 1, "found_at": datetime(2026, 1, 2, tzinfo=UTC)}
ALL = FixedStatement(select(Stray.key, Stray.size))
SOME = FixedStatement(select(Stray.key).where(Stray.key.in_(bindparam("some", expanding=True))).order_by(Stray.key))
BYTES = FixedStatement(select(cast(bindparam("given", type_=LargeBinary()), LargeBinary).label("given")))
PERCENT = FixedStatement(select(literal("100 %").label("text"), Stray.key).where(Stray.key.like("a%")))

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.fixture
def connection(app: Flask) -> Iterator[TimedConnection]:
    """A connection of the service, in a transaction that leaves nothing."""
    with app.app_context(), db.engine.connect() as lent:
        driver = lent.connection.driver_connection
        assert isinstance(driver, TimedConnection)
        yield driver
        if not driver.closed:
            driver.rollback()
        else:
            lent.invalidate()


def prepared(connection: TimedConnection) -> set[str]:
    counting = Command("SELECT name FROM pg_prepared_statements", is_prepared=False)
    return {name for (name,) in connection.execute_together([counting])[0].rows}


def test_a_list_of_values_has_any_length(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            insert_rows(session, Stray, [{**ROW, "key": key} for key in "abc"])

        found = [[row.key for row in look_up(SOME, some=some)] for some in ([], ["b"], ["a", "c"], ["c", "d"], ["a"])]

        assert found == [[], ["b"], ["a", "c"], ["c"], ["a"]]


def test_a_percent_sign_is_one(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            insert_rows(session, Stray, [{**ROW, "key": key} for key in ("a1", "b")])

        assert look_up(PERCENT) == [("100 %", "a1")]


@on_postgresql
def test_each_command_has_its_result(connection: TimedConnection) -> None:
    commands = [Command("SELECT $1::bigint + 1", [1]), Command("SET LOCAL lock_timeout = 1"), Command("SELECT 'x', 2")]

    for _ in range(3):  # prepared by then
        assert [result.rows for result in connection.execute_together(commands)] == [[(2,)], (), [("x", 2)]]


@on_postgresql
def test_more_is_sent_and_answered_than_the_sockets_hold(connection: TimedConnection) -> None:
    command = Command("SELECT repeat($1, 10) || $2", ["x" * 1000, "y" * 10_000])

    results = connection.execute_together([command] * 500)

    assert {result.rows[0][0] for result in results} == {"x" * 10_000 + "y" * 10_000}


@on_postgresql
def test_what_follows_a_refused_command_is_not_executed(connection: TimedConnection) -> None:
    refused, later = Command("SELECT 1 / $1::integer", [0]), Command("CREATE TEMPORARY TABLE later (x integer)")

    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute_together([Command("BEGIN"), refused, later, Command("COMMIT")])
    connection.rollback()

    tables = connection.execute_together([Command("SELECT to_regclass('later') IS NULL"), Command("SELECT 7")])
    assert [result.rows for result in tables] == [[(True,)], [(7,)]]


@on_postgresql
def test_nothing_is_sent_of_a_value_that_cannot_be_sent(connection: TimedConnection) -> None:
    with pytest.raises(psycopg.DataError):
        connection.execute_together([Command("BEGIN"), Command("SELECT $1", ["a\0b"])])

    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert connection.execute_together([Command("SELECT 7")])[0].rows == [(7,)]


@on_postgresql
def test_a_roll_back_keeps_what_was_prepared(app: Flask, connection: TimedConnection) -> None:
    connection.execute_together([Command("BEGIN"), Command("SELECT 7")])
    before = prepared(connection)

    connection.rollback()

    assert before
    assert prepared(connection) == before


@on_postgresql
def test_a_connection_without_an_answer_is_given_up(connection: TimedConnection) -> None:
    connection.seconds = 0.1

    with pytest.raises(psycopg.OperationalError, match="no answer within"):
        connection.execute_together([Command("SELECT pg_sleep(60)")])

    assert connection.closed


@on_postgresql
@pytest.mark.parametrize("before", [0, 1, 5])
def test_a_session_that_the_server_ends_is_lost_with_its_reason(connection: TimedConnection, before: int) -> None:
    ending = Command("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(psycopg.errors.AdminShutdown):
        connection.execute_together([*[Command("SELECT 1")] * before, ending, Command("SELECT 2")])

    assert connection.closed


@on_postgresql
def test_a_statement_whose_column_has_changed_is_prepared_again(app: Flask) -> None:
    def read() -> Any:
        return look_up(ALL)

    with app.app_context():
        with transaction() as session:
            insert_rows(session, Stray, [ROW])
        read()
        with transaction() as session:
            session.execute(text("ALTER TABLE strays ALTER COLUMN size TYPE numeric"))
        with suppress(Undone):  # which the service repeats
            read()

        assert read() == [("k", 1)]


@on_postgresql
def test_the_connection_of_a_refused_write_serves_on(app: Flask) -> None:
    def insert_twice() -> None:
        with transaction() as session:
            insert_rows(session, Stray, [ROW, ROW])

    with app.app_context():
        for _ in range(3):
            with pytest.raises(IntegrityError):
                insert_twice()

        assert look_up(ALL) == []


@on_postgresql
def test_a_command_is_prepared_once_however_often_a_batch_has_it(connection: TimedConnection) -> None:
    before = prepared(connection)

    connection.execute_together([Command("SELECT $1::bigint + 2", [number]) for number in range(100)])

    assert len(prepared(connection) - before) == 1


@on_postgresql
def test_bytes_stay_what_they_are_where_backslashes_escape(app: Flask) -> None:
    def set_up(change: str) -> None:
        with db.engine.connect() as connection:
            connection.exec_driver_sql(f'ALTER DATABASE "{db.engine.url.database}" {change}')
        db.engine.dispose()

    with app.app_context():
        set_up("SET standard_conforming_strings = off")
        try:
            assert look_up(BYTES, given=b"\\x\0'") == [(b"\\x\0'",)]
        finally:
            set_up("RESET standard_conforming_strings")


@on_postgresql
def test_an_optional_command_may_fail_each_time(connection: TimedConnection) -> None:
    def inverse(number: int) -> Any:
        optional = Command("SELECT 1 / $1::integer", [number], is_optional=True)
        return connection.execute_together([Command("SELECT 7"), optional])[1].rows

    assert [inverse(number) for number in (0, 0, 1, 0)] == [(), (), [(1,)], ()]


@on_postgresql
def test_lists_of_many_lengths_share_a_few_statements(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as lent:
        driver: Any = lent.connection.driver_connection
        before = prepared(driver)

        batch.send(lent, [Query(SOME, some=["a"] * length).step() for length in range(1, 65)])

        assert len(prepared(driver) - before) <= 7


@on_postgresql
def test_a_transaction_that_goes_on_after_an_error_does_not_pass_for_committed(app: Flask) -> None:
    def go_on() -> None:
        with transaction() as session:
            insert_rows(session, Stray, [ROW])
            with suppress(IntegrityError):
                insert_rows(session, Stray, [ROW])
                writing(session).ask()

    with app.app_context():
        with pytest.raises(Unavailable):
            go_on()

        assert look_up(ALL) == []
