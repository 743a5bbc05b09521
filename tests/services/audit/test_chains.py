"""Whoever gets past the triggers and changes history is found out, and so is where."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.db.session import db
from registry.domain import canonical_json
from registry.services import audit
from registry.services.audit import ChainReport
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder

CHAINS = 8  # of two models, tokens, stored bytes, checkpoints and restorations; lineage nodes and the sealed log
SEALED_LOG = "sealed log"
HISTORY = 7  # created; registered, to staging, to production: twice


class Vandal:
    """Somebody with the database's own password: no trigger and no foreign key stands in the way."""

    def __init__(self, database: Database) -> None:
        self.sqlite = database.kind == "sqlite"
        self.engine = sa.create_engine(database.url, poolclass=sa.NullPool)

    @contextmanager
    def unhindered(self) -> Iterator[sa.Connection]:
        with self.engine.connect() as connection:
            if self.sqlite:
                connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
                names = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
                for name in connection.exec_driver_sql(names).scalars().all():
                    connection.exec_driver_sql(f"DROP TRIGGER {name}")
            else:
                connection.exec_driver_sql("ALTER TABLE audit_entries DISABLE TRIGGER ALL")
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            yield connection
            if not self.sqlite:
                connection.exec_driver_sql("ALTER TABLE audit_entries ENABLE TRIGGER ALL")
            connection.commit()

    def do(self, *statements: str, **values: Any) -> None:
        with self.unhindered() as connection:
            for statement in statements:
                names = [name for name in values if f":{name}" in statement]
                done = connection.execute(sa.text(statement), {name: values[name] for name in names})
                assert done.rowcount > 0, f"nothing was changed by {statement}"

    def ask(self, query: str, **values: Any) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(sa.text(query), values).one()


@pytest.fixture
def vandal(database: Database) -> Vandal:
    return Vandal(database)


@pytest.fixture
def chain(registry: RegistryBuilder, vandal: Vandal) -> str:
    """The aggregate of a model with a little history; another model has some too."""
    for model, files in zip(("bystander", "fraud", "fraud"), registry.different_files(3), strict=True):
        registry.model(model).version(stage="production", files=files)
    return "model:" + str(uuid.UUID(str(vandal.ask("SELECT id FROM models WHERE name = 'fraud'").id)))


@pytest.fixture
def verify(app: Flask) -> Callable[[], list[ChainReport]]:
    def walk() -> list[ChainReport]:
        with app.app_context():
            reports = list(audit.verify())
            db.engine.dispose()
        return reports

    return walk


def bad(reports: list[ChainReport]) -> dict[str, str]:
    """What is wrong with chains; the sealed log, in which most of this is wrong too, has tests in test_positions."""
    return {report.aggregate: report.problem for report in reports if report.problem and report.aggregate != SEALED_LOG}


def test_an_untouched_log_is_clean(chain: str, verify: Callable[[], list[ChainReport]]) -> None:
    reports = verify()

    assert bad(reports) == {}
    assert [report.entries for report in reports if report.aggregate == chain] == [HISTORY]
    assert {report.aggregate for report in reports} >= {"auth", chain}


