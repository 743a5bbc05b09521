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
from tests.support.crashes import command
from tests.support.damageable_service import DAMAGES, MIB, DamageableService, sha256
from tests.support.invariants import Invariants
from tests.support.processes import environment
from tests.support.replies import expect

KINDS = ("local", "moto", "swift")
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SHELVES = pytest.mark.parametrize("service", KINDS, indirect=True)
DAMAGED = pytest.mark.parametrize("how", DAMAGES)
PROMOTION = {"stage": "production", "reason": "a test"}


def code(response: Any, status: int = 409) -> str:
    return str(expect(status, response)["code"])


@pytest.mark.parametrize(
    ("service", "how"),
    [(kind, how) for kind in KINDS for how in DAMAGES if kind != "swift" or how in {"truncated", "deleted"}],
    indirect=["service"],
)
def test_what_was_damaged_before_completion_is_refused_then(
    service: DamageableService, invariants: Invariants, how: str
) -> None:
    content = service.small
    upload = service.sent(content)
    service.damage(content, how)

    refused = code(service.complete(upload))

    assert refused == ("conflict" if how == "deleted" else "upload_mismatch")
    assert code(service.register(content)) == "blobs_missing"
    service.registry.model("fraud").version(files=[service.brought(content)])
    assert invariants.assert_sound() == {"fraud:1": "ready"}


@SHELVES
def test_parts_that_the_store_has_dropped_are_sent_again(service: DamageableService, invariants: Invariants) -> None:
    content = service.large if service.kind != "moto" else os.urandom(5 * MIB + 1)
    upload = service.sent(content)
    with service.app.app_context():
        for found in list(service.store.unfinished()):
            service.store.abort_parts(found.key, found.handle)

    assert code(service.complete(upload)) == "conflict"

    service.registry.model("fraud").version(files=[service.brought(content)])
    assert expect(200, service.api.get(f"/uploads/{upload['id']}"))["state"] == "expired"
    assert invariants.assert_sound() == {"fraud:1": "ready"}


@SHELVES
@DAMAGED
def test_what_was_damaged_before_a_worker_read_it_fails_the_version(
    service: DamageableService, invariants: Invariants, how: str
) -> None:
    content = service.large
    assert expect(200, service.complete(service.sent(content)))["state"] == "uploaded"
    assert expect(201, service.register(content))["version"]["state"] == "pending"
    service.damage(content, how)

    service.work()

    version = expect(200, service.api.get("/models/fraud/versions/1"))
    assert (version["state"], version["state_reason"].partition(":")[0]) == ("failed", "model.bin")
    staging = {"stage": "staging", "reason": "a test"}
    assert code(service.api.put("/models/fraud/versions/1/stage", staging)) == "not_ready"
    assert service.registry.model("fraud").version(files=[service.brought(content)]) == 2
    assert invariants.assert_sound() == {"fraud:1": "failed", "fraud:2": "ready"}


@pytest.mark.fault("F30")
@SHELVES
@DAMAGED
def test_what_was_damaged_later_is_refused_by_the_client_that_pulls_it(
    service: DamageableService, invariants: Invariants, how: str, tmp_path: Path
) -> None:
    content = service.small
    service.registry.model("fraud").version(files=[service.brought(content)])
    service.damage(content, how)

    # Moto answers for what is absent as S3 does to a role that may not list: 403, which is no proof of a loss.
    told = errors.Unavailable if (service.kind, how) == ("moto", "deleted") else errors.IntegrityError
    damaged = pytest.raises(told, match=r"^model.bin")
    with service.online() as url, RegistryClient(url, service.token, retries=0) as client, damaged:
        client.pull("fraud:1", tmp_path / "out")

    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
    assert {finding.name for finding in invariants.fsck() if finding.harm} == {f"sha256:{sha256(content)}"}


@pytest.mark.parametrize("service", ["local"], indirect=True)
@DAMAGED
def test_the_command_line_says_so_with_its_exit_code(service: DamageableService, how: str, tmp_path: Path) -> None:
    content = service.small
    service.registry.model("fraud").version(files=[service.brought(content)])
    service.damage(content, how)

    with service.online() as url:
        env = environment(REGISTRY_URL=url, REGISTRY_TOKEN=service.token, HOME=str(tmp_path))
        done = command("pull", "fraud:1", "-o", "out", cwd=tmp_path, env=env)

    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.startswith("error: model.bin: ")
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


