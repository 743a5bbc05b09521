"""A snapshot is of one moment, whichever way its first statement is sent."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from registry.db.bulk_insert import insert_rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Stray
from registry.db.queries import records
from registry.db.session import reading, transaction

ROW = {"handle": "", "size": 1, "found_at": datetime(2026, 1, 2, tzinfo=UTC)}
COUNT = select(func.count().label("number")).select_from(Stray)
FIXED = FixedStatement(COUNT)


def in_a_batch(session: Session) -> int:
    (row,) = records.rows(session, FIXED)
    return int(row.number)


def by_sqlalchemy(session: Session) -> int:
    return session.scalar(COUNT) or 0


def insert(app: Flask, key: str) -> None:
    with app.app_context(), transaction() as session:
        insert_rows(session, Stray, [{**ROW, "key": key}])


@pytest.mark.parametrize("first", [in_a_batch, by_sqlalchemy])
def test_every_statement_of_a_snapshot_reads_the_moment_of_the_first(
    app: Flask, first: Callable[[Session], int]
) -> None:
    insert(app, "before")

    with ThreadPoolExecutor(1) as pool, app.app_context(), reading(snapshot=True) as session:
        counts = [first(session)]
        pool.submit(insert, app, "after").result()
        counts += [in_a_batch(session), by_sqlalchemy(session), in_a_batch(session)]

    with app.app_context(), reading() as session:
        assert (counts, in_a_batch(session)) == ([1, 1, 1, 1], 2)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_snapshot_may_be_idle_for_longer_than_a_transaction_that_writes(app: Flask) -> None:
    limit = text("SHOW idle_in_transaction_session_timeout")
    with app.app_context():
        with reading(snapshot=True) as session:
            in_a_batch(session)
            snapshot = session.scalar(limit)
        with transaction() as session:
            in_a_batch(session)
            write = session.scalar(limit)

    assert (snapshot, write) == ("1min", "15s")
