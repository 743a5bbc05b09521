"""An auditor verifies a registry over its API, without its database and its key."""

from __future__ import annotations

import base64
import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from registry.cli.main import run
from registry.cli.proof.verification import verify
from registry.client import RegistryClient
from registry.config import Settings
from registry.db.session import db
from registry.rules.audit_log.entries import leaf_hash
from tests.services.audit.tampering.attacks import ATTACKS
from tests.services.audit.tampering.test_tampering import OnSqlite
from tests.support.variants import SomeOf

# What each attack of the list makes the registry answer wrongly, as an auditor finds it.
FOUND = {
    "an account is renamed": "its owner is 'mallory', the log has 'bob'",
    "a tenure is removed": "no version is shown in ",
    "an alias points elsewhere": "the history of the alias 'champion'",
    "a version claims a stage": "its stage is 'production', the log has 'archived'",
    "a param is made up": "its params is",
    "a description is another": "its description is 'x', the log has 'the first'",
    "a token has more roles": "its roles is ['admin'], the log has ['writer']",
    "a model has another name": "the registry has no model 'fraud'",
    "all reasons are gone": "its text 'reason' is gone, and no entry records its erasure",
    "a reason is another": "its text 'reason' was changed",
    "the last entries are cut off, head and all": "a head or a checkpoint names it",
    "the verdicts of a promotion are others": "the evaluation of the gates by the entry",
    "a policy has another document": "has another digest",
    "a hold is released": "the hold by the entry",
    "an approval is by another account": "the request ",
    "a check has another result": "the report of a check of version ",
    "a model is gone with its chain": "the chain and its owner are gone; a checkpoint names entry",
}

DROPPED = ("DROP TRIGGER audit_entries_keep_update", "DROP TRIGGER audit_entries_keep_delete")


class Outside:
    """A registry with a history, its address, and an auditor's token."""

    def __init__(self, lived: OnSqlite, url: str) -> None:
        self.lived, self.url = lived, url
        self.token, self.reader = (lived.installation.token(role, [role]) for role in ("auditor", "reader"))
        lived.installation.checkpoint()
        lived.keep()

    def unlike(self) -> dict[str, Any]:
        """What is wrong or could not be judged, by chain; model chains by name."""
        self.forget_connections()
        with RegistryClient(self.url, self.token) as client:
            reports = list(verify(client))
        return {one.label or one.aggregate: (one.problems, one.uncovered) for one in reports if not one.is_whole}

    def forget_connections(self) -> None:
        with self.lived.installation.app.app_context():
            db.engine.dispose()


@pytest.fixture(scope="module")
def outside(quick_disk: Path, make_settings: Callable[..., Settings]) -> Iterator[Outside]:
    lived = OnSqlite(Path(tempfile.mkdtemp(dir=quick_disk)), make_settings)
    server = make_server("127.0.0.1", 0, lived.installation.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    outside = Outside(lived, f"http://127.0.0.1:{server.server_port}")
    yield outside
    server.shutdown()
    thread.join()
    server.server_close()
    outside.forget_connections()


def test_an_untouched_registry_is_whole_and_a_falsified_answer_is_found(outside: Outside, some_of: SomeOf) -> None:
    attacks = {attack.name: attack.sql for attack in ATTACKS}
    found = {"nothing": outside.unlike()}
    expected = dict(some_of(FOUND.items(), 2))
    for name in expected:
        assert outside.lived.attempt(*attacks[name])
        found[name] = outside.unlike()
        outside.lived.put_back()

    assert found.pop("nothing") == {}
    assert {name: text in str(found[name]) for name, text in expected.items()} == dict.fromkeys(expected, True), found


def test_entries_that_were_changed_with_or_without_their_hashes_are_found(outside: Outside) -> None:
    outside.forget_connections()
    with RegistryClient(outside.url, outside.token) as client:
        (head,) = client.audit.chains(model="fraud")
        entries = list(client.audit.chain_entries(head["chain"]))
    second, last = entries[1], entries[-1]

    def at(entry: Any) -> str:
        return f"WHERE aggregate = '{head['chain']}' AND seq = {entry['seq']}"

    def rewritten(entry: Any, *, hashed: bool) -> str:
        body = base64.b64decode(entry["body"]).replace(b"fraud", b"fraut")
        leaf = leaf_hash(body) if hashed else entry["leaf_hash"]
        return f"UPDATE audit_entries SET body = X'{body.hex()}', leaf_hash = '{leaf}' {at(entry)}"

    found = {}
    for expected, statement in {
        "entry 2 (version.registered): its bytes were changed": rewritten(second, hashed=False),
        f"entry 3 ({entries[2]['action']}): it does not follow the entry before": rewritten(second, hashed=True),
        f"entry {last['seq']} ({last['action']}): the head or a checkpoint names another": rewritten(last, hashed=True),
        "entry 2 (version.undeleted): it is shown as ":
            f"UPDATE audit_entries SET action = 'version.undeleted' {at(second)}",
        "entry 2 (version.registered): its text 'note' was added":
            f"INSERT INTO audit_texts SELECT uid, 'note', X'00', 'x' FROM audit_entries {at(second)}",
        f"all of its {len(entries)} entries are gone":
            f"DELETE FROM audit_entries WHERE aggregate = '{head['chain']}'",
    }.items():  # fmt: skip
        assert outside.lived.attempt(*DROPPED, statement), expected
        found[expected] = outside.unlike().get("fraud", (("nothing",), ()))[0][0]
        outside.lived.put_back()

    assert {expected: problem for expected, problem in found.items() if not problem.startswith(expected)} == {}


def test_the_command_says_what_differs_and_needs_an_auditor(
    outside: Outside, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_URL", outside.url)
    monkeypatch.setenv("REGISTRY_TOKEN", outside.token)
    outside.forget_connections()

    whole, one = run(["audit", "verify", "--answers", "--json"]), run(["audit", "verify", "--model", "fraud"])
    unknown = run(["audit", "verify", "--model", "unknown"])
    refused = run(["audit", "verify", "--answers", "--token", outside.reader])
    printed = capfd.readouterr()

    assert (whole, one, unknown, refused) == (0, 0, 4, 3)
    (document,) = (json.loads(line) for line in printed.out.splitlines() if line.startswith('{"chains"'))
    assert document["outcome"] == "ok"
    assert {chain["aggregate"] for chain in document["chains"]} >= {"log", "auth", "storage"}
    assert "(fraud): " in printed.out
    assert "Everything agrees with the log (" in printed.out
    assert "On the server: --local" in printed.err
