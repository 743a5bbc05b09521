"""PostgreSQL answers, and refuses: read-only, no connection left, no room left, work undone. Nothing is half done."""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from registry.app import create_app
from registry.config import Settings
from tests.conftest import SECRET, _prepare
from tests.faults.conftest import with_two_versions
from tests.support.audit_reader import AuditReader
from tests.support.databases import PostgresDatabase
from tests.support.full_disk import small_disk
from tests.support.polling import eventually
from tests.support.postgres import FAST, ThrowawayPostgres
from tests.support.servers import Caller, Fleet, Launcher, running_fleet

MODEL = "fraud"
CONNECTIONS = 12
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def postgres() -> Iterator[ThrowawayPostgres]:
    """A server with few connections."""
    server = ThrowawayPostgres()
    server.tuning = FAST | {"max_connections": str(CONNECTIONS), "deadlock_timeout": "200ms"}
    server.stop(wipe=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def prepared(postgres: ThrowawayPostgres, make_settings: Callable[..., Settings]) -> PostgresDatabase:
    return PostgresDatabase(postgres.url(), functools.partial(_prepare, make_settings))


@pytest.fixture
def database(prepared: PostgresDatabase) -> PostgresDatabase:
    prepared.reset()
    return prepared


@pytest.fixture
def fleet(database: PostgresDatabase, launcher: Launcher, tmp_path: Path) -> Iterator[Fleet]:
    token = database.tokens["all"]
    with running_fleet(
        launcher, tmp_path, database_url=database.url, token=token, secret=SECRET, threads=4, database_pool_size=4
    ) as fleet:
        yield fleet


@pytest.fixture
def caller(fleet: Fleet) -> Iterator[Caller]:
    with fleet.caller() as caller:
        yield with_two_versions(caller, MODEL)


@pytest.fixture
def audit_reader(database: PostgresDatabase, make_settings: Callable[..., Settings]) -> AuditReader:
    return AuditReader(database.url, create_app(make_settings(database.url)))


def as_admin(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def assert_put_off(answer: requests.Response, text: str) -> None:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (503, "unavailable"), answer.text
    assert text in problem["detail"]
    assert int(answer.headers["Retry-After"]) > 0


def assert_promoted(caller: Caller, audit_reader: AuditReader, record: Record) -> None:
    """Version 2 came to production by the one promotion that was acknowledged."""
    done = audit_reader.count(MODEL, "version.promoted", stage="production")
    record("lost", max(2 - done, 0))
    assert done == 2
    assert audit_reader.assert_one_line(MODEL) == 2
    audit_reader.assert_serial(MODEL)
    audit_reader.assert_chains()


def promote(caller: Caller) -> requests.Response:
    return caller.promote(MODEL, 2, key="one")


@pytest.mark.fault("F18")
def test_a_database_that_is_read_only_is_read_and_takes_writes_again_later(
    caller: Caller,
    audit_reader: AuditReader,
    postgres: ThrowawayPostgres,
    database: PostgresDatabase,
    record_property: Record,
) -> None:
    set_ = f'ALTER DATABASE "{database.name}" SET default_transaction_read_only'
    as_admin(postgres.url(), f"{set_} = on", *disconnecting(database))
    # As if the token had not been used today: noting its use is a write, too.
    as_admin(database.url, "SET default_transaction_read_only = off", "UPDATE tokens SET last_used_on = NULL")

    reads = [caller("GET", path) for path in (f"/models/{MODEL}", "/models", "/audit", f"/models/{MODEL}/versions/2")]
    refused = [promote(caller), caller("POST", "/models", {"name": "other"}, key="other")]
    as_admin(postgres.url(), f"{set_} = off", *disconnecting(database))

    assert [answer.status_code for answer in reads] == [200] * len(reads)
    for answer in refused:
        assert_put_off(answer, "the database takes no writes at the moment, only reads")
    assert promote(caller).status_code == 200
    assert_promoted(caller, audit_reader, record_property)


def disconnecting(database: PostgresDatabase) -> list[str]:
    return [f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'"]


@contextmanager
def all_connections_taken(url: str) -> Iterator[None]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with ExitStack() as stack:
        with suppress(sa.exc.OperationalError):
            while True:
                stack.enter_context(engine.connect())
        yield


@pytest.mark.fault("F19")
def test_without_a_connection_left_every_call_is_refused_at_once_and_the_process_lives(
    caller: Caller,
    fleet: Fleet,
    audit_reader: AuditReader,
    postgres: ThrowawayPostgres,
    database: PostgresDatabase,
    record_property: Record,
) -> None:
    as_admin(postgres.url(), *disconnecting(database))
    with all_connections_taken(postgres.url()):
        answers = fleet.at_once([promote, *[lambda caller: caller("GET", f"/models/{MODEL}")] * 7])
        alive, ready = (caller.session.get(f"{fleet.server.url}/{probe}", timeout=60) for probe in ("livez", "readyz"))

    assert (alive.status_code, ready.status_code) == (200, 503)
    for answer in answers:
        assert_put_off(answer, "the database does not answer")
    assert promote(caller).status_code == 200
    assert_promoted(caller, audit_reader, record_property)


def failing(database: PostgresDatabase, code: str, *, times: int) -> None:
    """Let the next *times* writes of history fail with *code*."""
    as_admin(
        database.url,
        "CREATE SEQUENCE attempts",
        f"""CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('attempts') <= {times} THEN RAISE EXCEPTION 'a fault' USING ERRCODE = '{code}'; END IF;
            RETURN NEW; END $$""",
        "CREATE TRIGGER fail BEFORE INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION fail()",
    )


def attempts(audit_reader: AuditReader) -> int:
    return int(audit_reader.rows("SELECT last_value FROM attempts")[0][0])


@pytest.mark.fault("F20")
@pytest.mark.parametrize("code", ["40001", "40P01", "55P03"])
def test_work_that_the_database_undoes_is_done_again(
    caller: Caller, audit_reader: AuditReader, database: PostgresDatabase, code: str, record_property: Record
) -> None:
    failing(database, code, times=3)

    answer = promote(caller)

    assert answer.status_code == 200, answer.text
    assert attempts(audit_reader) == 4
    assert_promoted(caller, audit_reader, record_property)


@pytest.mark.fault("F20")
@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_work_that_the_database_undoes_every_time_is_refused_after_three_repetitions(
    caller: Caller, audit_reader: AuditReader, database: PostgresDatabase, code: str, record_property: Record
) -> None:
    failing(database, code, times=4)

    answer = promote(caller)

    assert_put_off(answer, "other requests hold what this one needs; send the same request again")
    assert attempts(audit_reader) == 4
    assert audit_reader.count(MODEL, "version.promoted", stage="production") == 1
    assert promote(caller).status_code == 200
    assert_promoted(caller, audit_reader, record_property)


@pytest.mark.fault("F20")
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", f"/models/{MODEL}/aliases/champion", {"version": 1}, 201),
        ("POST", f"/models/{MODEL}/versions/1/metrics", {"metrics": {"auc": 0.9}}, 201),
        ("PATCH", f"/models/{MODEL}/versions/1", {"tags": {"a": "1"}, "description": "d"}, 200),
        ("POST", f"/models/{MODEL}/rollback", {"reason": "a test", "to": 1}, 200),
    ],
)
def test_what_is_done_again_is_the_whole_request(
    caller: Caller,
    database: PostgresDatabase,
    audit_reader: AuditReader,
    method: str,
    path: str,
    body: dict[str, Any],
    status: int,
) -> None:
    if "rollback" in path:
        assert promote(caller).status_code == 200
    failing(database, "40001", times=2)

    answer = caller(method, path, body, key="again")

    assert answer.status_code == status, answer.text
    assert attempts(audit_reader) == 3
    audit_reader.assert_chains()


@pytest.mark.fault("F20")
def test_mlflow_s_face_does_again_what_the_database_undoes(
    caller: Caller, fleet: Fleet, audit_reader: AuditReader, database: PostgresDatabase
) -> None:
    failing(database, "40001", times=3)
    body = {"name": MODEL, "version": "1", "key": "k", "value": "v"}
    headers = {"Authorization": f"Bearer {fleet.token}"}

    url = f"{fleet.server.url}/api/2.0/mlflow/model-versions/set-tag"
    answer = requests.post(url, json=body, headers=headers, timeout=60)

    assert answer.status_code == 200, answer.text
    assert attempts(audit_reader) == 4
    audit_reader.assert_chains()


@pytest.mark.fault("F20")
def test_of_two_that_wait_for_each_other_the_request_is_done_in_the_end(
    caller: Caller, fleet: Fleet, audit_reader: AuditReader, record_property: Record
) -> None:
    with audit_reader.engine.connect() as other:
        other.exec_driver_sql("SET deadlock_timeout = '60s'")  # the request is the one to be undone
        other.exec_driver_sql("LOCK TABLE audit_entries IN EXCLUSIVE MODE")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'audit_entries'::regclass"

        def meet(_: Caller) -> None:
            eventually(lambda: audit_reader.rows(waiting)[0][0] == 1, "the promotion holds the model")
            other.exec_driver_sql("SELECT * FROM models FOR UPDATE")
            other.rollback()

        answer, _ = fleet.at_once([promote, meet])

    assert answer.status_code == 200, answer.text
    eventually(lambda: "done_again" in fleet.server.events(), "the log shows the retry")
    assert_promoted(caller, audit_reader, record_property)


@pytest.fixture
def disk(postgres: ThrowawayPostgres, database: PostgresDatabase) -> Iterator[Path]:
    """The small file system that the database is moved to, before anybody uses it."""
    home = postgres.base / f"disk-{uuid.uuid4().hex[:8]}"
    with small_disk(home, size="40m"):
        if postgres.user:
            os.chown(home, postgres.user["user"], postgres.user["group"])
        as_admin(
            postgres.url(),
            f"CREATE TABLESPACE small LOCATION '{home}'",
            *disconnecting(database),
            f'ALTER DATABASE "{database.name}" SET TABLESPACE small',
        )
        yield home
        as_admin(postgres.url(), f'DROP DATABASE "{database.name}" WITH (FORCE)', "CHECKPOINT", "DROP TABLESPACE small")


@pytest.mark.fault("F21")
def test_a_database_without_room_refuses_writes_and_takes_them_when_there_is_room(
    disk: Path, caller: Caller, audit_reader: AuditReader, record_property: Record
) -> None:
    fill(disk / "filler")
    acknowledged: list[str] = []
    file = caller.get(f"/models/{MODEL}/versions/1/files")["items"][0]
    while (answer := register(caller, file, run := str(len(acknowledged)))).ok:
        acknowledged.append(run)

    assert_put_off(answer, "the database has no room left for this")
    assert caller("GET", f"/models/{MODEL}").status_code == 200
    (disk / "filler").unlink()
    assert register(caller, file, run).status_code == 201
    acknowledged.append(run)
    numbers = audit_reader.numbers(MODEL)
    record_property("lost", 2 + len(acknowledged) - len(numbers))
    assert numbers == list(range(1, 3 + len(acknowledged)))
    assert audit_reader.count(MODEL, "version.registered") == len(numbers)
    assert promote(caller).status_code == 200
    assert_promoted(caller, audit_reader, record_property)


def register(caller: Caller, file: dict[str, Any], run: str) -> requests.Response:
    """A version with tags, so that a page is soon full."""
    line = {name: file[name] for name in ("path", "size", "sha256")}
    body = {"files": [line], "run": {"system": "disk", "id": run}, "description": uuid.uuid4().hex * 200}
    return caller("POST", f"/models/{MODEL}/versions", body, key=f"disk-{run}")


def fill(path: Path) -> None:
    """Leave no byte on the path's disk."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
