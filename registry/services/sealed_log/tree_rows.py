"""The rows of the log's tree as nodes: tiles above level 0 are stored, and those of level 0 are the leaves."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.bulk_insert import insert_missing
from registry.db.models import Leaf, TileRow
from registry.rules.audit_log.tiles import WIDTH, Tile, TileNodes
from registry.rules.audit_log.tree import HASH_BYTES


def nodes(session: Session, size: int) -> TileNodes:
    """Return the nodes of the tree as it was at *size*. Each tile is read once, when it is needed."""
    return TileNodes(size, lambda tile: read_tile(session, tile))


def read_tile(session: Session, tile: Tile) -> bytes:
    """Return the hashes of a tile; fewer than its width where the tree does not have it."""
    if tile.level:
        stored = select(TileRow.hashes).where(TileRow.level == tile.level, TileRow.number == tile.index)
        return (session.scalars(stored).first() or b"")[: tile.width * HASH_BYTES]
    first = tile.index * WIDTH
    leaves = select(Leaf.leaf).where(Leaf.position >= first, Leaf.position < first + tile.width)
    return b"".join(session.scalars(leaves.order_by(Leaf.position)))


def extend_tiles(session: Session, hashes: Mapping[tuple[int, int], bytes]) -> None:
    """Append to tiles above level 0, by level and number; the caller has locked the tree."""
    names = sorted(hashes)
    rows = [{"level": level, "number": number, "hashes": b""} for level, number in names]
    insert_missing(session, TileRow, rows, key=["level", "number"])
    for name in names:
        row = session.get_one(TileRow, name, populate_existing=True)
        row.hashes += hashes[name]
