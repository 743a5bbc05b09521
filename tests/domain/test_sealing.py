"""Growth of the sealed log by batches, and the check that it continues what was signed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.sealing import Forked, Growth, grow, require_continuation
from registry.rules.audit_log.proofs import inclusion_proof, verify_inclusion
from registry.rules.audit_log.tiles import Tile, TileNodes, tiles_of
from registry.rules.audit_log.tree import CompactRange, leaf_hash
from tests.support.sealed_log import ORIGIN, nodes_of

BODIES = [str(number).encode() for number in range(66_000)]
LEAVES = [leaf_hash(body) for body in BODIES]


class Rows:
    """What a sealer stores: leaves by position, and the tiles above level 0, which grow."""

    def __init__(self) -> None:
        self.tree, self.leaves, self.tiles = CompactRange(), list[bytes](), dict[tuple[int, int], bytes]()

    def seal(self, count: int) -> Growth:
        growth = grow(self.tree, BODIES[self.tree.size : self.tree.size + count])
        self.tree = CompactRange.load(growth.tree.size, growth.tree.dump())
        self.leaves += growth.leaves
        for tile, hashes in growth.hashes.items():
            self.tiles[tile] = self.tiles.get(tile, b"") + hashes
        return growth

    def fetch(self, tile: Tile) -> bytes:
        if tile.level:
            return self.tiles[tile.level, tile.index][: tile.width * 32]
        return b"".join(self.leaves[tile.index * 256 : tile.index * 256 + tile.width])

    def node(self, size: int) -> TileNodes:
        return TileNodes(size, self.fetch)


@given(st.lists(st.integers(0, 700), min_size=1, max_size=6))
def test_batches_of_any_size_store_the_tiles_of_the_tree(counts: list[int]) -> None:
    rows = Rows()
    for count in counts:
        growth = rows.seal(count)
    size, node = rows.tree.size, nodes_of(LEAVES[: rows.tree.size])

    assert rows.leaves == LEAVES[:size]
    assert growth.checkpoint(ORIGIN).size == size
    for tile in tiles_of(size):
        hashes = [node(8 * (tile.level or 0), tile.index * 256 + at) for at in range(tile.width)]
        assert rows.fetch(tile) == b"".join(hashes)
    assert len(rows.tiles) == sum(bool(tile.level) for tile in tiles_of(size))


def test_proofs_for_every_checkpoint_come_from_the_same_rows() -> None:
    rows = Rows()
    checkpoints = [rows.seal(count).checkpoint(ORIGIN) for count in (1, 255, 300, 65_000, 444)]
    assert rows.tiles.keys() == {(1, 0), (1, 1), (2, 0)}

    for checkpoint in checkpoints:
        index, node = checkpoint.size // 2, rows.node(checkpoint.size)
        proof = inclusion_proof(index, checkpoint.size, node)
        verify_inclusion(LEAVES[index], index, checkpoint.size, proof, checkpoint.root)
        require_continuation(checkpoint, ORIGIN, rows.tree.size, rows.node(rows.tree.size))


def test_a_log_that_does_not_continue_what_was_signed_is_refused() -> None:
    rows = Rows()
    signed = rows.seal(300).checkpoint(ORIGIN)
    node = rows.node(300)

    require_continuation(None, ORIGIN, 0, node)
    require_continuation(signed, ORIGIN, 300, node)
    for text, wrong in {
        "the database is an older state": replace(signed, size=301),
        "was forked or changed": replace(signed, root=bytes(32)),
        "is of the log 'elsewhere'": replace(signed, origin="elsewhere"),
    }.items():
        with pytest.raises(Forked, match=text):
            require_continuation(wrong, ORIGIN, 300, node)
