"""``registry audit verify`` and ``watch`` against a registry that seals, over each database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.db.session import db
from registry.services import audit
from registry.services.sealed_log import epochs
from tests.cli.conftest import CommandLine, Done, Place
from tests.services.audit.test_chains import Vandal
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.sealing import SIGNER, MemoryPin, seal_all
from tests.support.web_server import serving


def document(done: Done) -> Any:
    """The answer, which follows lines of the server's log."""
    return json.loads(done.out.splitlines()[-1])


class Sealing:
    """A registry over HTTP; what is written becomes a checkpoint with :meth:`seal`."""

    def __init__(self, app: Flask, database: Database) -> None:
        self.app, self.database = app, database
        self.pin = MemoryPin()

    def seal(self) -> None:
        seal_all(self.app, self.pin)


@pytest.fixture
def sealing(app: Flask, database: Database, place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sealing]:
    with serving(app) as url:
        monkeypatch.setenv("REGISTRY_URL", url)
        monkeypatch.setenv("REGISTRY_TOKEN", database.tokens["auditor"])
        yield Sealing(app, database)


def test_a_registry_is_verified_run_by_run_and_watched(
    run_cli: CommandLine, sealing: Sealing, registry: RegistryBuilder, database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    watch = ("audit", "watch", "--state", "witness.json", "--once")
    registry.model("fraud").version(description="asked by Jürgen", stage="production")
    unsealed = run_cli("audit", "verify")
    sealing.seal()
    first, seen = run_cli("audit", "verify", "--json"), run_cli(*watch)
    with sealing.app.app_context():
        text = next(one for one in audit.find_text("Jürgen") if one.entry)
        audit.erase_text(str(text.entry), text.field, reason="a request")
        db.session.remove()
    registry.model("churn").version()
    sealing.seal()
    second, grown = run_cli("audit", "verify", "--json"), run_cli(*watch)
    whole = run_cli("audit", "verify", "--from-start", "--json")
    monkeypatch.setenv("REGISTRY_TOKEN", database.tokens["reader"])

    assert (unsealed.code, "the registry shows no checkpoint" in unsealed.out) == (2, True)
    assert [done.code for done in (first, seen, second, grown, whole)] == [0] * 5, whole.out
    before, after = document(first)["checkpoint"]["size"], document(second)["checkpoint"]["size"]
    assert document(second)["entries"] == after - before > 0
    assert (document(whole)["entries"], document(whole)["redacted"]) == (after, 1)
    assert f"size {after} " in grown.out
    assert (run_cli("audit", "verify").code, run_cli(*watch).code) == (3, 3)


def test_a_text_and_an_entry_that_were_rewritten_are_found(
    run_cli: CommandLine, sealing: Sealing, registry: RegistryBuilder, database: Database
) -> None:
    registry.model("fraud").version(description="asked by Jürgen")
    sealing.seal()
    vandal = Vandal(database)
    with vandal.unhindered() as connection:
        connection.execute(sa.text("UPDATE audit_texts SET text = 'another'"))
    texts = run_cli("audit", "verify", "--json")
    with vandal.unhindered() as connection:
        position = "SELECT entry_id FROM audit_leaves WHERE position = 0"
        body = connection.execute(sa.text(f"SELECT body FROM audit_entries WHERE id = ({position})")).scalar_one()
        change = f"UPDATE audit_entries SET body = :body WHERE id = ({position})"
        connection.execute(sa.text(change), {"body": bytes(body).replace(b'"v":1', b'"v":0')})
    rewritten = run_cli("audit", "verify", "--json")

    assert (texts.code, rewritten.code) == (1, 1)
    assert "its text 'description' was changed" in texts.out
    assert "the entries do not have the root that the checkpoint signs" in rewritten.out


def test_a_registry_verifies_one_model_itself_and_entries_are_found_by_version_and_request(
    run_cli: CommandLine, sealing: Sealing, registry: RegistryBuilder, database: Database
) -> None:
    registry.model("fraud").version(stage="staging")
    registry.model("fraud").version()
    sealing.seal()
    remote = ("audit", "verify", "--remote", "--model", "fraud")
    found = document(run_cli("audit", "--model", "fraud", "--version", "1", "--action", "version.*", "--json"))["items"]
    same = document(run_cli("audit", "--request-id", found[0]["request_id"], "--json"))["items"]
    shown = run_cli("audit", "show", found[0]["id"])
    whole, verified = run_cli(*remote), document(run_cli(*remote, "--json"))
    with sa.create_engine(database.url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("UPDATE models SET lifecycle = 'open' WHERE name = 'fraud'")
    changed = run_cli(*remote)

    assert [(one["action"], one["version"]) for one in found] == [("version.promoted", 1), ("version.registered", 1)]
    assert [one["id"] for one in same] == [found[0]["id"]]
    assert found[0]["leaf_hash"] in shown.out
    assert (whole.code, verified["outcome"], verified["chains"][0]["published"]) == (0, "verified", 4)
    assert "4 entries, 4 covered by a published checkpoint" in whole.out
    assert changed.code == 1
    assert "fraud: its lifecycle is 'open', the log has 'enforced'" in changed.out
    assert run_cli("audit", "--version", "1").code == 2


def test_a_new_epoch_is_another_log_to_a_verifier_and_whole_on_the_server(
    run_cli: CommandLine, sealing: Sealing, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    sealing.seal()
    assert run_cli("audit", "verify").code == 0
    with sealing.app.app_context():
        epochs.begin("restored", signer=SIGNER, pin=sealing.pin)
        db.session.remove()
    sealing.seal()
    known, afresh = run_cli("audit", "verify"), run_cli("audit", "verify", "--state", "second.json")
    with sealing.app.app_context():
        problems = [problem for report in audit.verify() for problem in report.problems]
        db.engine.dispose()

    assert (known.code, afresh.code, problems) == (1, 0, [])
    assert "if the operator announced a new epoch" in known.out
    assert "The state of an earlier run is kept as it was: " in known.err