WHERE = "WHERE aggregate = :chain AND seq = 3"
OTHER_HASH = hashlib.sha256(b"other").hexdigest()
# What is done to entry 3, and what is said of it.
CHANGED = {
    "body": (f"UPDATE audit_entries SET body = :bytes {WHERE}", "its bytes were changed"),
    "leaf_hash": (f"UPDATE audit_entries SET leaf_hash = '{OTHER_HASH}' {WHERE}", "its bytes were changed"),
    "uid": (f"UPDATE audit_entries SET uid = :uid {WHERE}", "column for the id"),
    "at": (f"UPDATE audit_entries SET at = :past {WHERE}", "column for the time"),
    "action": (f"UPDATE audit_entries SET action = 'version.archived' {WHERE}", "column for the action"),
    "actor_id": (
        f"UPDATE audit_entries SET actor_id = (SELECT id FROM accounts WHERE name = 'system') {WHERE}",
        "column for the actor",
    ),
    "model_id": (
        f"UPDATE audit_entries SET model_id = (SELECT id FROM models WHERE name = 'bystander') {WHERE}",
        "column for the model",
    ),
    "model_id to nothing": (f"UPDATE audit_entries SET model_id = NULL {WHERE}", "column for the model"),
    "version_id": (
        f"UPDATE audit_entries SET version_id = (SELECT id FROM versions WHERE number = 2) {WHERE}",
        "column for the version",
    ),
    "version_id to nothing": (f"UPDATE audit_entries SET version_id = NULL {WHERE}", "column for the version"),
    "version_id to another model's version of the number": (
        "UPDATE audit_entries SET version_id = (SELECT versions.id FROM versions JOIN models ON models.id = model_id "
        f"WHERE models.name = 'bystander') {WHERE}",
        "column for the version",
    ),
    "related_version_id": (
        f"UPDATE audit_entries SET related_version_id = (SELECT id FROM versions WHERE number = 2) {WHERE}",
        "column for the related version",
    ),
    "id": (f"UPDATE audit_entries SET id = 1 - id {WHERE}", "its place in the log"),
    "commit_order": (f"UPDATE audit_entries SET commit_order = -1 {WHERE}", "its commit order is before"),
    "issuer_id": (
        f"UPDATE audit_entries SET issuer_id = (SELECT id FROM accounts WHERE name = 'system') {WHERE}",
        "column for the issuer",
    ),
    "seal": (f"UPDATE audit_entries SET seal = substr(seal, 1, 72) || 'x' {WHERE}", "its seal is false"),
    "seal to nothing": (f"UPDATE audit_entries SET seal = NULL {WHERE}", "it has no seal"),
    "text": (
        f"UPDATE audit_texts SET text = 'an excuse' WHERE entry_uid = (SELECT uid FROM audit_entries {WHERE})",
        "its text 'reason' was changed",
    ),
    "text's salt": (
        f"UPDATE audit_texts SET salt = :bytes WHERE entry_uid = (SELECT uid FROM audit_entries {WHERE})",
        "its text 'reason' was changed",
    ),
    "text's field": (
        f"UPDATE audit_texts SET field = 'excuse' WHERE entry_uid = (SELECT uid FROM audit_entries {WHERE})",
        "its text 'excuse' was added",
    ),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_changed_entry_is_named(
    chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]], what: str
) -> None:
    statement, said = CHANGED[what]
    fresh = uuid.uuid4()
    vandal.do(
        statement,
        chain=chain,
        bytes=b"{}",
        uid=fresh.hex if vandal.sqlite else fresh,
        past="2020-01-01 00:00:00.000000" if vandal.sqlite else datetime.fromisoformat("2020-01-01T00:00:00Z"),
    )

    found = bad(verify())

    assert list(found) == [chain]
    assert found[chain].startswith("entry 3 (version.")
    assert said in found[chain]


def test_the_columns_of_the_table_are_all_in_the_list_of_changes(vandal: Vandal) -> None:
    columns = {column["name"] for column in sa.inspect(vandal.engine).get_columns("audit_entries")}

    assert columns <= {*CHANGED, "aggregate", "seq"}  # those two have tests of their own


def test_a_removed_middle_entry_is_missed(chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]]) -> None:
    vandal.do(f"DELETE FROM audit_entries {WHERE}", chain=chain)

    assert bad(verify())[chain].startswith("entry 4 (version.promoted): entry 3 is missing before it")


def test_a_removed_last_entry_is_missed(chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]]) -> None:
    vandal.do(f"DELETE FROM audit_entries WHERE aggregate = :chain AND seq = {HISTORY}", chain=chain)

    said = f"entry {HISTORY}: missing; the head has {HISTORY} entries, the chain {HISTORY - 1}"
    assert bad(verify()) == {chain: said}


def test_a_chain_that_is_gone_as_a_whole_is_missed(
    chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]]
) -> None:
    vandal.do("DELETE FROM audit_entries WHERE aggregate = :chain", chain=chain)

    assert bad(verify()) == {chain: f"all of its {HISTORY} entries are gone"}


