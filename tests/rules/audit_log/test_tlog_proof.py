"""The proof of one entry as a text, by the text of C2SP tlog-proof."""

from __future__ import annotations

import pytest

from registry.rules.audit_log.checkpoints import CheckpointError
from registry.rules.audit_log.notes import NoteError
from registry.rules.audit_log.proofs import ProofError
from registry.rules.audit_log.tlog_proof import MAX_BYTES, TlogProof
from tests.support.sealed_log import KEY, SealedLog

LOG = SealedLog().fill(11)
KEYS = [KEY.verifier]


def proof_of(position: int, extra: bytes | None = None) -> TlogProof:
    (entry,) = LOG.selected([position])
    return TlogProof(position, tuple(entry.proof or ()), LOG.note(), extra)


@pytest.mark.parametrize("extra", [None, b"", b"context"])
def test_a_proof_is_read_as_it_was_written_and_holds(extra: bytes | None) -> None:
    for position in range(11):
        proof = TlogProof.parse(proof_of(position, extra).dump())

        assert proof == proof_of(position, extra)
        assert proof.verify(LOG.leaves[position], KEYS) == LOG.checkpoint()


def test_a_proof_has_the_lines_of_the_specification() -> None:
    lines = proof_of(10, b"\x01").dump().decode().split("\n")

    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra AQ==", "index 10"]
    assert lines[5] == ""
    assert "\n".join(lines[6:]).encode() == LOG.note()
    assert len(proof_of(5).dump()) < 2048


def test_a_proof_does_not_hold_for_another_entry() -> None:
    for position in (0, 1, 9):
        with pytest.raises(ProofError):
            proof_of(5).verify(LOG.leaves[position], KEYS)


def test_every_single_bit_before_the_checkpoint_counts() -> None:
    data, leaf, accepted = proof_of(5).dump(), LOG.leaves[5], []
    for bit in range(data.index(b"registry.example") * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            TlogProof.parse(bytes(changed)).verify(leaf, KEYS)
        except (ProofError, NoteError, CheckpointError):
            continue
        accepted.append(bit)

    assert accepted == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wrong-header\nindex 0\n\n",
        "c2sp.org/tlog-proof@v1\nextra !!\nindex 0\n\n",
        "c2sp.org/tlog-proof@v1\n\n",
        "c2sp.org/tlog-proof@v1\nindex -5\n\n",
        "c2sp.org/tlog-proof@v1\nindex 05\n\n",
        "c2sp.org/tlog-proof@v1\nindex five\n\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n!!\n\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n" + "A" * 84 + "\n\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n" + ("A" * 43 + "=\n") * 64 + "\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n",
        "x" * (MAX_BYTES + 1),
    ],
)
def test_a_text_that_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(ProofError):
        TlogProof.parse(text.encode())
