"""What a verification finds in a log: nothing in a whole one, and each way to tamper with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain import canonical_json
from registry.rules.audit_log.entries import leaf_data, read_entry
from registry.rules.audit_log.files import verify_file
from registry.rules.audit_log.notes import SigningKey
from registry.rules.audit_log.reports import Outcome, Report
from registry.rules.audit_log.state import State, StateError
from registry.rules.audit_log.tree import leaf_hash
from registry.rules.audit_log.verification import verify_log, verify_selection
from tests.support.sealed_log import KEY, ORIGIN, SealedLog

KEYS = [KEY.verifier]
Tamper = Callable[[SealedLog], None]


def verified(log: SealedLog, state: State | None = None) -> Report:
    return verify_log(log.note(), log.entries, KEYS, state)[0]


def state_of(log: SealedLog) -> State:
    report, state = verify_log(log.note(), log.entries, KEYS)
    assert report.outcome is Outcome.VERIFIED
    assert state is not None
    return state


def test_a_whole_log_is_verified() -> None:
    log = SealedLog().fill(20)
    log.erase(3, "reason")
    report = verified(log)

    assert (report.outcome, report.problems, report.undecided) == (Outcome.VERIFIED, [], [])
    assert (report.entries, report.chains, report.redacted) == (21, 3, 1)
    assert report.checkpoint == log.checkpoint()


def _changed(log: SealedLog, position: int, body: bytes) -> None:
    log.entries[position] = replace(log.entries[position], body=body)


def _body(log: SealedLog) -> None:
    _changed(log, 4, log.entries[4].body.replace(b"version.promoted", b"version.archived"))


def _rehashed(log: SealedLog) -> None:
    """Change an entry and all later ones of its chain, so that the chain is right again."""
    document = read_entry(log.entries[0].body)
    document["action"] = "version.archived"
    previous = ""
    for entry in log.entries:
        each = document if entry.position == 0 else read_entry(entry.body)
        if each["agg"] == document["agg"]:
            body = canonical_json.dumps({**each, "prev": previous})
            previous = hashlib.sha256(b"\x00" + body).hexdigest()
            _changed(log, entry.position, body)


def _removed(log: SealedLog) -> None:
    del log.entries[5:]
    log.entries += [replace(entry, position=5 + at) for at, entry in enumerate(SealedLog().fill(10).entries[6:])]


def _cut(log: SealedLog) -> None:
    del log.entries[-1]


def _added(log: SealedLog) -> None:
    log.fill(1)


def _moved(log: SealedLog) -> None:
    one, other = log.entries[2], log.entries[3]
    log.entries[2:4] = [replace(other, position=2), replace(one, position=3)]


def _text_changed(log: SealedLog) -> None:
    _text_changed_at(log, 1)


def _text_changed_at(log: SealedLog, position: int) -> None:
    salt, _ = log.entries[position].texts["reason"] or (b"", "")
    log.entries[position] = replace(log.entries[position], texts={"reason": (salt, "another reason")})


def _text_added(log: SealedLog) -> None:
    log.entries[0] = replace(log.entries[0], texts={"reason": (b"salt", "never said")})


def _text_deleted(log: SealedLog) -> None:
    log.entries[1] = replace(log.entries[1], texts={})


def _text_marked_as_erased(log: SealedLog) -> None:
    log.entries[1] = replace(log.entries[1], texts={"reason": None})


def _text_invented_as_erased(log: SealedLog) -> None:
    log.entries[0] = replace(log.entries[0], texts={"reason": None})


def _no_document(log: SealedLog) -> None:
    _changed(log, 9, b"\xff")


TAMPERED: dict[Tamper, str] = {
    _body: "entries do not have the root",
    _rehashed: "entries do not have the root",
    _removed: "is missing: the checkpoint has 10",
    _cut: "the entry at position 9 is missing: the checkpoint has 10",
    _added: "the checkpoint has 10 entries, and there is one at position 10",
    _moved: "entries do not have the root",
    _text_changed: "its text 'reason' was changed",
    _text_added: "its text 'reason' was added",
    _text_deleted: "its text 'reason' is gone",
    _text_invented_as_erased: "its text 'reason' was added",
    _text_marked_as_erased: "its text 'reason' is gone",
    _no_document: "its bytes are no audit entry",
}


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda tamper: tamper.__name__)
def test_tampering_is_found(tamper: Tamper) -> None:
    log = SealedLog().fill(10)
    note = log.note()
    tamper(log)
    report, state = verify_log(note, log.entries, KEYS)

    assert report.outcome is Outcome.TAMPERED
    assert TAMPERED[tamper] in " ".join(report.problems)
    assert state is None


@pytest.mark.parametrize("tamper", [_body, _text_changed, _no_document], ids=lambda tamper: tamper.__name__)
def test_tampering_with_a_log_whose_key_was_stolen_is_found_in_its_chains(tamper: Tamper) -> None:
    log = SealedLog().fill(10)
    tamper(log)

    assert verified(log).outcome is Outcome.TAMPERED


def test_an_entry_that_was_left_out_before_sealing_is_missed_in_its_chain() -> None:
    log = SealedLog().fill(10)
    del log.entries[4]
    log.entries[4:] = [replace(entry, position=entry.position - 1) for entry in log.entries[4:]]

    assert verified(log).problems == [
        "the entry at position 6: model:1, entry 3 (version.promoted): entry 2 is missing before it"
    ]


def test_a_log_that_was_rewritten_with_its_key_is_found_by_who_saw_it_before() -> None:
    log = SealedLog().fill(10)
    state = state_of(log)
    log.fill(5)
    forged = SealedLog().fill(15)
    _rehashed(forged)

    assert verified(forged).outcome is Outcome.VERIFIED
    assert verify_log(log.note(), log.entries[10:], KEYS, state)[0].outcome is Outcome.VERIFIED
    report, kept = verify_log(forged.note(), forged.entries[10:], KEYS, state)
    assert report.outcome is Outcome.TAMPERED
    assert "before position 10 were rewritten" in report.problems[-1]
    assert kept is state


def test_a_restored_backup_a_fork_and_another_log_are_found() -> None:
    log = SealedLog().fill(10)
    state = state_of(log)
    forged = SealedLog().fill(9)
    forged.add("model:9")
    other = SigningKey("elsewhere.example/audit", bytes(32))
    found = {
        "it was cut, or a backup was restored": verify_log(log.note(7), [], KEYS, state)[0],
        "have different roots: the log was forked": verify_log(forged.note(), [], KEYS, state)[0],
        "is of the log 'elsewhere.example/audit'": verify_log(
            _note_of_another(log, other), [], [*KEYS, other.verifier], state
        )[0],
    }

    for text, report in found.items():
        assert report.outcome is Outcome.TAMPERED
        assert text in report.problems[0]


def _note_of_another(log: SealedLog, key: SigningKey) -> bytes:
    from registry.rules.audit_log.checkpoints import sign_checkpoint

    return sign_checkpoint(replace(log.checkpoint(), origin=key.verifier.name), [key])


def test_a_whole_log_is_compared_with_what_was_seen_of_it() -> None:
    log = SealedLog().fill(10)
    state = state_of(log)
    log.fill(5)
    forged = SealedLog().fill(15)
    _rehashed(forged)
    report, kept = verify_log(log.note(), log.entries, KEYS, state)

    assert (report.outcome, report.entries) == (Outcome.VERIFIED, 15)
    assert kept is not None
    assert kept.checkpoint.size == 15
    report, kept = verify_log(forged.note(), forged.entries, KEYS, state)
    assert report.problems == ["the first 10 entries are not those of the checkpoint that was seen before"]
    assert kept is state


def test_the_key_of_a_log_is_replaced_between_two_runs() -> None:
    log, new_key = SealedLog().fill(10), SigningKey(ORIGIN, bytes(32))
    state = State.load(state_of(log).dump())
    log.fill(1)
    report, kept = verify_log(log.note(None, KEY, new_key), log.entries[10:], [new_key.verifier], state)

    assert report.outcome is Outcome.VERIFIED
    assert kept is not None
    assert State.load(kept.dump()).keys == (new_key.verifier,)


def test_only_what_is_new_is_read_again() -> None:
    log = SealedLog().fill(10)
    state: State | None = State.load(state_of(log).dump())
    for size in (10, 11, 300):
        log.fill(size - len(log.entries))
        start = state.checkpoint.size if state else 0
        report, state = verify_log(log.note(), log.entries[start:], KEYS, state)
        assert (report.outcome, report.entries) == (Outcome.VERIFIED, size - start)
        state = State.load(state.dump()) if state else None


@pytest.mark.parametrize("change", ["tree", "checkpoint", "chains", "format", "keys"])
def test_a_state_that_was_changed_is_refused(change: str) -> None:
    document = json.loads(state_of(SealedLog().fill(10)).dump())
    document[change] = {
        "tree": document["tree"][::-1],
        "checkpoint": document["checkpoint"].replace("\n10\n", "\n11\n"),
        "chains": {"model:1": 5},
        "format": "audit-log-state@2",
        "keys": [],
    }[change]

    with pytest.raises(StateError):
        State.load(json.dumps(document).encode())


def test_a_state_is_replaced_as_a_whole(tmp_path: Path) -> None:
    state = state_of(SealedLog().fill(10))
    state.write(tmp_path / "state.json")

    assert (tmp_path / "state.json").read_bytes() == state.dump() == State.load(state.dump()).dump()
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_an_unknown_action_is_not_judged() -> None:
    log = SealedLog().fill(4)
    log.add("model:1", "version.blessed")
    log.add("webhooks", "webhook.created")
    report = verified(log)

    assert report.outcome is Outcome.UNDECIDED
    assert "its action 'version.blessed' in the chain model:1 is unknown" in report.undecided[0]
    assert "its action 'webhook.created' in the chain webhooks is unknown" in report.undecided[1]


def test_an_entry_of_another_format_is_not_judged_nor_are_the_chains_after_it() -> None:
    log = SealedLog().fill(4)
    document = read_entry(log.entries[3].body)
    _changed(log, 3, canonical_json.dumps({**document, "v": 2, "more": {}}))
    log.fill(4)
    report, state = verify_log(log.note(), log.entries, KEYS)

    assert report.outcome is Outcome.UNDECIDED
    assert "the entry at position 3: its format 2 is unknown to this release" in report.undecided[0]
    assert state is not None
    assert verify_log(log.note(), [], KEYS, state)[0].outcome is Outcome.UNDECIDED
    _text_changed_at(log, 7)
    assert verified(log).outcome is Outcome.TAMPERED
    assert verify_log(SealedLog().fill(8).note(), log.entries, KEYS)[0].outcome is Outcome.TAMPERED


BODY = SealedLog().fill(2).entries[1].body
RESPELLED = {
    "a member twice": BODY[:-1] + b',"v":1}',
    "a space": BODY.replace(b'{"action"', b'{ "action"'),
    "another order": b'{"v":1,' + BODY[1:].replace(b',"v":1}', b"}"),
    "an escape": BODY.replace(b'"fraud"', b'"fr\\u0061ud"'),
    "a newline": BODY + b"\n",
    "a large number": BODY.replace(b'"seq":1', b'"seq":9007199254740993'),
    "a negative zero": BODY.replace(b'"facts":{}', b'"facts":{"a":-0}'),
    "no number": BODY.replace(b'"facts":{}', b'"facts":{"a":NaN}'),
    "half a character": BODY.replace(b'"fraud"', b'"\\ud800"'),
    "deep": BODY.replace(b'"facts":{}', b'"facts":' + b"[" * 100_000 + b"]" * 100_000),
    "a list": b"[1]",
    "no member": BODY.replace(b'"agg":', b'"age":'),
    "a member of another type": BODY.replace(b'"seq":1', b'"seq":true'),
}


@pytest.mark.parametrize("spelling", RESPELLED)
def test_bytes_that_two_readers_could_understand_in_two_ways_are_refused(spelling: str) -> None:
    log = SealedLog().fill(2)
    assert RESPELLED[spelling] != BODY
    _changed(log, 1, RESPELLED[spelling])

    report = verified(log)
    assert report.outcome is Outcome.TAMPERED
    assert "its bytes are no audit entry" in report.problems[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_whatever_the_registry_writes_is_read(value: object) -> None:
    document = {"after": value, "v": 1}

    assert read_entry(canonical_json.dumps(document)) == document


def test_a_number_with_a_fraction_belongs_to_another_format() -> None:
    log = SealedLog().fill(2)
    _changed(log, 1, BODY.replace(b'"facts":{}', b'"facts":{"a":0.5}'))

    assert verified(log).outcome is Outcome.UNDECIDED


def test_an_entry_that_is_too_large_for_a_bundle_has_a_leaf_that_stands_for_it() -> None:
    log = SealedLog()
    log.add(after={"metrics": {f"m{number}": "0.25" for number in range(5000)}})
    log.add()
    body = log.entries[0].body
    stand_in = json.loads(leaf_data(body))

    assert len(body) > 65_535
    assert stand_in == {"leaf_hash": leaf_hash(body).hex(), "size": len(body), "type": "large-entry", "v": 1}
    assert leaf_data(body) == canonical_json.dumps(stand_in)
    assert read_entry(log.entries[1].body)["prev"] == stand_in["leaf_hash"]
    assert verified(log).outcome is Outcome.VERIFIED
    log.entries[0] = replace(log.entries[0], body=leaf_data(body))
    assert verified(log).outcome is Outcome.TAMPERED


def test_a_checkpoint_without_a_trusted_signature_verifies_nothing() -> None:
    log = SealedLog().fill(5)
    stranger = SigningKey(ORIGIN, bytes(32))

    assert verify_log(log.note(), log.entries, [stranger.verifier])[0].outcome is Outcome.TAMPERED
    assert verify_selection(log.note(), log.selected([1]), [stranger.verifier]).checkpoint is None
    assert verify_log(b"", log.entries, KEYS)[0].outcome is Outcome.TAMPERED


def test_a_directory_is_verified_as_its_entries_are(tmp_path: Path) -> None:
    log = SealedLog().fill(10)
    log.erase(1, "reason")
    whole = log.write(tmp_path / "whole")
    selection = log.write(tmp_path / "selection", log.selected([1, 4, 10]))
    report, state = verify_file(whole, KEYS)

    assert report.outcome is Outcome.VERIFIED
    assert verify_file(selection, KEYS, state=state)[0].outcome is Outcome.VERIFIED
    log.fill(2)
    newer = log.write(tmp_path / "newer", log.entries[11:])
    assert verify_file(newer, KEYS, state=state)[0].outcome is Outcome.VERIFIED
    assert verify_file(newer, KEYS)[0].outcome is Outcome.TAMPERED