def test_two_entries_that_changed_places_are_found(
    chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]]
) -> None:
    move = "UPDATE audit_entries SET seq = {} WHERE aggregate = :chain AND seq = {}"
    vandal.do(move.format(-1, 3), move.format(3, 4), move.format(4, -1), chain=chain)

    assert bad(verify())[chain].startswith("entry 3 (version.promoted): it does not follow the entry before")


def test_an_entry_moved_to_another_chain_is_missed_in_its_own_and_foreign_in_the_other(
    chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]]
) -> None:
    vandal.do(f"UPDATE audit_entries SET aggregate = 'auth', seq = 1000 {WHERE}", chain=chain)

    assert set(bad(verify())) == {"auth", chain}


def test_an_entry_made_up_at_the_end_is_not_the_head(
    chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]]
) -> None:
    last = vandal.ask(f"SELECT body, at FROM audit_entries WHERE aggregate = :chain AND seq = {HISTORY}", chain=chain)
    told = json.loads(last.body)
    forged = uuid.uuid4()
    told |= {"id": str(forged), "seq": HISTORY + 1, "prev": hashlib.sha256(b"\x00" + bytes(last.body)).hexdigest()}
    body = canonical_json.dumps(told)
    vandal.do(
        "INSERT INTO audit_entries (uid, aggregate, seq, at, action, actor_id, issuer_id, model_id, version_id, "
        "related_version_id, commit_order, leaf_hash, body) SELECT :uid, aggregate, seq + 1, at, action, actor_id, "
        "issuer_id, model_id, version_id, related_version_id, commit_order, :hash, :body FROM audit_entries "
        f"WHERE aggregate = :chain AND seq = {HISTORY}",
        uid=forged.hex if vandal.sqlite else forged,
        hash=hashlib.sha256(b"\x00" + body).hexdigest(),
        body=body,
        chain=chain,
    )

    assert bad(verify())[chain].startswith(f"entry {HISTORY + 1}")


@pytest.mark.parametrize(
    "body", [b"", b"no JSON", b"[]", b"{}", b'{"v":1}', b'{"v":1,"prev":""}', b"\xff\x00", b"[" * 100_000]
)
def test_bytes_that_are_no_entry_are_named_and_do_not_stop_the_walk(
    chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]], body: bytes
) -> None:
    digest = hashlib.sha256(b"\x00" + body).hexdigest()
    vandal.do(f"UPDATE audit_entries SET body = :body, leaf_hash = '{digest}' {WHERE}", chain=chain, body=body)

    reports = verify()

    assert list(bad(reports)) == [chain]
    assert bad(reports)[chain].startswith("entry 3 (version.promoted): ")
    assert len(reports) == CHAINS


def test_a_rewritten_entry_breaks_the_link_of_the_next(
    chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]]
) -> None:
    body = bytes(vandal.ask(f"SELECT body FROM audit_entries {WHERE}", chain=chain).body)
    rewritten = body.replace(b'"req":"', b'"req":"x')
    digest = hashlib.sha256(b"\x00" + rewritten).hexdigest()
    vandal.do(f"UPDATE audit_entries SET body = :body, leaf_hash = '{digest}' {WHERE}", chain=chain, body=rewritten)

    assert bad(verify())[chain] == "entry 3 (version.promoted): its seal is false: the service did not write it"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (f"audit_head = '{OTHER_HASH}'", f"entry {HISTORY}: it is not the one that the head names as entry {HISTORY}"),
        ("audit_seq = audit_seq + 1", f"entry {HISTORY + 1}: missing; the head has {HISTORY + 1} entries"),
        ("audit_seq = audit_seq - 1", f"entry {HISTORY}: it is not the one that the head names as entry {HISTORY - 1}"),
    ],
)
def test_a_changed_head_is_found(
    chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]], change: str, problem: str
) -> None:
    vandal.do(f"UPDATE models SET {change} WHERE name = 'fraud'")

    found = bad(verify())

    assert list(found) == [chain]
    assert found[chain].startswith(problem)


