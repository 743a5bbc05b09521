"""What a verifier reads from a registry, and how it copes with answers that are older than those before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from registry.rules.audit_log.checkpoints import CheckpointError, read_checkpoint
from registry.rules.audit_log.notes import NoteError, VerifierKey, open_note, parse_note

if TYPE_CHECKING:
    from registry.client.api.audit import Audit
    from registry.client.errors import NotFound
    from registry.rules.audit_log.checkpoints import Checkpoint
    from registry.rules.audit_log.reports import Report

# A read replica of the registry is at most 5 s behind unless its operator allows more.
TRIES, PAUSE_SECONDS = 3, 2.0

Pause = Callable[[float], None]


class Source:
    """The sealed log of one registry. Answers may come from read replicas that are behind each other."""

    def __init__(self, audit: Audit, *, pause: Pause = time.sleep) -> None:
        self.audit = audit
        self._pause = pause

    def checkpoint(self, *, at_least: int = 0) -> bytes:
        """Return the latest checkpoint, not verified.

        Waits for one of *at_least* this size, and returns a smaller one only when none comes. Raises NotFound.
        """
        note = self.audit.checkpoint()
        for _ in range(TRIES):
            if _size(note) >= at_least:
                break
            self._pause(PAUSE_SECONDS)
            note = self.audit.checkpoint()
        return note

    def items(self, start: int, end: int) -> Iterator[object]:
        """Yield the items of the positions from *start* up to, and without, *end*; fewer where the registry ends."""
        position, tries = start, 0
        while position < end and tries < TRIES:
            before = position
            for item in self.audit.sealed(after=position - 1 if position else None):
                yield item
                position += 1
                if position == end:
                    return
            if position == before:
                tries += 1
                self._pause(PAUSE_SECONDS)


def signers(source: Source, note: bytes) -> tuple[VerifierKey, ...]:
    """Return the keys that the registry publishes and that signed *note*: those to trust on first use.

    Raises NoteError for a note that none of them signed.
    """
    published = source.audit.keys()
    return tuple(open_note(note, map(VerifierKey.parse, published))[1])


def strangers(note: bytes, keys: Sequence[VerifierKey]) -> list[str]:
    """Return the signatures of a note that are of no trusted key, by the key's name and id."""
    trusted = {(key.name, key.key_id) for key in keys}
    return [
        f"{signature.name}+{signature.key_id.hex()}"
        for signature in parse_note(note).signatures
        if (signature.name, signature.key_id) not in trusted
    ]


def absence(report: Report, error: NotFound, seen: Checkpoint | None) -> None:
    """Judge a registry that shows no checkpoint: nothing is proved, unless it has shown one before."""
    if seen is None:
        report.undecidable(f"the registry shows no checkpoint: {error.detail}")
    else:
        report.problem(f"the registry shows no checkpoint, and an earlier one has {seen.size} entries: {error.detail}")


def _size(note: bytes) -> int:
    try:
        return read_checkpoint(note).size
    except (NoteError, CheckpointError):
        return 0
