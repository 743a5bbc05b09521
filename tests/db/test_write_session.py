"""What a transaction writes: together, in the program's order, and all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, insert, select
from sqlalchemy.exc import IntegrityError, ProgrammingError

from registry.db.batch import Query
from registry.db.bulk_insert import insert_rows, insert_whole
from registry.db.fixed_statements import FixedStatement
from registry.db.models import AuditText, Stray
from registry.db.session import db, look_up, reading, transaction
from registry.db.write_session import writing
from registry.domain.errors import Unavailable

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ROW = {"key": "k", "handle": "", "size": 1, "found_at": NOW}
NO_ENTRY = "00000000-0000-0000-0000-000000000000"
COUNT = FixedStatement(select(func.count().label("number")).select_from(Stray))
ALL = FixedStatement(select(Stray.__table__))


def stored() -> list[tuple[str, int]]:
    return sorted((row.key, row.size) for row in look_up(ALL))


def test_rows_keep_the_types_of_their_columns(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            insert_rows(session, Stray, [ROW, {**ROW, "key": "l", "size": 2}])

        (first, _) = sorted(look_up(ALL))

    assert first._asdict() == ROW


def test_a_statement_sees_what_was_written_before_it(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        insert_rows(session, Stray, [ROW])
        by_query = Query(COUNT)
        writing(session).ask(by_query)
        insert_rows(session, Stray, [{**ROW, "key": "l"}])
        by_sqlalchemy = session.scalar(select(func.count()).select_from(Stray))
        insert_rows(session, Stray, [{**ROW, "key": "m"}])
        by_connection = session.connection().scalar(select(func.count()).select_from(Stray))

    assert (by_query.rows[0].number, by_sqlalchemy, by_connection) == (1, 2, 3)


def test_the_changes_of_a_row_are_written_with_the_commit(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            stray = insert_whole(session, Stray, ROW)
            stray.size = 7
        with transaction() as session:
            loaded = session.scalars(select(Stray)).one()
            loaded.size += 1
            loaded.size += 1

        assert stored() == [("k", 9)]


def test_changes_are_written_before_what_is_added_after_them(app: Flask) -> None:
    with app.app_context():
        with transaction() as session:
            insert_rows(session, Stray, [ROW])
        with transaction() as session:
            renamed = session.scalars(select(Stray)).one()
            renamed.key = "l"
            writing(session).write_changes()
            insert_rows(session, Stray, [ROW])  # the key is free by then

        assert [key for key, _ in stored()] == ["k", "l"]


def test_a_batch_that_fails_writes_nothing_and_leaves_nothing_for_the_next(app: Flask) -> None:
    def fail() -> None:
        with transaction() as session:
            insert_rows(session, Stray, [{**ROW, "key": "first"}])
            insert_rows(session, AuditText, [{"entry_uid": NO_ENTRY, "field": "f", "salt": b"", "text": "of none"}])
            insert_rows(session, Stray, [{**ROW, "key": "last"}])

    with app.app_context():
        with pytest.raises(IntegrityError):
            fail()
        with transaction() as session:
            insert_rows(session, Stray, [ROW])

        assert stored() == [("k", 1)]


def test_a_transaction_that_is_left_writes_nothing(app: Flask) -> None:
    def leave(*, sent: bool) -> None:
        with transaction() as session:
            insert_rows(session, Stray, [ROW])
            if sent:
                session.flush()
            raise LookupError

    with app.app_context():
        for sent in (False, True):
            with pytest.raises(LookupError):
                leave(sent=sent)
        with transaction():
            pass

        assert stored() == []


def test_statements_of_sqlalchemy_are_of_the_same_transaction(app: Flask) -> None:
    def fail() -> None:
        with transaction() as session:
            session.execute(insert(Stray), [ROW])
            session.connection().execute(insert(Stray.__table__), [{**ROW, "key": "l"}])
            raise LookupError

    with app.app_context():
        with pytest.raises(LookupError):
            fail()
        with reading() as session:
            count = session.scalar(select(func.count()).select_from(Stray))

        assert (count, stored()) == (0, [])


def test_a_connection_of_a_failed_write_is_in_no_transaction(app: Flask) -> None:
    def fail() -> None:
        with transaction() as session:
            insert_rows(session, Stray, [ROW, ROW])

    with app.app_context():
        for _ in range(3):
            with pytest.raises(IntegrityError):
                fail()
        with reading() as session:
            driver = session.connection().connection.driver_connection
            in_transaction = getattr(driver, "info", None) and driver.info.transaction_status.value

        assert not in_transaction


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_statement_that_sqlite_refuses_is_not_uncertain(app: Flask) -> None:
    rows = [{**ROW, "key": str(number) * 200} for number in range(300)]

    def fill() -> None:
        with transaction() as session:
            connection = session.connection()
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 1}")
            insert_rows(session, Stray, rows)

    with app.app_context():
        with pytest.raises(Unavailable) as caught:
            fill()

        assert (type(caught.value), stored()) == (Unavailable, [])


def test_a_row_without_a_column_of_the_first_one_is_refused(app: Flask) -> None:
    short = {name: value for name, value in ROW.items() if name != "size"} | {"key": "short"}

    def insert_both() -> None:
        with transaction() as session:
            insert_rows(session, Stray, [ROW, short])

    with app.app_context():
        with pytest.raises((KeyError, ProgrammingError), match="size"):
            insert_both()

        assert stored() == []


@pytest.fixture
def updated(app: Flask) -> Iterator[list[str]]:
    """The keys of the rows that are updated, in the order of their statements."""
    keys: list[str] = []

    def note(_connection: Any, _cursor: Any, text: str, values: Any, *_rest: Any) -> None:
        if text.startswith("UPDATE strays"):
            given = values.values() if isinstance(values, dict) else values
            keys.extend(value for value in given if isinstance(value, str) and value)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield keys
    event.remove(engine, "before_cursor_execute", note)


def test_changed_rows_are_written_in_the_order_of_their_keys(app: Flask, updated: list[str]) -> None:
    keys = [f"{number:02}" for number in range(30)]
    with app.app_context():
        with transaction() as session:
            insert_rows(session, Stray, [{**ROW, "key": key} for key in keys])
        with transaction() as session:
            for stray in session.scalars(select(Stray).order_by(Stray.key.desc())).all():
                stray.size += 1

    assert updated == keys


def test_a_row_that_was_set_to_what_it_had_is_not_written(app: Flask, updated: list[str]) -> None:
    with app.app_context():
        with transaction() as session:
            insert_rows(session, Stray, [ROW, {**ROW, "key": "l"}])
        with transaction() as session:
            (same, other) = session.scalars(select(Stray).order_by(Stray.key)).all()
            same.size, other.size = same.size, 7

        assert (updated, stored()) == (["l"], [("k", 1), ("l", 7)])
