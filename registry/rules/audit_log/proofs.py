"""Inclusion and consistency proofs of RFC 9162, section 2.1: made from nodes of a tree, and verified without it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from .tree import EMPTY_ROOT, HASH_BYTES, MAX_PROOF, Node, node_hash, require_size, split, subtree_root


class ProofError(ValueError):
    """A proof that does not prove what it was given for."""


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """Return the hashes that lead from leaf *index* to the root of *size* leaves, the leaf's sibling first.

    Raises ProofError for a leaf that the tree does not have.
    """
    require_size(size)
    if not 0 <= index < size:
        raise ProofError(f"a tree of size {size} has no leaf {index}")
    hashes, begin, end = [], 0, size
    while end - begin > 1:
        middle = begin + split(end - begin)
        if index < middle:
            hashes.append(subtree_root(middle, end, node))
            end = middle
        else:
            hashes.append(subtree_root(begin, middle, node))
            begin = middle
    return hashes[::-1]


def consistency_proof(old_size: int, size: int, node: Node) -> list[bytes]:
    """Return the hashes that prove that the first *old_size* of *size* leaves are unchanged; none for equal sizes.

    Raises ProofError unless ``0 < old_size <= size``.
    """
    require_size(size)
    if not 0 < old_size <= size:
        raise ProofError(f"there is no consistency proof from size {old_size} to size {size}")
    hashes, begin, end, is_prefix = [], 0, size, True
    while old_size < end:
        middle = begin + split(end - begin)
        if old_size <= middle:
            hashes.append(subtree_root(middle, end, node))
            end = middle
        else:
            hashes.append(subtree_root(begin, middle, node))
            begin, is_prefix = middle, False
    if not is_prefix:
        hashes.append(subtree_root(begin, end, node))
    return hashes[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the tree of *size* leaves with this *root* has the leaf hash *leaf* at *index*. Raises ProofError."""
    require_size(size)
    _require_hashes([*proof[: MAX_PROOF + 1], leaf, root])
    if not 0 <= index < size:
        raise ProofError(f"a tree of size {size} has no leaf {index}")
    position, last, hash_ = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the inclusion proof has too many hashes")
        if position & 1 or position == last:
            hash_ = node_hash(sibling, hash_)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            hash_ = node_hash(hash_, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise ProofError("the inclusion proof has too few hashes")
    if not hmac.compare_digest(hash_, root):
        raise ProofError(f"the inclusion proof of leaf {index} leads to another root")


def verify_consistency(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of *size* leaves begins with that of *old_size* leaves. Raises ProofError.

    For equal sizes, and for an empty old tree, the proof must be empty.
    """
    require_size(size)
    _require_hashes([*proof[: MAX_PROOF + 1], old_root, root])
    if not 0 <= old_size <= size:
        raise ProofError(f"a tree of size {size} does not begin with one of size {old_size}")
    if old_size == 0 and not hmac.compare_digest(old_root, EMPTY_ROOT):
        raise ProofError("the root of the empty tree is another one")
    if old_size in {0, size}:
        if proof:
            raise ProofError("the consistency proof has too many hashes")
        if old_size == size and not hmac.compare_digest(old_root, root):
            raise ProofError(f"two trees of size {size} have different roots")
        return
    hashes = list(proof)
    if old_size & (old_size - 1) == 0:
        hashes.insert(0, old_root)  # a complete subtree is its own first hash, and the proof leaves it out
    old_hash, new_hash = _old_and_new_root(old_size, size, hashes)
    if not hmac.compare_digest(old_hash, old_root):
        raise ProofError(f"the consistency proof does not begin with the root of size {old_size}")
    if not hmac.compare_digest(new_hash, root):
        raise ProofError(f"the consistency proof does not lead to the root of size {size}")


def _old_and_new_root(old_size: int, size: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return both roots that a consistency proof leads to; *hashes* begins with a subtree that both trees have."""
    if not hashes:
        raise ProofError("the consistency proof has too few hashes")
    position, last = old_size - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_hash = new_hash = hashes[0]
    for hash_ in hashes[1:]:
        if last == 0:
            raise ProofError("the consistency proof has too many hashes")
        if position & 1 or position == last:
            old_hash, new_hash = node_hash(hash_, old_hash), node_hash(hash_, new_hash)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new_hash = node_hash(new_hash, hash_)
        position, last = position >> 1, last >> 1
    if last:
        raise ProofError("the consistency proof has too few hashes")
    return old_hash, new_hash


def _require_hashes(hashes: Sequence[bytes]) -> None:
    """Bound the work before any of it is done: at most MAX_PROOF hashes besides two roots or a leaf and a root."""
    if len(hashes) > MAX_PROOF + 2:
        raise ProofError(f"a proof has at most {MAX_PROOF} hashes")
    for hash_ in hashes:
        if len(hash_) != HASH_BYTES:
            raise ProofError(f"a hash has {HASH_BYTES} bytes, not {len(hash_)}")
