"""Selections of a log's entries by their proofs, and checkpoints next to one that was seen before."""

from __future__ import annotations

from dataclasses import replace

from registry.domain import canonical_json
from registry.rules.audit_log.entries import read_entry
from registry.rules.audit_log.proofs import consistency_proof
from registry.rules.audit_log.reports import Outcome
from registry.rules.audit_log.verification import verify_checkpoint, verify_selection
from tests.support.sealed_log import KEY, SealedLog, nodes_of

KEYS = [KEY.verifier]


def test_a_selection_is_verified_by_its_proofs() -> None:
    log = SealedLog().fill(30)
    log.erase(3, "reason")
    chain = [e.position for e in log.entries if read_entry(e.body)["agg"] == "model:0"]

    for positions in (chain, chain[2:], chain[:1], [4], [0, 1, 29]):
        report = verify_selection(log.note(), log.selected(positions), KEYS)
        assert (report.outcome, report.problems, report.undecided) == (Outcome.VERIFIED, [], [])
        assert report.redacted == (3 in positions)


def test_a_selection_that_was_changed_is_found() -> None:
    log = SealedLog().fill(30)
    entries = log.selected([0, 3, 6])
    relinked = canonical_json.dumps(read_entry(entries[1].body) | {"prev": "0" * 64})
    wrong = {
        "not proved to be in the log": [replace(entries[0], position=1)],
        "follows that at position 3": [entries[1], entries[0]],
        "proof has too few": [replace(entries[0], proof=None)],
        "link names another hash": [entries[0], replace(entries[1], body=relinked)],
    }

    for text, changed in wrong.items():
        report = verify_selection(log.note(), changed, KEYS)
        assert report.outcome is Outcome.TAMPERED
        assert text in " ".join(report.problems)


def test_a_text_that_a_selection_lacks_is_not_judged() -> None:
    log = SealedLog().fill(10)
    log.erase(1, "reason")

    report = verify_selection(log.note(), log.selected([1]), KEYS)
    assert report.outcome is Outcome.UNDECIDED
    assert "its text 'reason' is gone, and no entry records its erasure here" in report.undecided[0]


def test_a_checkpoint_is_compared_with_one_that_was_seen_before() -> None:
    log = SealedLog().fill(30)
    proof = consistency_proof(12, 30, nodes_of(log.leaves))
    seen, note, entries = log.checkpoint(12), log.note(), log.selected([2])
    forged = replace(seen, root=bytes(32))

    for check in (
        lambda seen, proof: verify_selection(note, entries, KEYS, seen=seen, consistency=proof),
        lambda seen, proof: verify_checkpoint(note, KEYS, seen=seen, consistency=proof),
    ):
        assert check(seen, proof).outcome is Outcome.VERIFIED
        assert check(log.checkpoint(), None).outcome is Outcome.VERIFIED
        assert check(seen, None).outcome is Outcome.UNDECIDED
        assert check(seen, proof[1:]).outcome is Outcome.TAMPERED
        assert check(forged, proof).outcome is Outcome.TAMPERED
        assert check(replace(seen, origin="elsewhere"), proof).outcome is Outcome.TAMPERED
    newer = SealedLog().fill(40).checkpoint()
    assert verify_checkpoint(note, KEYS, seen=newer, consistency=[]).outcome is Outcome.TAMPERED
