"""A witness, which reads checkpoints and tiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.client.sealed_log.witness import Sighting, look
from registry.rules.audit_log.reports import Outcome
from registry.rules.audit_log.state import StateError
from tests.client.sealed_log.conftest import Observed
from tests.client.sealed_log.test_verification import KEYS, STRANGER, other_log
from tests.support.sealed_log import SealedLog


def sighting_of(observed: Observed) -> Sighting:
    done = look(observed.source, keys=KEYS)
    assert done.report.outcome is Outcome.VERIFIED
    assert done.sighting is not None
    return done.sighting


@pytest.mark.parametrize("grown", [0, 1, 4, 300])
def test_a_log_that_was_continued_is_proved_by_its_tiles(observed: Observed, tmp_path: Path, grown: int) -> None:
    seen, server = sighting_of(observed), observed.server
    server.log.fill(grown)
    server.publish()
    seen.write(tmp_path / "witness.json")
    done = look(observed.source, seen=Sighting.load((tmp_path / "witness.json").read_bytes()))

    assert done.report.outcome is Outcome.VERIFIED, done.report.problems
    assert done.sighting is not None
    assert (done.sighting.checkpoint.size, done.first_use) == (12 + grown, False)
    assert "/api/v1/audit/sealed" not in server.requests


@pytest.mark.parametrize("size", [12, 15, 300])
def test_a_fork_is_found(observed: Observed, size: int) -> None:
    seen = sighting_of(observed)
    observed.server.log = other_log(size)
    observed.server.publish()
    done = look(observed.source, seen=seen)

    assert done.report.outcome is Outcome.TAMPERED
    assert "it was forked" in done.report.problems[0]
    assert (done.sighting, done.note) == (seen, observed.server.note)


def test_a_rollback_another_key_and_a_log_that_is_gone_are_found(observed: Observed) -> None:
    seen, server = sighting_of(observed), observed.server
    server.note = server.log.note(8)
    rolled_back = look(observed.source, seen=seen)
    server.note = server.log.note(None, STRANGER)
    another_key = look(observed.source, seen=seen)
    server.note = None
    gone, never = look(observed.source, seen=seen), look(observed.source)

    assert "it was cut, or a backup was restored" in rolled_back.report.problems[0]
    assert "no trusted key signed the note" in another_key.report.problems[0]
    assert "an earlier one has 12 entries" in gone.report.problems[0]
    assert never.report.outcome is Outcome.UNDECIDED


def test_a_proof_that_is_not_shown_decides_nothing_and_a_wrong_one_is_found(observed: Observed) -> None:
    seen, server = sighting_of(observed), observed.server
    server.log.fill(3)
    server.publish()
    server.missing = ["/audit/tile/"]
    missing = look(observed.source, seen=seen)
    server.missing, server.log = [], SealedLog().fill(14)
    server.log.add("model:5", "model.created")
    wrong = look(observed.source, seen=seen)

    assert (missing.report.outcome, missing.sighting) == (Outcome.UNDECIDED, seen)
    assert (wrong.report.outcome, wrong.sighting) == (Outcome.TAMPERED, seen)


def test_a_damaged_file_of_a_witness_is_refused(observed: Observed, tmp_path: Path) -> None:
    path = tmp_path / "witness.json"
    sighting_of(observed).write(path)
    good = path.read_bytes()

    for old, new in ((b"\\n12\\n", b"\\n13\\n"), (b"witness@1", b"witness@2"), (b'"keys"', b'"key"'), (b"{", b"")):
        assert old in good
        with pytest.raises(StateError):
            Sighting.load(good.replace(old, new, 1))
