"""The sealed log of a registry, verified over its API by a client that does not trust it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from registry.client.sealed_log.verification import verify
from registry.rules.audit_log.notes import SigningKey
from registry.rules.audit_log.reports import Outcome, lines
from registry.rules.audit_log.state import State
from tests.client.sealed_log.conftest import Observed
from tests.support.sealed_log import KEY, ORIGIN, SealedLog

KEYS = [KEY.verifier]
STRANGER = SigningKey(ORIGIN, bytes(32))


def state_of(observed: Observed) -> State:
    done = verify(observed.source, keys=KEYS)
    assert done.report.outcome is Outcome.VERIFIED, done.report.problems
    assert done.state is not None
    return done.state


def other_log(count: int) -> SealedLog:
    """A log whose entries are others from position 3 on."""
    log = SealedLog().fill(3)
    log.add("model:0", "version.promoted", after={"stage": "archived"})
    return log.fill(count - 4)


def test_the_first_run_reads_everything_and_the_next_one_what_is_new(observed: Observed) -> None:
    server = observed.server
    server.page = 5
    first = verify(observed.source)
    server.log.fill(4)
    server.publish()
    server.requests.clear()
    second = verify(observed.source, state=first.state)
    nothing = verify(observed.source, state=second.state)
    again = verify(observed.source, state=second.state, from_start=True)

    assert [one.report.outcome for one in (first, second, nothing, again)] == [Outcome.VERIFIED] * 4
    assert [one.report.entries for one in (first, second, nothing, again)] == [12, 4, 0, 16]
    assert [one.first_use for one in (first, second, nothing, again)] == [True, False, False, False]
    assert first.keys == second.keys == tuple(KEYS)
    assert observed.waits == []


def test_all_entries_are_read_again_from_the_start_also_where_nothing_is_new(observed: Observed) -> None:
    known = state_of(observed)
    observed.server.log = SealedLog()

    done = verify(observed.source, state=known, from_start=True)

    assert done.report.outcome is Outcome.TAMPERED
    assert "the entry at position 0 is missing" in done.report.problems[0]


def test_entries_after_the_checkpoint_are_left_for_the_next_run(observed: Observed) -> None:
    observed.server.log.fill(5)

    assert verify(observed.source, keys=KEYS).report.entries == 12


def changed_body(item: dict[str, Any]) -> dict[str, Any]:
    body = base64.b64decode(item["body"]).replace(b"0.5", b"0.9")
    return item | {"body": base64.b64encode(body).decode()} if item["position"] == 7 else item


def changed_text(item: dict[str, Any]) -> dict[str, Any]:
    texts = {name: text | {"text": "another reason"} for name, text in item["texts"].items()}
    return item | {"texts": texts} if item["position"] == 7 else item


def withheld_text(item: dict[str, Any]) -> dict[str, Any]:
    return item | {"texts": dict.fromkeys(item["texts"])} if item["position"] == 7 else item


def no_entry(item: dict[str, Any]) -> dict[str, Any]:
    return {"position": 7} if item["position"] == 7 else item


def moved(item: dict[str, Any]) -> dict[str, Any]:
    return item | {"position": item["position"] + (item["position"] >= 7)}


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (changed_body, "the entries do not have the root that the checkpoint signs"),
        (changed_text, "position 7: model:1, entry 3 (version.promoted): its text 'reason' was changed"),
        (withheld_text, "its text 'reason' is gone, and no entry records its erasure"),
        (no_entry, "what the registry shows at position 7 is no entry"),
        (moved, "the entry at position 7 is missing: 8 follows"),
    ],
)
def test_an_entry_that_is_not_the_sealed_one_is_found(
    observed: Observed, spoil: Callable[[dict[str, Any]], dict[str, Any]], expected: str
) -> None:
    """In a first run, and in one that begins after an earlier one."""
    observed.server.spoil = spoil
    first = verify(observed.source, keys=KEYS)
    observed.server.log = SealedLog().fill(6)
    observed.server.publish()
    state = state_of(observed)
    observed.server.log.fill(6)
    observed.server.publish()
    later = verify(observed.source, state=state)

    for done, kept in ((first, None), (later, state)):
        assert done.report.outcome is Outcome.TAMPERED
        assert expected in "\n".join(done.report.problems)
        assert (done.state, done.report.checkpoint is None) == (kept, False)


def test_a_list_that_ends_early_hides_entries(observed: Observed) -> None:
    observed.server.log = SealedLog().fill(9)
    done = verify(observed.source, keys=KEYS)

    assert done.report.outcome is Outcome.TAMPERED
    assert done.report.problems == ["the entry at position 9 is missing: the checkpoint has 12 entries"]
    assert observed.waits  # a read replica may be behind


def test_a_shorter_log_is_a_rollback_unless_it_catches_up(observed: Observed) -> None:
    state, server = state_of(observed), observed.server
    server.note = server.log.note(8)
    shorter = verify(observed.source, keys=KEYS, state=state)
    observed.meanwhile = server.publish
    behind = verify(observed.source, keys=KEYS, state=state)

    assert shorter.report.outcome is Outcome.TAMPERED
    assert "it was cut, or a backup was restored" in shorter.report.problems[0]
    assert shorter.state is state
    assert behind.report.outcome is Outcome.VERIFIED


@pytest.mark.parametrize("size", [12, 15])
def test_a_fork_that_is_signed_with_the_right_key_is_found(observed: Observed, size: int) -> None:
    state = state_of(observed)
    observed.server.log = other_log(size)
    observed.server.publish()
    later = verify(observed.source, keys=KEYS, state=state)
    whole = verify(observed.source, keys=KEYS, state=state, from_start=True)

    assert [later.report.outcome, whole.report.outcome] == [Outcome.TAMPERED] * 2
    expected = "have different roots: the log was forked" if size == 12 else "the root that the checkpoint signs"
    assert expected in "\n".join(later.report.problems)
    assert verify(observed.source, keys=KEYS).report.outcome is Outcome.VERIFIED  # only an earlier run shows it


def test_a_checkpoint_without_a_valid_signature_of_a_trusted_key_proves_nothing(observed: Observed) -> None:
    state, server = state_of(observed), observed.server
    server.keys.append(str(STRANGER.verifier))
    server.log.fill(2)
    server.note = server.log.note(None, STRANGER)
    by_key, by_state = verify(observed.source, keys=KEYS), verify(observed.source, state=state)
    server.note = server.log.note().replace(b"\n14\n", b"\n13\n")
    changed = verify(observed.source, state=state)
    server.keys = [str(STRANGER.verifier)]
    first_use = verify(observed.source)
    server.requests.clear()
    server.note = b"a page of a proxy"
    page = verify(observed.source, state=state)

    for done in (by_key, by_state, changed, first_use, page):
        assert done.report.outcome is Outcome.TAMPERED
        assert done.report.checkpoint is None
    assert "no trusted key signed the note" in by_state.report.problems[0]
    assert "the note was changed" in changed.report.problems[0]
    assert "/api/v1/audit/sealed" not in server.requests


def test_a_second_signature_is_named_and_trusted_only_when_it_is_given(observed: Observed) -> None:
    state, server = state_of(observed), observed.server
    server.note = server.log.note(None, KEY, STRANGER)
    overlap = verify(observed.source, state=state)
    both = verify(observed.source, keys=[*KEYS, STRANGER.verifier], state=state)
    server.note = server.log.note(None, STRANGER)

    assert overlap.strangers == [f"{ORIGIN}+{STRANGER.verifier.key_id.hex()}"]
    assert overlap.keys == tuple(KEYS)
    assert both.strangers == []
    assert verify(observed.source, state=overlap.state).report.outcome is Outcome.TAMPERED
    assert verify(observed.source, state=both.state).report.outcome is Outcome.VERIFIED


def test_without_a_checkpoint_nothing_is_decided_unless_there_was_one(observed: Observed) -> None:
    state = state_of(observed)
    observed.server.note = None
    never, gone = verify(observed.source, keys=KEYS), verify(observed.source, state=state)

    assert (never.report.outcome, gone.report.outcome) == (Outcome.UNDECIDED, Outcome.TAMPERED)
    assert never.report.undecided == ["the registry shows no checkpoint: no checkpoint was published yet"]
    assert "an earlier one has 12 entries" in gone.report.problems[0]


def test_entries_that_are_not_shown_decide_nothing(observed: Observed) -> None:
    observed.server.missing = ["/api/v1/audit/sealed"]

    done = verify(observed.source, keys=KEYS)

    assert done.report.outcome is Outcome.UNDECIDED
    assert lines(done.report)[-1] == f"UNDECIDED: 0 entries of 0 chains; log {ORIGIN} at size 12"


def test_a_text_that_is_erased_between_two_pages_is_judged_with_a_later_checkpoint(observed: Observed) -> None:
    """Also when the next erasure falls into the reading of that one."""
    server, erased = observed.server, iter([7, 9])
    server.page = 4

    def erase() -> None:
        if (position := next(erased, None)) is not None:
            server.log.erase(position, "reason")

    server.before_page = erase
    observed.meanwhile = server.publish
    done = verify(observed.source, keys=KEYS)

    assert done.report.outcome is Outcome.VERIFIED, done.report.problems
    assert (done.report.entries, done.report.redacted) == (14, 2)
    assert done.state is not None
    assert done.state.checkpoint.size == 14
    assert len(observed.waits) == 1


def test_a_text_that_no_later_checkpoint_explains_was_deleted(observed: Observed) -> None:
    server = observed.server
    server.spoil = withheld_text

    def go_on() -> None:
        server.log.fill(1)
        server.publish()

    observed.meanwhile = go_on
    done = verify(observed.source, keys=KEYS)

    assert done.report.outcome is Outcome.TAMPERED
    assert done.report.entries > 12
    assert "no entry records its erasure" in done.report.problems[0]
