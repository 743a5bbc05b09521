"""Tiles of a tree and bundles of its entries, as C2SP tlog-tiles lays them out (https://c2sp.org/tlog-tiles).

A tile has up to 256 consecutive hashes of one level of every eight levels of the tree. A partial tile is the beginning
of the complete one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .tree import HASH_BYTES, MAX_SIZE, node_hash

WIDTH = 256
HEIGHT = 8  # levels of the tree in a tile
MAX_LEVEL = 7  # 8 tiles, one above the other, cover 2**64 leaves
MAX_ENTRY = 2**16 - 1  # bytes of an entry in a bundle
_PATH = re.compile(
    r"(?:(?P<level>\d|[1-5]\d|6[0-3])|(?P<entries>entries))/"
    r"(?P<index>(?:x\d{3}/)*\d{3})(?:\.p/(?P<width>\d{1,3}))?",
    re.ASCII,
)
_MAX_PATH = 64

Fetch = Callable[["Tile"], bytes]
"""Return the bytes of a tile."""


class TileError(ValueError):
    """A path that names no tile, or bytes that are not those of the tile."""


@dataclass(frozen=True, slots=True)
class Tile:
    """The name of a tile: level (None: the bundle of entries over level 0), index in the level, and width."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The path below ``tile/``: ``0/x001/234`` or ``entries/000.p/17``."""
        text = f"{self.index:03}"
        text = text.zfill(-(-len(text) // 3) * 3)
        parts = [text[start : start + 3] for start in range(0, len(text), 3)]
        number = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"{'entries' if self.level is None else self.level}/{number}{partial}"

    @classmethod
    def parse(cls, path: str) -> Tile:
        """Return the tile that a path below ``tile/`` names; a tile has one path only. Raises TileError."""
        match = _PATH.fullmatch(path) if len(path) <= _MAX_PATH else None
        if match is None:
            raise TileError(f"{path[:_MAX_PATH]!r} is not the path of a tile")
        level = None if match["entries"] else int(match["level"])
        tile = cls(level, int(match["index"].replace("x", "").replace("/", "")), int(match["width"] or WIDTH))
        if tile.path != path or not 1 <= tile.width <= WIDTH:
            raise TileError(f"{path!r} is not the path of a tile")
        return tile

    def is_in(self, size: int) -> bool:
        """Return whether a tree of *size* leaves has all hashes, or entries, of the tile."""
        if (self.level or 0) > MAX_LEVEL:
            return False
        return self.index * WIDTH + self.width <= size >> (HEIGHT * (self.level or 0))


def tiles_of(size: int, *, since: int = 0) -> Iterator[Tile]:
    """Yield the tiles of hashes of a tree with *size* leaves that one of *since* leaves does not have, by level."""
    for level in range(MAX_LEVEL + 1):
        hashes, before = size >> (HEIGHT * level), since >> (HEIGHT * level)
        if hashes == before:
            continue
        for index in range(before // WIDTH, -(-hashes // WIDTH)):
            yield Tile(level, index, min(WIDTH, hashes - index * WIDTH))


def bundles_of(size: int, *, since: int = 0) -> Iterator[Tile]:
    """Yield the bundles that hold the entries from *since* up to, and without, *size*."""
    for index in range(since // WIDTH, -(-size // WIDTH)):
        yield Tile(None, index, min(WIDTH, size - index * WIDTH))


class TileNodes:
    """The nodes of a tree of *size* leaves, computed from its tiles; called as a ``Node``. Keeps the tiles it read."""

    def __init__(self, size: int, fetch: Fetch) -> None:
        if not 0 <= size <= MAX_SIZE:
            raise TileError(f"the tree size {size} is not between 0 and 2**62")
        self._size = size
        self._fetch = fetch
        self._tiles: dict[Tile, bytes] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree. Raises TileError for a tile of a wrong length."""
        tile_level, height = divmod(level, HEIGHT)
        first = index << height
        tile_index, offset = divmod(first, WIDTH)
        hashes = self._size >> (HEIGHT * tile_level)
        tile = Tile(tile_level, tile_index, min(WIDTH, hashes - tile_index * WIDTH))
        if offset + (1 << height) > tile.width:
            raise TileError(f"a tree of size {self._size} has no complete node {index} at level {level}")
        data = self._tiles.get(tile)
        if data is None:
            data = self._tiles[tile] = self._fetch(tile)
            if len(data) != tile.width * HASH_BYTES:
                raise TileError(f"the tile {tile.path} has {len(data)} bytes, not {tile.width * HASH_BYTES}")
        return _combined(
            [data[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at in range(offset, offset + (1 << height))]
        )


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return a bundle of entries, each after its length (two bytes, big-endian). Raises TileError."""
    if not 1 <= len(entries) <= WIDTH:
        raise TileError(f"a bundle has 1 to {WIDTH} entries, not {len(entries)}")
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise TileError(f"an entry in a bundle has at most {MAX_ENTRY} bytes, not {len(entry)}")
        parts += [len(entry).to_bytes(2), entry]
    return b"".join(parts)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Return the *width* entries of a bundle. Raises TileError when it has fewer or more, or ends within one."""
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < width:
        end = at + 2 + int.from_bytes(data[at : at + 2])
        if len(data) < at + 2 or len(data) < end:
            raise TileError(f"the bundle ends within entry {len(entries)}")
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) != width or at != len(data):
        raise TileError(f"the bundle does not have {width} entries")
    return entries


def _combined(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]
