"""Verify a sealed log, or a selection of its entries, against a checkpoint that a trusted key signed.

Needs the entries and no server. The entries of the whole log prove that none was changed, removed, added or moved. A
selection proves that the log has these entries at these positions, and not that there are no others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from . import actions
from .chains import ChainWalk, Text
from .checkpoints import Checkpoint, CheckpointError, open_checkpoint, read_checkpoint
from .entries import MALFORMED, Broken, Unfamiliar, leaf_data, leaf_hash, read_entry
from .notes import NoteError, VerifierKey
from .proofs import ProofError, verify_consistency, verify_inclusion
from .reports import Report
from .state import State
from .tree import CompactRange
from .tree import leaf_hash as tree_leaf_hash

_EPOCH = "if the operator announced a new epoch, and can say why, begin with its key and a new state"

Newer = Callable[[Checkpoint], "tuple[bytes, Iterable[SealedEntry]] | None"]
"""Return a checkpoint that is later than another one, with the entries between both."""


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """An entry at its position in the log. ``proof`` is None where the whole log is given.

    ``texts`` has the texts that the entry commits to; None for one that the log records as erased.
    """

    position: int
    body: bytes
    texts: Mapping[str, Text | None] = field(default_factory=dict)
    proof: Sequence[bytes] | None = None


def verify_log(
    note: bytes,
    entries: Iterable[SealedEntry],
    keys: Sequence[VerifierKey],
    state: State | None = None,
    *,
    newer: Newer | None = None,
    from_start: bool = False,
) -> tuple[Report, State | None]:
    """Verify a log from all of its entries, up to the size that the checkpoint *note* has.

    With *state* the entries may begin after its checkpoint, unless they must be read *from_start*. When they begin at 0
    they are all verified again, and compared with it. Return the report, and the state to keep: the new one unless
    there is a problem, else *state*. Memory grows with the number of chains and of missing texts, not with that of
    entries. An entry with an unknown action is judged by a later release: until then *state* is kept.

    A log that is read while it is in use can lack a text whose erasure is recorded after the checkpoint. *newer* then
    returns a later checkpoint with the entries up to it, or None.
    """
    report = Report()
    checkpoint = _opened(note, keys, report)
    if checkpoint is None or not _follows(checkpoint, state, report):
        return report, state
    ahead = iter(entries)
    first = next(ahead, None)
    known = None if from_start or (first is not None and first.position == 0) else state
    tree = CompactRange(known.tree.size, known.tree.hashes) if known else CompactRange()
    walks = _Walks(report, known)
    reading = _Reading(report, tree, walks, state.checkpoint if state else None, known.checkpoint if known else None)
    reading.up_to(checkpoint, chain([] if first is None else [first], ahead))
    while walks.lack_texts() and not report.problems and newer and (following := newer(checkpoint)):
        note, entries = following
        later = _opened(note, keys, report)
        if later is None or not _continues(later, checkpoint, report):
            break
        checkpoint = later
        reading.up_to(checkpoint, entries)
    if reading.ended:
        return report, state
    walks.end(whole=True)
    if report.problems or walks.unknown_action:
        return report, state
    return report, State(tuple(keys), note, checkpoint, tree, walks.heads(), walks.later_release)


def verify_selection(
    note: bytes,
    entries: Iterable[SealedEntry],
    keys: Sequence[VerifierKey],
    *,
    seen: Checkpoint | None = None,
    consistency: Sequence[bytes] | None = None,
) -> Report:
    """Verify entries by their inclusion proofs.

    *seen* is a checkpoint that was verified before, of a smaller or a larger log. *consistency* is the proof between
    both.
    """
    report = Report()
    checkpoint = _opened(note, keys, report)
    if checkpoint is None:
        return report
    if seen is not None:
        _check_consistency(seen, checkpoint, consistency, report)
    walks, last = _Walks(report, None), -1
    for entry in entries:
        if entry.position <= last:
            report.problem(f"the entry at position {entry.position} follows that at position {last}")
            return report
        last = entry.position
        try:
            leaf = tree_leaf_hash(leaf_data(entry.body))
            verify_inclusion(leaf, entry.position, checkpoint.size, entry.proof or (), checkpoint.root)
        except ValueError as error:
            report.problem(f"the entry at position {entry.position} is not proved to be in the log: {error}")
        walks.step(entry, may_skip=True)
    walks.end(whole=False)
    return report


def verify_checkpoint(
    note: bytes, keys: Sequence[VerifierKey], *, seen: Checkpoint | None, consistency: Sequence[bytes] | None = None
) -> Report:
    """Verify that the log of a checkpoint begins with the log of the one that was *seen* before, as a witness does."""
    report = Report()
    checkpoint = _opened(note, keys, report)
    if checkpoint is not None and seen is not None:
        if checkpoint.size < seen.size:
            report.problem(_cut_log(checkpoint, seen))
        else:
            _check_consistency(seen, checkpoint, consistency, report)
    return report


def _opened(note: bytes, keys: Sequence[VerifierKey], report: Report) -> Checkpoint | None:
    try:
        report.checkpoint = open_checkpoint(note, keys)
    except (NoteError, CheckpointError) as error:
        report.problem(f"the checkpoint: {error}{_epoch_advice(note, keys)}")
    return report.checkpoint


def _epoch_advice(note: bytes, keys: Sequence[VerifierKey]) -> str:
    """Return what to do about a checkpoint of a log that no trusted key is of; the name of a key is that of its log."""
    try:
        origin = read_checkpoint(note).origin
    except (NoteError, CheckpointError):
        return ""
    return "" if origin in {key.name for key in keys} else f". It is of the log {origin!r}: {_EPOCH}"


def _follows(checkpoint: Checkpoint, state: State | None, report: Report) -> bool:
    """Compare a checkpoint with that of the state, as far as that is possible without entries."""
    return state is None or _continues(checkpoint, state.checkpoint, report)


def _continues(checkpoint: Checkpoint, seen: Checkpoint, report: Report) -> bool:
    if checkpoint.origin != seen.origin:
        report.problem(_another_log(checkpoint, seen))
    elif checkpoint.size < seen.size:
        report.problem(_cut_log(checkpoint, seen))
    elif checkpoint.size == seen.size and checkpoint.root != seen.root:
        report.problem(f"two checkpoints of size {seen.size} have different roots: the log was forked")
    return not report.problems


def _check_consistency(seen: Checkpoint, checkpoint: Checkpoint, proof: Sequence[bytes] | None, report: Report) -> None:
    if checkpoint.origin != seen.origin:
        report.problem(_another_log(checkpoint, seen))
        return
    old, new = sorted((seen, checkpoint), key=lambda one: one.size)
    if proof is None and 0 < old.size < new.size:
        report.undecidable(f"nothing here proves that the log of size {new.size} begins with that of size {old.size}")
        return
    try:
        verify_consistency(old.size, old.root, new.size, new.root, proof or ())
    except ProofError as error:
        report.problem(
            f"the log of size {new.size} does not begin with that of size {old.size}, it was forked: {error}"
        )


def _another_log(checkpoint: Checkpoint, seen: Checkpoint) -> str:
    return f"the checkpoint is of the log {checkpoint.origin!r}, the one before of {seen.origin!r}: {_EPOCH}"


def _cut_log(checkpoint: Checkpoint, seen: Checkpoint) -> str:
    return (
        f"the log has {checkpoint.size} entries, and an earlier checkpoint has {seen.size}: it was cut, or a "
        "backup was restored"
    )


class _Reading:
    """Reading of the entries in the order of positions; *known* is the checkpoint that it begins after."""

    def __init__(
        self, report: Report, tree: CompactRange, walks: _Walks, seen: Checkpoint | None, known: Checkpoint | None
    ) -> None:
        self._report, self._tree, self._walks, self._seen, self._known = report, tree, walks, seen, known
        self.ended = False  # before the size of the checkpoint, or after it

    def up_to(self, checkpoint: Checkpoint, entries: Iterable[SealedEntry]) -> None:
        """Read entries up to the size of a checkpoint, and compare the root."""
        report, tree, seen = self._report, self._tree, self._seen
        for entry in entries:
            if entry.position != tree.size:
                return self._end(f"the entry at position {tree.size} is missing: {entry.position} follows")
            if tree.size == checkpoint.size:
                return self._end(
                    f"the checkpoint has {checkpoint.size} entries, and there is one at position {tree.size}"
                )
            tree.append(tree_leaf_hash(leaf_data(entry.body)))
            self._walks.step(entry)
            if seen is not None and tree.size == seen.size and tree.root() != seen.root:
                report.problem(f"the first {seen.size} entries are not those of the checkpoint that was seen before")
        if tree.size < checkpoint.size:
            return self._end(
                f"the entry at position {tree.size} is missing: the checkpoint has {checkpoint.size} entries"
            )
        if tree.root() != checkpoint.root:
            before = f", or those before position {self._known.size} were rewritten" if self._known else ""
            report.problem(
                "the entries do not have the root that the checkpoint signs: one was changed, removed, added or moved"
                + before
            )
        return None

    def _end(self, problem: str) -> None:
        self._report.problem(problem)
        self.ended = True


class _Walks:
    """The walks over all chains at once, in the order of the log."""

    def __init__(self, report: Report, state: State | None) -> None:
        self._report = report
        self.later_release = state.later_release if state else None
        self.unknown_action = False
        self._walks = {
            name: ChainWalk(name, seq, leaf) for name, (seq, leaf) in (state.chains if state else {}).items()
        }
        self._read: set[str] = set()

    def step(self, entry: SealedEntry, *, may_skip: bool = False) -> None:
        """Check one entry: its bytes, its place in its chain and its texts. With *may_skip* others may be left out."""
        self._report.entries += 1
        try:
            self._step(entry, may_skip)
        except Unfamiliar as error:
            if self.later_release is None:
                self.later_release = f"the entry at position {entry.position}: {error}"
        except Broken as error:
            self._report.problem(f"the entry at position {entry.position}: {error}")
        except MALFORMED as error:
            self._report.problem(f"the entry at position {entry.position}: its bytes are no audit entry: {error}")

    def _step(self, entry: SealedEntry, may_skip: bool) -> None:
        document = read_entry(entry.body)
        name, seq, action = document["agg"], document["seq"], document["action"]
        _require_types(document)
        walk = self._walks.get(name)
        if walk is None:
            walk = self._walks[name] = ChainWalk(name)
        self._read.add(name)
        # The entry of a later release may have been a link of this chain, too.
        if (may_skip and seq > walk.seq + 1) or self.later_release is not None:
            walk.seq, walk.leaf = seq - 1, document["prev"]
        if not actions.is_known(name, action):
            self.unknown_action = True
            self._report.undecidable(
                f"the entry at position {entry.position}: its action {action!r} in the chain {name} is unknown to "
                "this release"
            )
        try:
            walk.follow(seq, action, document["prev"], leaf_hash(entry.body))
            stored = {field: text for field, text in entry.texts.items() if text is not None}
            if unknown := entry.texts.keys() - document["commit"].keys():
                raise Broken(f"its text {min(unknown)!r} was added")
            walk.texts(document["id"], action, document["commit"], stored)
        except Broken as error:
            raise Broken(f"{name}, {error}") from error
        walk.erase((uid, field) for uid, field in document.get("facts", {}).get("erased", ()))

    def lack_texts(self) -> bool:
        """Return whether a text is missing so far without an entry that records its erasure."""
        return any(self._walks[name].missing for name in self._read)

    def end(self, *, whole: bool) -> None:
        """Judge what is left at the end: texts that are missing, and entries of a later release."""
        report = self._report
        report.chains = len(self._read)
        for name in sorted(self._read):
            walk = self._walks[name]
            report.redacted += walk.redacted
            for problem in walk.missing.values():
                if whole and not self.unknown_action and self.later_release is None:
                    report.problem(f"{name}, {problem}")
                else:
                    report.undecidable(f"{name}, {problem} here")
        if self.later_release is not None:
            report.undecidable(
                f"{self.later_release}; after it the links of chains were not checked: verify again from position 0 "
                "with that release"
            )

    def heads(self) -> dict[str, tuple[int, str]]:
        """Return the number and the hash of each chain's last entry."""
        return {name: (walk.seq, walk.leaf) for name, walk in self._walks.items()}


def _require_types(document: Mapping[str, object]) -> None:
    """Raise ValueError for a member of a wrong type that the walk reads."""
    for name, kind in (("agg", str), ("seq", int), ("action", str), ("prev", str), ("id", str), ("commit", dict)):
        if not isinstance(document[name], kind) or document[name] is True:
            raise ValueError(f"its member {name!r} is missing or of another type")
