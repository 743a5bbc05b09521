"""Roots and compact ranges of the tree, by the vectors of RFC 6962 and by another implementation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from registry.rules.audit_log.tree import EMPTY_ROOT, MAX_SIZE, CompactRange, TreeError, leaf_hash, root
from tests.support.sealed_log import nodes_of

VECTORS = json.loads((Path(__file__).parent / "vectors" / "rfc6962.json").read_text())
LEAVES = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]


def test_roots_are_those_of_the_vectors() -> None:
    tree, roots = CompactRange(), [EMPTY_ROOT.hex()]
    for leaf in LEAVES:
        tree.append(leaf_hash(leaf))
        roots.append(tree.root().hex())

    node = nodes_of([leaf_hash(leaf) for leaf in LEAVES])
    assert roots == VECTORS["roots"]
    assert [root(size, node).hex() for size in range(9)] == VECTORS["roots"]


@given(st.lists(st.binary(max_size=40), max_size=40), st.integers(0, 40))
def test_a_range_that_is_stored_and_loaded_goes_on_as_pymerkle_does(data: list[bytes], at: int) -> None:
    tree, other = CompactRange(), InmemoryTree(algorithm="sha256")
    for position, leaf in enumerate(data):
        if position == at:
            tree = CompactRange.load(tree.size, tree.dump())
        tree.append(leaf_hash(leaf))
        other.append_entry(leaf)

    assert tree.root() == (other.get_root() if data else EMPTY_ROOT)
    assert len(tree.hashes) == len(data).bit_count()


@pytest.mark.parametrize(
    ("size", "hashes"),
    [(-1, []), (1, []), (0, [bytes(32)]), (3, [bytes(32)]), (1, [bytes(31)]), (MAX_SIZE + 1, [bytes(32)] * 2)],
)
def test_a_range_that_no_tree_has_is_refused(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(TreeError):
        CompactRange(size, hashes)


def test_a_leaf_that_is_no_hash_and_a_full_tree_are_refused() -> None:
    with pytest.raises(TreeError, match="32 bytes, not 5"):
        CompactRange().append(b"short")
    with pytest.raises(TreeError, match="not between"):
        CompactRange(MAX_SIZE, [bytes(32)]).append(bytes(32))
