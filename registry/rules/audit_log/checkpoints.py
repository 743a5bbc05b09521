"""Checkpoints: signed notes with the origin, the size and the root of a log (https://c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .notes import NoteError, SigningKey, VerifierKey, decode64, encode64, open_note, parse_note, sign_note
from .tree import HASH_BYTES, MAX_SIZE

NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)  # decimal, without leading zeros


class CheckpointError(ValueError):
    """A text that is no checkpoint, or one of another log."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State of a log: its origin, the number of its leaves, and the root of their tree.

    ``extensions`` are further lines; this log writes none, and a reader ignores them.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text of the note, each line with its newline."""
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), encode64(self.root), *self.extensions))

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Return the checkpoint that the text of a note holds. Raises CheckpointError."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() or not all(lines):
            raise CheckpointError("a checkpoint has at least three lines, none of them empty")
        origin, number, encoded, *extensions = lines
        if NUMBER.fullmatch(number) is None or int(number) > MAX_SIZE:
            raise CheckpointError(f"the second line of a checkpoint is the size, not {number[:40]!r}")
        try:
            root = decode64(encoded)
        except NoteError as error:
            raise CheckpointError("the third line of a checkpoint is the root in base 64") from error
        if len(root) != HASH_BYTES:
            raise CheckpointError(f"the root of a checkpoint has {HASH_BYTES} bytes, not {len(root)}")
        return cls(origin, int(number), root, tuple(extensions))


def sign_checkpoint(checkpoint: Checkpoint, keys: Sequence[SigningKey]) -> bytes:
    """Return the signed note. The caller has checked that no checkpoint contradicts it that these keys signed.

    Raises CheckpointError for a key whose name is not the origin, or NoteError.
    """
    for key in keys:
        if key.verifier.name != checkpoint.origin:
            raise CheckpointError(f"a key of {key.verifier.name!r} does not sign for the log {checkpoint.origin!r}")
    if Checkpoint.parse(checkpoint.text) != checkpoint:
        raise CheckpointError("a line of the checkpoint is empty or has a newline")
    return sign_note(checkpoint.text, keys)


def open_checkpoint(note: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Return the checkpoint that a trusted key of its origin signed. Raises NoteError or CheckpointError."""
    text, signers = open_note(note, keys)
    checkpoint = Checkpoint.parse(text)
    if all(key.name != checkpoint.origin for key in signers):
        raise CheckpointError(f"no trusted key of the log {checkpoint.origin!r} signed its checkpoint")
    return checkpoint


def read_checkpoint(note: bytes) -> Checkpoint:
    """Return the checkpoint of a note without looking at its signatures. Raises NoteError or CheckpointError."""
    return Checkpoint.parse(parse_note(note).text)
