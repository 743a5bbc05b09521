"""Verify the whole sealed log of a registry over its API, or what is new in it since the last run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.client.errors import NotFound, UnexpectedReply
from registry.client.sealed_log.source import Source, absence, signers, strangers
from registry.rules.audit_log.checkpoints import Checkpoint, CheckpointError, read_checkpoint
from registry.rules.audit_log.entries import MALFORMED
from registry.rules.audit_log.files import read_document
from registry.rules.audit_log.notes import NoteError, VerifierKey
from registry.rules.audit_log.reports import Report
from registry.rules.audit_log.state import State
from registry.rules.audit_log.verification import SealedEntry, verify_log

ROUNDS = 5  # later checkpoints that are read for texts that were erased during the run


class _NotAnEntry(Exception):
    """An item of the registry that is no entry."""


@dataclass(frozen=True, slots=True)
class LogVerification:
    """A report with the state to keep, and the keys that it rests on.

    ``note`` is the checkpoint that the registry showed last. ``first_use`` is True when the keys came from the registry
    itself. ``strangers`` are signatures of other keys on the checkpoint, such as the key that replaces a trusted one.
    """

    report: Report
    state: State | None
    note: bytes | None = None
    keys: tuple[VerifierKey, ...] = ()
    first_use: bool = False
    strangers: Sequence[str] = ()


def verify(
    source: Source, *, keys: Sequence[VerifierKey] = (), state: State | None = None, from_start: bool = False
) -> LogVerification:
    """Verify what the log has after *state*; with *from_start* all of it, compared with *state*.

    Trusts *keys*, else those of the state, else the keys that the registry publishes (first use). A text that was
    erased while entries were read is judged with a later checkpoint. Raises RegistryError when the registry does not
    answer.
    """
    report = Report()
    try:
        note = source.checkpoint(at_least=state.checkpoint.size if state else 0)
    except NotFound as error:
        absence(report, error, state.checkpoint if state else None)
        return LogVerification(report, state)
    trusted = tuple(keys) or (state.keys if state else ())
    first_use, reading = not trusted, _Reading(source, note)
    try:
        trusted = trusted or signers(source, note)
        start = 0 if from_start or state is None else state.checkpoint.size
        entries = reading.entries(note, start)
        report, kept = verify_log(note, entries, trusted, state, newer=reading.newer, from_start=from_start)
        others = strangers(reading.note, trusted) if report.checkpoint else ()
        return LogVerification(report, kept, reading.note, trusted, first_use, others)
    except NoteError as error:  # of the keys that the registry publishes
        report.problem(f"the checkpoint: {error}")
    except _NotAnEntry as error:
        report.problem(str(error))
    except (NotFound, UnexpectedReply) as error:
        report.undecidable(f"the registry does not show its entries: {error.detail}")
    report.checkpoint = reading.verified
    return LogVerification(report, state, reading.note, trusted, first_use)


@dataclass(slots=True)
class _Reading:
    """The entries of one run; ``note`` is the checkpoint that they are read up to, ``verified`` once its key was."""

    source: Source
    note: bytes
    verified: Checkpoint | None = None
    _rounds: int = field(default=0, init=False)

    def entries(self, note: bytes, start: int) -> Iterator[SealedEntry]:
        """Read the entries up to a checkpoint; begins when the first one is asked for, after *note* was verified."""
        self.verified = read_checkpoint(note)
        items: Iterator[Any] = self.source.items(start, self.verified.size)
        for position, item in enumerate(items, start=start):
            try:
                entry = read_document(item)
            except MALFORMED as error:
                raise _NotAnEntry(f"what the registry shows at position {position} is no entry: {error}") from error
            yield entry

    def newer(self, checkpoint: Checkpoint) -> tuple[bytes, Iterable[SealedEntry]] | None:
        """Wait for a checkpoint that is later than *checkpoint*; None when none comes."""
        self._rounds += 1
        note = self.source.checkpoint(at_least=checkpoint.size + 1)
        try:
            grown = read_checkpoint(note).size > checkpoint.size
        except (NoteError, CheckpointError):
            grown = True  # and refused by the verifier
        if self._rounds > ROUNDS or not grown:
            return None
        self.note = note
        return note, self.entries(note, checkpoint.size)
