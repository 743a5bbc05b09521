"""Any history of a log: appends, seals, erasures, a new key, a restored backup; only an honest one is verified."""

from __future__ import annotations

import copy
import hashlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from registry.rules.audit_log.notes import SigningKey
from registry.rules.audit_log.proofs import consistency_proof
from registry.rules.audit_log.reports import Outcome
from registry.rules.audit_log.state import State
from registry.rules.audit_log.verification import verify_checkpoint, verify_log, verify_selection
from tests.support.sealed_log import KEY, ORIGIN, SealedLog, nodes_of


class History(RuleBasedStateMachine):
    """A log that one auditor follows: the auditor has the state and the checkpoint of the last honest visit."""

    @initialize()
    def begin(self) -> None:
        self.log, self.keys = SealedLog(), [KEY]
        self.state: State | None = None
        self.sealed = 0
        self.backup: SealedLog | None = None
        self.erased: set[int] = set()

    @rule(count=st.integers(1, 40))
    def append(self, count: int) -> None:
        self.log.fill(count)

    @rule()
    def seal(self) -> None:
        self.sealed = len(self.log.entries)

    @precondition(lambda self: any(entry.texts.get("reason") for entry in self.log.entries))
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        texts = [entry.position for entry in self.log.entries if entry.texts.get("reason")]
        self.log.erase(data.draw(st.sampled_from(texts)), "reason")
        self.seal()  # the text is gone at once, and only a later checkpoint explains it

    @rule(seed=st.binary(min_size=1, max_size=4))
    def replace_key(self, seed: bytes) -> None:
        self.keys = [self.keys[-1], SigningKey(ORIGIN, hashlib.sha256(seed).digest())]

    @rule()
    def back_up(self) -> None:
        self.backup = copy.deepcopy(self.log)

    @precondition(lambda self: self.backup is not None and self.state is not None)
    @rule()
    def restore(self) -> None:
        """A restored log is refused as soon as it has other entries than those that the auditor saw."""
        restored = copy.deepcopy(self.backup)
        assert restored is not None
        assert self.state is not None
        restored.add("model:restored")
        seen, size = self.state.checkpoint, len(restored.entries)
        if self.log.leaves[:size] == restored.leaves:
            return
        new = restored.entries[seen.size :] if seen.size < size else []
        report, kept = verify_log(restored.note(None, *self.keys), new, self._trusted(), self.state)
        is_longer = restored.leaves[: seen.size] == self.log.leaves[: seen.size]
        assert report.outcome is (Outcome.VERIFIED if is_longer else Outcome.TAMPERED)
        assert is_longer or kept is self.state

    @precondition(lambda self: self.sealed > 0)
    @rule(from_start=st.booleans(), is_stored=st.booleans())
    def visit(self, from_start: bool, is_stored: bool) -> None:
        if self.state is not None and self.sealed < self.state.checkpoint.size:
            return
        begin = 0 if from_start or self.state is None else self.state.checkpoint.size
        note = self.log.note(self.sealed, *self.keys)
        report, state = verify_log(note, self.log.entries[begin : self.sealed], self._trusted(), self.state)
        assert report.outcome is Outcome.VERIFIED, report
        assert state is not None
        self.state = State.load(state.dump()) if is_stored else state

    @precondition(lambda self: self.sealed > 0 and self.state is not None)
    @rule(data=st.data())
    def witness(self, data: st.DataObject) -> None:
        assert self.state is not None
        seen, size = self.state.checkpoint, len(self.log.entries)
        note, proof = self.log.note(None, *self.keys), consistency_proof(seen.size, size, nodes_of(self.log.leaves))
        assert verify_checkpoint(note, self._trusted(), seen=seen, consistency=proof).outcome is Outcome.VERIFIED
        positions = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=5)))
        report = verify_selection(note, self.log.selected(positions), self._trusted(), seen=seen, consistency=proof)
        assert report.problems == []

    @invariant()
    def nothing_is_sealed_twice(self) -> None:
        assert [entry.position for entry in self.log.entries] == list(range(len(self.log.entries)))

    def _trusted(self) -> list:
        return [self.keys[-1].verifier]


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
