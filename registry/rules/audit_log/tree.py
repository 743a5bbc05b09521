"""Merkle tree of RFC 6962 over SHA-256: hashes, roots and the compact range that an append-only log extends.

A node is named by its level (0: leaves) and its index in that level; it covers the leaves
``index * 2**level`` up to, and without, ``(index + 1) * 2**level``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

HASH_BYTES = 32
MAX_SIZE = 2**62  # leaves in a tree; bounds every proof to MAX_PROOF hashes
MAX_PROOF = 63
EMPTY_ROOT = hashlib.sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""Return the hash of a complete subtree by level and index."""
Completed = Callable[[int, int, bytes], None]
"""Receive level, index and hash of a subtree that an append completed."""


class TreeError(ValueError):
    """A size, an index or a hash that no tree has."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf's data: SHA-256(0x00 ‖ data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def require_size(size: int) -> None:
    """Raise TreeError for a number of leaves that is negative or above MAX_SIZE."""
    if not 0 <= size <= MAX_SIZE:
        raise TreeError(f"the tree size {size} is not between 0 and 2**62")


class CompactRange:
    """The complete subtrees of a tree, largest first: enough to append leaves and to compute the root.

    It has one hash for each bit that is set in the size.
    """

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        """Continue a tree of *size* leaves. Raises TreeError for a wrong number or length of *hashes*."""
        require_size(size)
        self.size = size
        self.hashes = list(hashes)
        if len(self.hashes) != size.bit_count():
            raise TreeError(f"a tree of size {size} has {size.bit_count()} complete subtrees, not {len(self.hashes)}")
        _require_hashes(self.hashes)

    def append(self, leaf: bytes, completed: Completed | None = None) -> None:
        """Append a leaf by its hash; *completed* gets the leaf and each inner node that it completes.

        Raises TreeError for a hash of a wrong length, and for a full tree.
        """
        if len(leaf) != HASH_BYTES:
            raise TreeError(f"a hash has {HASH_BYTES} bytes, not {len(leaf)}")
        require_size(self.size + 1)
        level, index, hash_ = 0, self.size, leaf
        if completed is not None:
            completed(level, index, hash_)
        while index & 1:
            level, index, hash_ = level + 1, index >> 1, node_hash(self.hashes.pop(), hash_)
            if completed is not None:
                completed(level, index, hash_)
        self.hashes.append(hash_)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree; that of the empty tree is SHA-256 of no bytes."""
        return _folded(self.hashes)

    def dump(self) -> bytes:
        """Return the hashes in one piece, as :meth:`load` reads them."""
        return b"".join(self.hashes)

    @classmethod
    def load(cls, size: int, data: bytes) -> CompactRange:
        """Return the range of *size* leaves from what :meth:`dump` returned. Raises TreeError."""
        return cls(size, split_hashes(data))


def split_hashes(data: bytes) -> list[bytes]:
    """Return the hashes that stand one after the other in *data*. Raises TreeError."""
    if len(data) % HASH_BYTES:
        raise TreeError(f"{len(data)} bytes are no whole number of hashes of {HASH_BYTES} bytes")
    return [data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)]


def subtree_root(begin: int, end: int, node: Node) -> bytes:
    """Return the RFC 6962 hash of the leaves from *begin* up to, and without, *end*.

    *begin* is a multiple of the smallest power of two that is not below ``end - begin``, as in every proof.
    """
    parts = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        parts.append(node(level, begin >> level))
        begin += 1 << level
    return _folded(parts)


def root(size: int, node: Node) -> bytes:
    """Return the root of the first *size* leaves. Raises TreeError."""
    require_size(size)
    return subtree_root(0, size, node)


def split(size: int) -> int:
    """Return the largest power of two below *size*, where RFC 6962 divides a tree of more than one leaf."""
    return 1 << ((size - 1).bit_length() - 1)


def _folded(parts: Sequence[bytes]) -> bytes:
    if not parts:
        return EMPTY_ROOT
    hash_ = parts[-1]
    for left in reversed(parts[:-1]):
        hash_ = node_hash(left, hash_)
    return hash_


def _require_hashes(hashes: Iterable[bytes]) -> None:
    for hash_ in hashes:
        if len(hash_) != HASH_BYTES:
            raise TreeError(f"a hash has {HASH_BYTES} bytes, not {len(hash_)}")