def test_a_head_that_is_gone_is_found(vandal: Vandal, verify: Callable[[], list[ChainReport]], chain: str) -> None:
    vandal.do("DELETE FROM audit_chains")

    assert bad(verify()) == dict.fromkeys(
        ["auth", "log", "registry", "storage"], "no model or chain owns these entries"
    )


def test_a_text_that_is_gone_without_an_erasure_is_missed(
    chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]]
) -> None:
    vandal.do(
        f"DELETE FROM audit_texts WHERE entry_uid = (SELECT uid FROM audit_entries {WHERE})",
        chain=chain,
    )

    said = "entry 3 (version.promoted): its text 'reason' is gone, and no entry records its erasure"
    assert bad(verify()) == {chain: said}


def test_an_erased_text_leaves_the_chain_whole(
    app: Flask, chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]]
) -> None:
    uid = vandal.ask(f"SELECT uid FROM audit_entries {WHERE}", chain=chain).uid

    with app.app_context():
        audit.erase_text(str(uuid.UUID(str(uid))), "reason", reason="a request")

    assert bad(verify()) == {}
    assert vandal.ask("SELECT count(*) AS left FROM audit_texts WHERE entry_uid = :uid", uid=uid).left == 0


def test_a_column_that_cannot_be_read_is_a_finding_and_no_crash(
    database: Database, chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]]
) -> None:
    if database.kind == "postgresql":
        with pytest.raises(sa.exc.DBAPIError):
            vandal.do(f"UPDATE audit_entries SET at = 'no time' {WHERE}", chain=chain)
        return
    vandal.do(f"UPDATE audit_entries SET at = 'no time' {WHERE}", chain=chain)

    reports = verify()

    assert "cannot be read" in bad(reports)[chain]
    assert len(reports) == CHAINS


def test_any_flipped_bit_of_any_entry_is_found(
    chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]]
) -> None:
    read = "SELECT body FROM audit_entries WHERE aggregate = :chain AND seq = {}"
    rows = {seq: bytes(vandal.ask(read.format(seq), chain=chain).body) for seq in range(1, HISTORY + 1)}
    write = "UPDATE audit_entries SET body = :body WHERE aggregate = :chain AND seq = {}"

    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(1, HISTORY), st.data())
    def flip(seq: int, data: st.DataObject) -> None:
        place, bit = data.draw(st.integers(0, len(rows[seq]) - 1)), data.draw(st.integers(0, 7))
        flipped = bytearray(rows[seq])
        flipped[place] ^= 1 << bit

        vandal.do(write.format(seq), chain=chain, body=bytes(flipped))
        found = bad(verify())
        vandal.do(write.format(seq), chain=chain, body=rows[seq])

        assert list(found) == [chain]
        assert found[chain].startswith(f"entry {seq} (")

    flip()
    assert bad(verify()) == {}


def test_time_never_runs_backwards_within_a_chain(
    app: Flask, registry: RegistryBuilder, chain: str, vandal: Vandal, verify: Callable[[], list[ChainReport]]
) -> None:
    ahead = datetime.fromisoformat("2999-01-01T00:00:00+00:00")
    shown = "2999-01-01 00:00:00.000000" if vandal.sqlite else ahead
    vandal.do("UPDATE models SET clock_at = :ahead WHERE name = 'fraud'", ahead=shown)
    with app.app_context():
        audit.accept_clock("a test")  # else an entry as far ahead is refused

    registry.model("fraud").move(1, "staging")
    registry.model("fraud").move(1, "production")

    stamps = [item["at"] for item in registry.client.get("/models/fraud/history?limit=2").get_json()["items"]]
    assert stamps == ["2999-01-01T00:00:00.000002Z", "2999-01-01T00:00:00.000001Z"]
    assert bad(verify()) == {}
    vandal.do("UPDATE uncertain_times SET model_id = NULL")  # the past of the model would be certain again
    assert "the model of the uncertain span" in bad(verify())["registry"]
    vandal.do("DELETE FROM uncertain_times")
    assert "of the log is gone" in bad(verify())["registry"]
