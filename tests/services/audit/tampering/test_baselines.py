"""What earlier releases did not record is not covered until a baseline records it; and erasures are accepted."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from registry.config import Secret
from registry.domain import canonical_json
from registry.domain.audit import leaf_hash
from registry.domain.errors import Conflict, NotFound
from registry.services import audit
from tests.services.audit.tampering.history import DATABASE, Installation, live
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder, in_process
from tests.support.replies import expect


@pytest.fixture
def api(installation: Installation, database: Database) -> Api:
    return Api(installation.app.test_client(), database.tokens["all"])


@pytest.fixture
def registry(api: Api) -> RegistryBuilder:
    return in_process(api)


@pytest.fixture(scope="module")
def lived(quick_disk: Path, make_settings: Any) -> Path:
    """The directory of a registry with a history, whose secret is gone."""
    root = Path(tempfile.mkdtemp(dir=quick_disk))
    installation = Installation.on_sqlite(
        make_settings, root, secret_key=Secret("a secret that was lost, and long enough")
    )
    live(installation)
    with installation.context():
        pass  # so that no connection stays open
    return root


@pytest.fixture
def old(lived: Path, quick_path: Path, make_settings: Any) -> Iterator[Installation]:
    """A registry whose entries were all sealed with a secret that is gone, as if without seals."""
    shutil.copytree(lived, quick_path, dirs_exist_ok=True)
    old = Installation.on_sqlite(make_settings, quick_path)
    yield old
    with old.context():
        pass  # so that no connection stays open


@contextmanager
def _sql(installation: Installation, *statements: str) -> Iterator[None]:
    path = installation.adapters.settings.database_url.reveal().removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    yield


def test_a_baseline_covers_what_another_key_sealed_and_only_from_then_on(old: Installation) -> None:
    assert all(not problems and gaps for problems, gaps in old.unlike().values())

    with old.context():
        recorded = list(audit.record_baseline())

    assert {report.label for report in recorded} >= {"fraud", "churn"}
    assert old.unlike() == {}
    assert all(report.baseline for report in old.verify("fraud") if report.label)
    with _sql(old, "UPDATE models SET lifecycle = 'open' WHERE name = 'fraud'"):
        assert list(old.unlike()) == ["fraud"]


def test_a_baseline_is_not_recorded_where_something_is_wrong(old: Installation) -> None:
    with _sql(old, "UPDATE models SET lifecycle = 'open' WHERE name = 'fraud'"), old.context():
        recorded = list(audit.record_baseline(accept_unsealed=True))

    assert "fraud" not in {report.label for report in recorded}
    assert "its lifecycle is 'open'" in str(old.unlike()["fraud"])


def test_entries_without_a_seal_after_sealed_ones_must_be_accepted(old: Installation) -> None:
    """As of replicas of an earlier release that served beside this one."""
    with old.context():
        list(audit.record_baseline())
    old.token("eve", ["reader"])
    with _sql(
        old,
        "DROP TRIGGER audit_entries_keep_update",
        "UPDATE audit_entries SET seal = NULL WHERE aggregate = 'auth' AND seq = (SELECT max(seq) FROM audit_entries "
        "WHERE aggregate = 'auth')",
    ):
        assert "has no seal" in str(old.unlike()["auth"])
    with old.context():
        assert list(audit.record_baseline()) == []
        assert [report.aggregate for report in audit.record_baseline(accept_unsealed=True)] == ["auth"]
    assert old.unlike() == {}


def test_a_baseline_accepts_one_end_of_the_time_in_which_rows_without_a_seal_act_and_no_later_one(
    old: Installation,
) -> None:
    with _sql(old, "UPDATE registry SET unsealed_until = '2998-01-01 00:00:00.000000'"), old.context():
        recorded = [report.aggregate for report in audit.record_baseline()]

    assert "registry" in recorded
    assert old.unlike() == {}
    with _sql(old, "UPDATE registry SET unsealed_until = '2999-01-01 00:00:00.000000'"):
        assert "without a seal until 2999-01-01" in str(old.unlike()["registry"])


def test_facts_that_an_earlier_release_left_out_are_covered_from_the_baseline_on(
    tmp_path: Path, make_settings: Any
) -> None:
    """Its entries had no facts; here they are taken out of the bodies, and all after them is chained again."""
    installation = Installation.on_sqlite(make_settings, tmp_path)
    live(installation)
    _strip_facts(tmp_path / DATABASE)

    before = installation.unlike()
    with installation.context():
        list(audit.record_baseline())

    assert {"fraud", "loans", "auth"} <= before.keys()
    assert all(not problems for problems, _ in before.values())
    assert installation.unlike() == {}
    with _sql(installation, "UPDATE versions SET framework = 'other' WHERE framework IS NOT NULL"):
        assert "framework" in str(installation.unlike()["fraud"])


def _strip_facts(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER audit_entries_keep_update")
        connection.execute("DROP TRIGGER audit_entries_keep_delete")
        connection.execute("DELETE FROM audit_entries WHERE aggregate = 'log'")
        connection.execute("DELETE FROM audit_checkpointed")
        connection.execute("UPDATE blobs SET seal = NULL")
        connection.execute("UPDATE audit_chains SET audit_seq = 0, audit_head = '' WHERE aggregate = 'log'")
        heads: dict[str, str] = {}
        rows = connection.execute(
            "SELECT id, aggregate, body, action FROM audit_entries ORDER BY aggregate, seq"
        ).fetchall()
        for id_, aggregate, body, action in rows:
            entry = json.loads(body)
            if action not in {"text.erased", "account.erased"}:
                entry.pop("facts")
                if action == "token.created":
                    connection.execute("DELETE FROM audit_texts WHERE entry_uid = ?", [entry["id"].replace("-", "")])
                    entry["commit"] = {}
            entry["prev"] = heads.get(aggregate, "")
            stripped = canonical_json.dumps(entry)
            heads[aggregate] = leaf_hash(stripped)
            connection.execute(
                "UPDATE audit_entries SET body = ?, leaf_hash = ?, seal = NULL WHERE id = ?",
                [stripped, heads[aggregate], id_],
            )
        for aggregate, head in heads.items():
            model = aggregate.removeprefix("model:").replace("-", "")
            connection.execute("UPDATE models SET audit_head = ? WHERE id = ?", [head, model])
            connection.execute("UPDATE audit_chains SET audit_head = ? WHERE aggregate = ?", [head, aggregate])
        for table in ("audit_leaves", "audit_checkpoints"):
            connection.execute(f"DROP TRIGGER {table}_keep_delete")
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM audit_pending")
        connection.execute(  # as the migration begins the sealed log
            "UPDATE audit_tree SET origin = '', keys = '', size = 0, hashes = x'', backfill_next = 1, "
            "backfill_until = (SELECT max(id) FROM audit_entries)"
        )


def test_an_erased_name_is_shown_nowhere_and_accepted(
    installation: Installation, api: Api, registry: RegistryBuilder
) -> None:
    made = expect(201, api.post("/tokens", {"owner": "dave", "roles": ["writer"]}))
    in_process(Api(installation.app.test_client(), made["token"])).create_model("daves")
    with installation.context(), pytest.raises(Conflict, match="revoke it first"):
        audit.erase_account("dave", reason="left")
    expect(200, api.delete(f"/tokens/{made['id']}"))

    with installation.context():
        pseudonym = audit.erase_account("dave", reason="left")

    items = expect(200, api.get("/audit?limit=200"))["items"]
    assert {item["actor"]["name"] for item in items if item["model"] == "daves"} == {pseudonym}
    assert "dave'" not in str(items)
    assert not [text for item in items for text in item["texts"].values() if text == "dave"]
    assert installation.unlike() == {}


def test_what_is_not_there_cannot_be_erased(installation: Installation, registry: RegistryBuilder) -> None:
    registry.create_model("fraud")
    entry = expect(200, registry.client.get("/models/fraud/history"))["items"][0]["id"]
    with installation.context():
        for call in (
            lambda: audit.erase_text("00000000-0000-0000-0000-000000000009", "reason", reason="x"),
            lambda: audit.erase_text(entry, "nothing", reason="x"),
            lambda: audit.erase_account("system", reason="x"),
        ):
            with pytest.raises(NotFound):
                call()
    assert installation.unlike() == {}


def test_entries_show_the_credential_and_who_issued_it(installation: Installation, api: Api) -> None:
    me = expect(200, api.get("/me"))
    made = expect(201, api.post("/tokens", {"owner": "victim", "roles": ["admin", "promoter"]}))
    in_process(Api(installation.app.test_client(), made["token"])).model("fraud").version(stage="production")
    own = expect(201, api.post("/tokens", {"owner": me["name"], "roles": ["writer"]}))
    in_process(Api(installation.app.test_client(), own["token"])).create_model("other")

    entry = expect(200, api.get("/models/fraud/history"))["items"][0]
    mine = expect(200, api.get("/models/other/history"))["items"][0]
    table = api.get("/audit?format=csv&model=fraud").get_data(as_text=True)

    actor = {name: entry["actor"][name] for name in ("name", "credential", "issuer")}
    assert actor == {"name": "victim", "credential": made["id"], "issuer": me["name"]}
    assert (mine["actor"]["credential"], mine["actor"]["issuer"]) == (own["id"], None)
    assert f"{made['id']},{me['name']}" in table
