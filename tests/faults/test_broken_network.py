"""The line to PostgreSQL is slow, breaks, or leads nowhere: no thread hangs for ever, and nothing is done twice."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy.engine import make_url

from tests.conftest import SECRET
from tests.faults.conftest import with_two_versions
from tests.support.audit_reader import AuditReader
from tests.support.databases import Database
from tests.support.network_proxy import NetworkProxy, proxy_to
from tests.support.polling import eventually
from tests.support.servers import Caller, Fleet, Launcher, running_fleet

MODEL = "fraud"
LONGEST = 12.0
PAUSES = 30.0  # of a machine that has other things to do; what is not given up takes as long as the caller waits
THREADS = 4
Record = Callable[[str, object], None]


@pytest.fixture
def database(databases: Callable[[str], Database]) -> Database:
    database = databases("postgresql")
    database.reset()
    return database


@pytest.fixture
def line(database: Database) -> Iterator[NetworkProxy]:
    parts = make_url(database.url)
    host, port = parts.query.get("host", parts.host), parts.query.get("port", parts.port or 5432)
    place = f"{host}/.s.PGSQL.{port}" if str(host).startswith("/") else (str(host), int(str(port)))
    with proxy_to(place) as proxy:
        yield proxy


@pytest.fixture
def fleet(database: Database, line: NetworkProxy, launcher: Launcher, tmp_path: Path) -> Iterator[Fleet]:
    """One server with few threads, behind the line, that connects with its own limits of time."""
    parts = make_url(database.url).set(host="127.0.0.1", port=line.port)
    parts = parts.difference_update_query(["host", "port", "connect_timeout"])
    url, token = parts.render_as_string(hide_password=False), database.tokens["all"]
    with running_fleet(
        launcher, tmp_path, database_url=url, token=token, secret=SECRET, threads=THREADS, database_pool_size=THREADS
    ) as fleet:
        yield fleet
        line.heal()


@pytest.fixture
def caller(fleet: Fleet) -> Iterator[Caller]:
    with fleet.caller() as caller:
        yield with_two_versions(caller, MODEL)


@pytest.fixture
def audit_reader(database: Database, apps: Callable[[str], Flask]) -> AuditReader:
    return AuditReader(database.url, apps("postgresql"))


def promote(caller: Caller, key: str) -> requests.Response:
    return caller.promote(MODEL, 2, key=key)


def assert_promoted_once(audit_reader: AuditReader, record: Record) -> None:
    done = audit_reader.count(MODEL, "version.promoted", stage="production")
    record("lost", max(2 - done, 0))
    assert done == 2
    assert audit_reader.assert_one_line(MODEL) == 2
    audit_reader.assert_serial(MODEL)
    audit_reader.assert_chains()


def assert_put_off(answer: requests.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.fault("F15")
@pytest.mark.parametrize("most", [0, 1, 40], ids=["no answer", "one byte", "half an answer"])
def test_a_connection_that_breaks_while_it_answers_costs_a_repetition(
    caller: Caller, line: NetworkProxy, audit_reader: AuditReader, most: int, record_property: Record
) -> None:
    key = uuid.uuid4().hex
    line.most = most

    broken = promote(caller, key)
    line.heal()
    done = broken if broken.ok else promote(caller, key)

    assert done.status_code == 200, done.text
    assert_promoted_once(audit_reader, record_property)


@pytest.mark.fault("F14")
def test_a_connection_that_is_reset_in_the_middle_of_a_transaction_is_not_noticed(
    caller: Caller, fleet: Fleet, line: NetworkProxy, audit_reader: AuditReader, record_property: Record
) -> None:
    with audit_reader.engine.connect() as blocking:
        blocking.exec_driver_sql("LOCK TABLE audit_entries IN EXCLUSIVE MODE")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'audit_entries'::regclass"

        def break_it(_: Caller) -> None:
            eventually(lambda: audit_reader.rows(waiting)[0][0] == 1, "the promotion is under way")
            line.reset()
            blocking.rollback()

        done, _ = fleet.at_once([lambda caller: promote(caller, "one"), break_it])

    assert done.status_code == 200, done.text
    assert_promoted_once(audit_reader, record_property)


@pytest.mark.fault("F14")
def test_a_session_that_the_server_ends_within_a_batch_is_not_noticed(
    caller: Caller, fleet: Fleet, line: NetworkProxy, audit_reader: AuditReader, record_property: Record
) -> None:
    open_batch = (
        "FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'ClientRead' AND datname = current_database()"
    )
    line.endless = b"BEGIN ISOLATION"

    def end_it(_: Caller) -> None:
        eventually(lambda: audit_reader.rows(f"SELECT count(*) {open_batch}")[0][0] == 1, "the batch is under way")
        line.heal()
        audit_reader.rows(f"SELECT pg_terminate_backend(pid) {open_batch}")

    done, _ = fleet.at_once([lambda caller: promote(caller, "one"), end_it])

    assert done.status_code == 200, done.text
    assert_promoted_once(audit_reader, record_property)


def timed(call: Callable[[], requests.Response]) -> tuple[requests.Response, float]:
    begun = time.monotonic()
    return call(), time.monotonic() - begun


@pytest.mark.fault("F16")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("half", [False, True], ids=["black hole", "half open"])
def test_requests_into_a_black_hole_end_and_leave_their_threads_free(
    caller: Caller, fleet: Fleet, line: NetworkProxy, audit_reader: AuditReader, half: bool, record_property: Record
) -> None:
    def ask(caller: Caller) -> tuple[requests.Response, float]:
        return timed(lambda: caller("GET", f"/models/{MODEL}"))

    line.swallows, line.deaf = not half, half
    answers = fleet.at_once([ask] * THREADS + [lambda caller: timed(lambda: promote(caller, "one"))])
    alive = caller.session.get(f"{fleet.server.url}/livez", timeout=60)
    line.heal()

    assert alive.status_code == 200
    for answer, _ in answers:
        assert_put_off(answer)
    # One more than there are threads: one has waited for the others.
    assert max(seconds for _, seconds in answers) < 2 * LONGEST + PAUSES
    eventually(lambda: caller("GET", f"/models/{MODEL}").ok, "the service recovers without a restart")
    assert promote(caller, "one").status_code == 200
    assert_promoted_once(audit_reader, record_property)


@pytest.mark.fault("F16")
@pytest.mark.share(0)  # it waits for the same limits as the black hole
def test_a_statement_whose_answer_never_comes_is_given_up(
    caller: Caller, fleet: Fleet, line: NetworkProxy, audit_reader: AuditReader, record_property: Record
) -> None:
    with audit_reader.engine.connect() as blocking:
        blocking.exec_driver_sql("LOCK TABLE audit_entries IN EXCLUSIVE MODE")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'audit_entries'::regclass"

        def darken(_: Caller) -> None:
            eventually(lambda: audit_reader.rows(waiting)[0][0] == 1, "the promotion is under way")
            line.swallows = True

        (answer, seconds), _ = fleet.at_once([lambda caller: timed(lambda: promote(caller, "one")), darken])
        blocking.rollback()
    line.heal()

    assert_put_off(answer)
    assert seconds < LONGEST + PAUSES
    assert promote(caller, "one").status_code == 200
    assert_promoted_once(audit_reader, record_property)


@pytest.mark.fault("F17")
def test_a_database_that_is_far_away_makes_everything_slower_and_nothing_wrong(
    caller: Caller, fleet: Fleet, line: NetworkProxy, audit_reader: AuditReader, record_property: Record
) -> None:
    line.latency = 0.1  # each way

    def ask(caller: Caller) -> Any:
        return caller.get(f"/models/{MODEL}")["name"]

    answers = fleet.at_once([ask] * THREADS)
    done = promote(caller, "one")

    assert answers == [MODEL] * THREADS
    assert done.status_code == 200, done.text
    assert_promoted_once(audit_reader, record_property)
