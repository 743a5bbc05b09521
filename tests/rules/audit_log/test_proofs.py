"""Inclusion and consistency proofs: good ones are accepted, and any other is refused."""

from __future__ import annotations

import hashlib
import json
import random
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymerkle import InmemoryTree

from registry.rules.audit_log.proofs import (
    ProofError,
    consistency_proof,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from registry.rules.audit_log.tree import EMPTY_ROOT, MAX_PROOF, MAX_SIZE, leaf_hash, root
from tests.support.sealed_log import nodes_of

FOLDER = Path(__file__).parent / "vectors"
RFC = json.loads((FOLDER / "rfc6962.json").read_text())
CT = json.loads((FOLDER / "argon2020.json").read_text())
HASHED = [leaf_hash(bytes.fromhex(leaf)) for leaf in RFC["leaves"]]
ROOTS = [bytes.fromhex(each) for each in RFC["roots"]]
LEAVES = [leaf_hash(str(number).encode()) for number in range(600)]
NODE = nodes_of(LEAVES)
ALL = [root(size, NODE) for size in range(len(LEAVES) + 1)]
REFUSED = (ProofError, ValueError)


@pytest.mark.parametrize("case", RFC["inclusion"], ids=lambda case: f"{case['index']} of {case['size']}")
def test_inclusion_proofs_are_those_of_the_vectors(case: dict[str, Any]) -> None:
    proof = [bytes.fromhex(hash_) for hash_ in case["proof"]]

    assert inclusion_proof(case["index"], case["size"], nodes_of(HASHED)) == proof
    verify_inclusion(HASHED[case["index"]], case["index"], case["size"], proof, ROOTS[case["size"]])


@pytest.mark.parametrize("case", RFC["consistency"], ids=lambda case: f"{case['old']} to {case['size']}")
def test_consistency_proofs_are_those_of_the_vectors(case: dict[str, Any]) -> None:
    proof = [bytes.fromhex(hash_) for hash_ in case["proof"]]

    assert consistency_proof(case["old"], case["size"], nodes_of(HASHED)) == proof
    verify_consistency(case["old"], ROOTS[case["old"]], case["size"], ROOTS[case["size"]], proof)


def test_proofs_of_a_certificate_transparency_log_are_accepted() -> None:
    leaf, size, tree_root = leaf_hash(b64decode(CT["leaf_input"])), CT["size"], b64decode(CT["root"])

    verify_inclusion(leaf, CT["index"], size, list(map(b64decode, CT["audit_path"])), tree_root)
    verify_consistency(CT["old_size"], b64decode(CT["old_root"]), size, tree_root, [*map(b64decode, CT["consistency"])])


def test_proofs_agree_with_pymerkle() -> None:
    other = InmemoryTree(algorithm="sha256")
    for number in range(60):
        other.append_entry(str(number).encode())
    draw = random.Random(0)

    for _ in range(60):
        size = draw.randint(2, 60)
        index, old = draw.randrange(size), draw.randint(1, size - 1)
        path = {hash_.hex() for hash_ in inclusion_proof(index, size, NODE)}
        assert path | {LEAVES[index].hex()} == set(other.prove_inclusion(index + 1, size).serialize()["path"])
        # Its consistency proofs have another form, so only the roots between which ours lead are its own.
        proof = consistency_proof(old, size, NODE)
        verify_consistency(old, other.get_root(old), size, other.get_root(size), proof)


def _flipped(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]


def _wrong(proof: list[bytes], draw: random.Random) -> Iterator[list[bytes]]:
    """Yield proofs that differ from *proof* in one way each."""
    yield [*proof, draw.randbytes(32)]
    yield [draw.randbytes(32), *proof]
    if proof:
        at = draw.randrange(len(proof))
        yield proof[:at] + proof[at + 1 :]
        yield [*proof[:at], _flipped(proof[at], draw), *proof[at + 1 :]]
    if len(proof) > 1:
        yield proof[::-1]


def _check_many(good: int) -> tuple[int, int]:
    """Return how many proofs were accepted and how many refused, as they should be."""
    draw, accepted, refused = random.Random(good), 0, 0
    for _ in range(good // 2):
        size = draw.randint(1, len(LEAVES))
        index, old = draw.randrange(size), draw.randint(1, size)
        leaf, path = LEAVES[index], inclusion_proof(index, size, NODE)
        verify_inclusion(leaf, index, size, path, ALL[size])
        consistent = consistency_proof(old, size, NODE)
        verify_consistency(old, ALL[old], size, ALL[size], consistent)
        accepted += 2
        bad = [(leaf, index, size, other, ALL[size]) for other in _wrong(path, draw)]
        bad += [
            (_flipped(leaf, draw), index, size, path, ALL[size]),
            (leaf, index, size, path, _flipped(ALL[size], draw)),
        ]
        bad += [(leaf, (index + draw.randint(1, size - 1)) % size, size, path, ALL[size])] if size > 1 else []
        for case in bad:
            with pytest.raises(REFUSED):
                verify_inclusion(*case)
        worse = [(old, ALL[old], size, ALL[size], other) for other in _wrong(consistent, draw)]
        worse += [(old, _flipped(ALL[old], draw), size, ALL[size], consistent)]
        worse += [(old, ALL[old], size, _flipped(ALL[size], draw), consistent)]
        worse += [(old, ALL[old], size * 2, ALL[size], consistent), (size + 1, ALL[old], size, ALL[size], consistent)]
        for worse_case in worse:
            with pytest.raises(REFUSED):
                verify_consistency(*worse_case)
        refused += len(bad) + len(worse)
    return accepted, refused


def test_good_proofs_are_accepted_and_all_others_refused() -> None:
    accepted, refused = _check_many(200)

    assert accepted == 200
    assert refused > 1000


@pytest.mark.slow
def test_ten_thousand_good_proofs_are_accepted_and_all_others_refused() -> None:
    accepted, refused = _check_many(10_000)

    assert accepted == 10_000
    assert refused > 20_000


def test_a_proof_that_is_too_long_is_refused_before_any_hash_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    long = [bytes(32)] * 10_000_000
    monkeypatch.setattr(hashlib, "sha256", None)

    with pytest.raises(ProofError, match=f"at most {MAX_PROOF} hashes"):
        verify_inclusion(bytes(32), 0, MAX_SIZE, long, bytes(32))
    with pytest.raises(ProofError, match=f"at most {MAX_PROOF} hashes"):
        verify_consistency(1, bytes(32), MAX_SIZE, bytes(32), long)


@pytest.mark.parametrize("sizes", [(-1, 1), (2, 1), (0, MAX_SIZE + 1), (1, -1)])
def test_sizes_that_no_two_trees_have_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(REFUSED):
        verify_consistency(sizes[0], EMPTY_ROOT, sizes[1], EMPTY_ROOT, [])


def test_an_empty_tree_is_the_beginning_of_any_other_with_an_empty_proof_only() -> None:
    verify_consistency(0, EMPTY_ROOT, 5, ALL[5], [])

    with pytest.raises(ProofError, match="too many"):
        verify_consistency(0, EMPTY_ROOT, 5, ALL[5], [bytes(32)])
    with pytest.raises(ProofError, match="another one"):
        verify_consistency(0, bytes(32), 5, ALL[5], [])
    with pytest.raises(ProofError, match="different roots"):
        verify_consistency(0, EMPTY_ROOT, 0, bytes(32), [])
    with pytest.raises(ProofError, match="different roots"):
        verify_consistency(5, ALL[4], 5, ALL[5], [])