@pytest.mark.fault("F30")
@SHELVES
@DAMAGED
def test_damaged_bytes_do_not_go_to_production_before_they_were_sent_again(
    service: DamageableService, invariants: Invariants, how: str
) -> None:
    content = service.small
    service.registry.model("fraud").version(files=[service.brought(content)], stage="staging")
    before = service.registry.model("fraud").stages(), service.registry.audit_entry_count()
    service.damage(content, how)

    refused = expect(409, service.api.put("/models/fraud/versions/1/stage", PROMOTION))

    assert (refused["code"], refused["missing"]) == ("blobs_missing", [sha256(content)])
    assert (service.registry.model("fraud").stages(), service.registry.audit_entry_count()) == before
    service.scrub()
    assert code(service.api.put("/models/fraud/versions/1/stage", PROMOTION)) == "blobs_missing"
    service.brought(content)
    service.registry.model("fraud").move(1, "production")
    assert invariants.assert_sound() == {"fraud:1": "ready"}


@SHELVES
@DAMAGED
def test_damaged_bytes_that_are_many_wait_for_a_worker_before_they_are_refused(
    service: DamageableService, invariants: Invariants, how: str
) -> None:
    content = service.large
    service.registry.model("fraud").version(files=[service.brought(content)], stage="staging")
    service.damage(content, how)

    refused = code(service.api.put("/models/fraud/versions/1/stage", PROMOTION))
    service.scrub()

    assert refused == ("not_ready" if how in {"flipped", "swapped"} else "blobs_missing")
    assert code(service.api.put("/models/fraud/versions/1/stage", PROMOTION)) == "blobs_missing"
    service.brought(content)
    service.registry.model("fraud").move(1, "production")
    assert invariants.assert_sound() == {"fraud:1": "ready"}


@pytest.mark.fault("F32")
@SHELVES
@pytest.mark.parametrize("how", ["truncated", "deleted"])
def test_a_rollback_does_not_lead_to_lost_bytes(service: DamageableService, invariants: Invariants, how: str) -> None:
    content = service.small
    service.registry.model("fraud").version(files=[service.brought(content)], stage="production")
    service.registry.model("fraud").version(files=[service.brought(service.small)], stage="production")
    before = service.registry.model("fraud").stages(), service.registry.audit_entry_count()
    service.damage(content, how)

    assert code(service.api.post("/models/fraud/rollback", {"reason": "a test"})) == "blobs_missing"

    assert (service.registry.model("fraud").stages(), service.registry.audit_entry_count()) == before
    service.scrub()
    service.brought(content)
    assert service.registry.model("fraud").rollback()["number"] == 1
    assert invariants.assert_sound() == {"fraud:1": "ready", "fraud:2": "ready"}


@pytest.mark.fault("F32")
@SHELVES
@DAMAGED
def test_the_scrubber_finds_damage_in_production_and_blocks_new_references_to_it(
    service: DamageableService, invariants: Invariants, how: str
) -> None:
    content = service.small
    service.registry.model("fraud").version(files=[service.brought(content)], stage="production")
    service.damage(content, how)

    service.scrub()

    service.registry.create_model("other")
    refused = expect(409, service.register(content, "other"))
    assert (refused["code"], refused["missing"]) == ("blobs_missing", [sha256(content)])
    service.brought(content)
    assert expect(201, service.register(content, "other"))["version"]["state"] == "ready"
    assert invariants.assert_sound() == {"fraud:1": "ready", "other:1": "ready"}


@pytest.mark.parametrize("service", ["local", "swift"], indirect=True)
@pytest.mark.parametrize("how", ["flipped", "swapped"])
def test_what_was_damaged_after_the_store_had_verified_it_is_found_in_production_at_once(
    service: DamageableService, invariants: Invariants, how: str
) -> None:
    content = service.small[:500]  # one request
    upload = service.sent(content)
    service.damage(content, how)
    expect(200, service.complete(upload))
    service.registry.model("fraud").version(
        files=[{"path": "model.bin", "size": 500, "sha256": sha256(content)}], stage="production"
    )

    service.scrub()

    service.registry.create_model("other")
    assert code(service.register(content, "other")) == "blobs_missing"
    service.brought(content)
    assert invariants.assert_sound() == {"fraud:1": "ready"}
