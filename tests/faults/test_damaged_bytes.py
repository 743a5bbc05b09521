"""Disks rot and strangers write: wherever damaged bytes are met they are refused, and the right ones can be sent again.

What a store has verified as it arrived is not read back at completion; a byte that changes right after that is met by
whoever reads next.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from registry.client import RegistryClient, errors
from tests.support.api import expect
from tests.support.crashes import command
from tests.support.oracle import Oracle
from tests.support.processes import environment
from tests.support.shelf import DAMAGES, MIB, Shelf, sha256

KINDS = ("local", "moto", "swift")
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SHELVES = pytest.mark.parametrize("shelf", KINDS, indirect=True)
DAMAGED = pytest.mark.parametrize("how", DAMAGES)
PROMOTION = {"stage": "production", "reason": "a test"}


def code(response: Any, status: int = 409) -> str:
    return str(expect(status, response)["code"])


@pytest.mark.parametrize(
    ("shelf", "how"),
    [(kind, how) for kind in KINDS for how in DAMAGES if kind != "swift" or how in {"truncated", "deleted"}],
    indirect=["shelf"],
)
def test_what_was_damaged_before_completion_is_refused_then(shelf: Shelf, oracle: Oracle, how: str) -> None:
    content = shelf.small
    upload = shelf.sent(content)
    shelf.damage(content, how)

    refused = code(shelf.complete(upload))

    assert refused == ("conflict" if how == "deleted" else "upload_mismatch")
    assert code(shelf.register(content)) == "blobs_missing"
    shelf.version(content)
    assert oracle.assert_sound() == {"fraud:1": "ready"}


@SHELVES
def test_parts_that_the_store_has_dropped_are_sent_anew(shelf: Shelf, oracle: Oracle) -> None:
    content = shelf.large if shelf.kind != "moto" else os.urandom(5 * MIB + 1)
    upload = shelf.sent(content)
    with shelf.app.app_context():
        for found in list(shelf.store.unfinished()):
            shelf.store.abort_parts(found.key, found.handle)

    assert code(shelf.complete(upload)) == "conflict"

    shelf.version(content)
    assert expect(200, shelf.api.get(f"/uploads/{upload['id']}"))["state"] == "expired"
    assert oracle.assert_sound() == {"fraud:1": "ready"}


@SHELVES
@DAMAGED
def test_what_was_damaged_before_a_worker_read_it_fails_the_version(shelf: Shelf, oracle: Oracle, how: str) -> None:
    content = shelf.large
    assert expect(200, shelf.complete(shelf.sent(content)))["state"] == "uploaded"
    assert expect(201, shelf.register(content))["version"]["state"] == "pending"
    shelf.damage(content, how)

    shelf.work()

    version = expect(200, shelf.api.get("/models/fraud/versions/1"))
    assert (version["state"], version["state_reason"].partition(":")[0]) == ("failed", "model.bin")
    staging = {"stage": "staging", "reason": "a test"}
    assert code(shelf.api.put("/models/fraud/versions/1/stage", staging)) == "not_ready"
    assert shelf.version(content) == 2
    assert oracle.assert_sound() == {"fraud:1": "failed", "fraud:2": "ready"}


@pytest.mark.fault("F30")
@SHELVES
@DAMAGED
def test_what_was_damaged_later_is_refused_by_whoever_pulls_it(
    shelf: Shelf, oracle: Oracle, how: str, tmp_path: Path
) -> None:
    content = shelf.small
    shelf.version(content)
    shelf.damage(content, how)

    # Moto answers for what is absent as S3 does to a role that may not list: 403, which is no proof of a loss.
    told = errors.Unavailable if (shelf.kind, how) == ("moto", "deleted") else errors.IntegrityError
    damaged = pytest.raises(told, match=r"^model.bin")
    with shelf.online() as url, RegistryClient(url, shelf.token, retries=0) as client, damaged:
        client.pull("fraud:1", tmp_path / "out")

    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
    assert {finding.name for finding in oracle.fsck() if finding.harm} == {f"sha256:{sha256(content)}"}


@pytest.mark.parametrize("shelf", ["local"], indirect=True)
@DAMAGED
def test_the_command_line_says_so_with_its_exit_code(shelf: Shelf, how: str, tmp_path: Path) -> None:
    content = shelf.small
    shelf.version(content)
    shelf.damage(content, how)

    with shelf.online() as url:
        env = environment(REGISTRY_URL=url, REGISTRY_TOKEN=shelf.token, HOME=str(tmp_path))
        done = command("pull", "fraud:1", "-o", "out", cwd=tmp_path, env=env)

    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.startswith("error: model.bin: ")
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


@pytest.mark.fault("F30")
@SHELVES
@DAMAGED
def test_damaged_bytes_do_not_go_to_production_before_they_were_sent_again(
    shelf: Shelf, oracle: Oracle, how: str
) -> None:
    content = shelf.small
    shelf.version(content, stage="staging")
    before = shelf.given.stages(), shelf.given.entries()
    shelf.damage(content, how)

    refused = expect(409, shelf.api.put("/models/fraud/versions/1/stage", PROMOTION))

    assert (refused["code"], refused["missing"]) == ("blobs_missing", [sha256(content)])
    assert (shelf.given.stages(), shelf.given.entries()) == before
    shelf.scrub()
    assert code(shelf.api.put("/models/fraud/versions/1/stage", PROMOTION)) == "blobs_missing"
    shelf.brought(content)
    shelf.given.stage("fraud", 1, "production")
    assert oracle.assert_sound() == {"fraud:1": "ready"}


@SHELVES
@DAMAGED
def test_damaged_bytes_that_are_many_wait_for_a_worker_before_they_are_refused(
    shelf: Shelf, oracle: Oracle, how: str
) -> None:
    content = shelf.large
    shelf.version(content, stage="staging")
    shelf.damage(content, how)

    refused = code(shelf.api.put("/models/fraud/versions/1/stage", PROMOTION))
    shelf.scrub()

    assert refused == ("not_ready" if how in {"flipped", "swapped"} else "blobs_missing")
    assert code(shelf.api.put("/models/fraud/versions/1/stage", PROMOTION)) == "blobs_missing"
    shelf.brought(content)
    shelf.given.stage("fraud", 1, "production")
    assert oracle.assert_sound() == {"fraud:1": "ready"}


@pytest.mark.fault("F32")
@SHELVES
@pytest.mark.parametrize("how", ["truncated", "deleted"])
def test_a_rollback_does_not_lead_to_lost_bytes(shelf: Shelf, oracle: Oracle, how: str) -> None:
    content = shelf.small
    shelf.version(content, stage="production")
    shelf.version(shelf.small, stage="production")
    before = shelf.given.stages(), shelf.given.entries()
    shelf.damage(content, how)

    assert code(shelf.api.post("/models/fraud/rollback", {"reason": "a test"})) == "blobs_missing"

    assert (shelf.given.stages(), shelf.given.entries()) == before
    shelf.scrub()
    shelf.brought(content)
    assert shelf.given.rollback("fraud")["number"] == 1
    assert oracle.assert_sound() == {"fraud:1": "ready", "fraud:2": "ready"}


@pytest.mark.fault("F32")
@SHELVES
@DAMAGED
def test_the_scrubber_finds_what_was_damaged_in_production_and_lets_nobody_else_refer_to_it(
    shelf: Shelf, oracle: Oracle, how: str
) -> None:
    content = shelf.small
    shelf.version(content, stage="production")
    shelf.damage(content, how)

    shelf.scrub()

    shelf.given.model("other")
    refused = expect(409, shelf.register(content, "other"))
    assert (refused["code"], refused["missing"]) == ("blobs_missing", [sha256(content)])
    shelf.brought(content)
    assert expect(201, shelf.register(content, "other"))["version"]["state"] == "ready"
    assert oracle.assert_sound() == {"fraud:1": "ready", "other:1": "ready"}


@pytest.mark.parametrize("shelf", ["local", "swift"], indirect=True)
@pytest.mark.parametrize("how", ["flipped", "swapped"])
def test_what_was_damaged_after_the_store_had_verified_it_is_found_in_production_at_once(
    shelf: Shelf, oracle: Oracle, how: str
) -> None:
    content = shelf.small[:500]  # one request
    upload = shelf.sent(content)
    shelf.damage(content, how)
    expect(200, shelf.complete(upload))
    shelf.given.version(files=[{"path": "model.bin", "size": 500, "sha256": sha256(content)}], stage="production")

    shelf.scrub()

    shelf.given.model("other")
    assert code(shelf.register(content, "other")) == "blobs_missing"
    shelf.brought(content)
    assert oracle.assert_sound() == {"fraud:1": "ready"}
