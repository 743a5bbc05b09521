"""What a verifier makes of a log that it has seen before: what it could not judge stays open, an epoch is named."""

from __future__ import annotations

from dataclasses import replace

from registry.rules.audit_log.checkpoints import sign_checkpoint
from registry.rules.audit_log.notes import SigningKey
from registry.rules.audit_log.reports import Outcome
from registry.rules.audit_log.verification import verify_log
from tests.rules.audit_log.test_verification import KEYS, state_of
from tests.support.sealed_log import SealedLog


def test_a_text_that_an_unknown_action_may_explain_is_judged_again_by_a_later_release() -> None:
    log = SealedLog().fill(4)
    state = state_of(log)
    log.add(texts={"reason": "a reason"})
    log.entries[4] = replace(log.entries[4], texts={"reason": None})
    log.add("model:1", "version.blessed")

    report, kept = verify_log(log.note(), log.entries[4:], KEYS, state)
    assert (report.outcome, kept) == (Outcome.UNDECIDED, state)
    log.fill(2)
    assert verify_log(log.note(), log.entries[4:], KEYS, kept)[0].outcome is Outcome.UNDECIDED


def test_a_checkpoint_of_another_epoch_is_named_as_one() -> None:
    other = "registry.example/audit/2"
    log = SealedLog().fill(4)
    note = sign_checkpoint(replace(log.checkpoint(), origin=other), [SigningKey(other, bytes(range(32)))])

    report, _ = verify_log(note, log.entries, KEYS, state_of(log))
    assert report.outcome is Outcome.TAMPERED
    assert f"It is of the log {other!r}: if the operator announced a new epoch" in report.problems[0]
