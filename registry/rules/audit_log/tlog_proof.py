"""Proof of one entry as a text that is verified offline (https://c2sp.org/tlog-proof)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .checkpoints import NUMBER, Checkpoint, open_checkpoint
from .notes import MAX_NOTE, NoteError, VerifierKey, decode64, encode64
from .proofs import ProofError, verify_inclusion
from .tree import HASH_BYTES, MAX_PROOF

HEADER = "c2sp.org/tlog-proof@v1"
MAX_EXTRA = 64 * 1024  # bytes of base 64
MAX_BYTES = MAX_NOTE + MAX_EXTRA + 8 * 1024


@dataclass(frozen=True, slots=True)
class TlogProof:
    """Index of an entry, its inclusion proof and the checkpoint, as a signed note; nothing of it verified.

    ``extra`` is authenticated by nothing.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def dump(self) -> bytes:
        """Return the text of the proof."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {encode64(self.extra)}")
        lines += [f"index {self.index}", *map(encode64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> TlogProof:
        """Return the parts of a proof. Raises ProofError."""
        if len(data) > MAX_BYTES:
            raise ProofError(f"a proof has at most {MAX_BYTES} bytes, not {len(data)}")
        head, separator, checkpoint = data.partition(b"\n\n")
        lines = head.decode("ascii", "replace").split("\n", MAX_PROOF + 4)
        if lines.pop(0) != HEADER or not separator:
            raise ProofError(f"the text is not a proof: it does not begin with {HEADER} or has no checkpoint")
        try:
            extra = decode64(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else None
            word, _, number = (lines.pop(0) if lines else "").partition(" ")
            if word != "index" or NUMBER.fullmatch(number) is None:
                raise ProofError("the proof has no line with the index of the entry")
            if len(lines) > MAX_PROOF:
                raise ProofError(f"a proof has at most {MAX_PROOF} hashes")
            hashes = tuple(map(decode64, lines))
        except NoteError as error:
            raise ProofError(f"the proof is malformed: {error}") from error
        if any(len(hash_) != HASH_BYTES for hash_ in hashes):
            raise ProofError(f"a hash of the proof does not have {HASH_BYTES} bytes")
        return cls(int(number), hashes, checkpoint, extra)

    def verify(self, leaf: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
        """Return the checkpoint, which a trusted key signed and which covers the leaf hash *leaf* at ``index``.

        Raises ProofError, NoteError or CheckpointError.
        """
        checkpoint = open_checkpoint(self.checkpoint, keys)
        verify_inclusion(leaf, self.index, checkpoint.size, self.hashes, checkpoint.root)
        return checkpoint
