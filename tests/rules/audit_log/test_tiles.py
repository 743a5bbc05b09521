"""Tiles, their paths, and bundles of entries, by the text of C2SP tlog-tiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.rules.audit_log.proofs import consistency_proof, inclusion_proof
from registry.rules.audit_log.tiles import (
    Tile,
    TileError,
    TileNodes,
    bundles_of,
    decode_bundle,
    encode_bundle,
    tiles_of,
)
from registry.rules.audit_log.tree import MAX_SIZE, leaf_hash, root
from tests.support.sealed_log import nodes_of

PATHS = {
    "0/x001/x234/067": Tile(0, 1_234_067),
    "0/000": Tile(0, 0),
    "1/000.p/17": Tile(1, 0, 17),
    "0/273.p/112": Tile(0, 273, 112),
    "63/999": Tile(63, 999),
    "entries/x001/000.p/255": Tile(None, 1000, 255),
}
NO_PATHS = [
    "", "0", "0/", "0/0", "0/1234", "0/x000/001", "0/001/002", "00/000", "64/000", "-1/000", "0/000.p/0", "0/000.p/256",
    "0/000.p/017", "0/000.p/", "0/000/p/17", "0/x001", "0/000.p/17\n", "entries/000.p/256", "data/000", "0/٠٠٠",
    "0/../000", "0/" + "x000/" * 30 + "001",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_path_names_one_tile(path: str) -> None:
    assert Tile.parse(path) == PATHS[path]
    assert PATHS[path].path == path


@pytest.mark.parametrize("path", NO_PATHS)
def test_any_other_path_names_none(path: str) -> None:
    with pytest.raises(TileError):
        Tile.parse(path)


@given(st.sampled_from([None, 0, 1, 7]), st.integers(0, 2**54 - 1), st.integers(1, 256))
def test_every_tile_has_a_path(level: int | None, index: int, width: int) -> None:
    tile = Tile(level, index, width)

    assert Tile.parse(tile.path) == tile


def test_a_tree_of_70_000_leaves_has_the_tiles_of_the_specification() -> None:
    tiles = list(tiles_of(70_000))
    partial = [(tile.level, tile.width) for tile in tiles if tile.width < 256]

    assert [sum(tile.level == level for tile in tiles) for level in range(4)] == [274, 2, 1, 0]
    assert partial == [(0, 112), (1, 17), (2, 1)]
    assert [tile.path for tile in tiles_of(256)] == ["0/000", "1/000.p/1"]
    assert all(tile.is_in(70_000) for tile in tiles)
    assert not any(Tile(tile.level, tile.index, tile.width + 1).is_in(70_000) for tile in tiles if tile.width < 256)
    assert list(tiles_of(0)) == [] == list(bundles_of(0))


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_tiles_that_are_new_complete_those_that_were_there(one: int, other: int) -> None:
    old, new = sorted((one, other))
    names = {(tile.level, tile.index): tile.width for tile in tiles_of(old)}
    names |= {(tile.level, tile.index): tile.width for tile in tiles_of(new, since=old)}

    assert names == {(tile.level, tile.index): tile.width for tile in tiles_of(new)}
    assert sum(tile.width for tile in bundles_of(new, since=old // 256 * 256)) == new - old // 256 * 256


def test_proofs_and_roots_are_computed_from_tiles_alone() -> None:
    def fetch(tile: Tile) -> bytes:
        fetched.append(tile)
        level = 8 * (tile.level or 0)
        return b"".join(node(level, tile.index * 256 + offset) for offset in range(tile.width))

    node = nodes_of([leaf_hash(str(number).encode()) for number in range(70_000)])
    fetched: list[Tile] = []
    for size, index, old in [
        (1, 0, 1),
        (256, 255, 255),
        (257, 0, 256),
        (69_999, 65_535, 300),
        (70_000, 12_345, 65_536),
    ]:
        fetched.clear()
        assert inclusion_proof(index, size, TileNodes(size, fetch)) == inclusion_proof(index, size, node)
        assert len(fetched) <= 5, "a proof needs few tiles"
        assert consistency_proof(old, size, TileNodes(size, fetch)) == consistency_proof(old, size, node)
        assert root(size, TileNodes(size, fetch)) == root(size, node)


def test_a_tile_of_a_wrong_length_is_refused() -> None:
    with pytest.raises(TileError, match=r"0/000\.p/3 has 95 bytes, not 96"):
        root(3, TileNodes(3, lambda _: bytes(95)))
    with pytest.raises(TileError, match="not between"):
        TileNodes(MAX_SIZE + 1, lambda _: b"")
    with pytest.raises(TileError, match="no complete node"):
        TileNodes(3, lambda _: bytes(96))(1, 1)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_a_bundle_has_its_entries_and_nothing_else(entries: list[bytes]) -> None:
    data = encode_bundle(entries)

    assert decode_bundle(data, len(entries)) == entries
    for wrong in (data[:-1], data + b"\0", data + b"\0\0", b""):
        with pytest.raises(TileError):
            decode_bundle(wrong, len(entries))


def test_a_bundle_is_written_as_the_specification_says() -> None:
    assert encode_bundle([b"", b"ab", b"x" * 258]) == b"\0\0" + b"\0\x02ab" + b"\x01\x02" + b"x" * 258
    assert len(encode_bundle([b"x" * 65_535])) == 65_537
    for entries in ([], [b""] * 257, [b"x" * 65_536]):
        with pytest.raises(TileError):
            encode_bundle(entries)
