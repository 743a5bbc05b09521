"""Comparison of the rows of the sealed log with the entries: positions, leaves, tiles and checkpoints."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from registry.db.models import AuditEntry, Leaf, PendingEntry, Registry, SignedCheckpoint, TileRow, Tree
from registry.rules.audit_log import entries as audit_entries
from registry.rules.audit_log.checkpoints import CheckpointError, open_checkpoint, read_checkpoint
from registry.rules.audit_log.notes import NoteError, VerifierKey
from registry.rules.audit_log.tiles import HEIGHT, MAX_ENTRY, WIDTH
from registry.rules.audit_log.tree import HASH_BYTES, CompactRange, TreeError, leaf_hash
from registry.services.audit.comparison import Comparison
from registry.services.audit.streams import Cursors

MOST = 100  # differences; a walk that has found more ends
_ORIGIN = re.compile(r"model-registry/(?P<id>[^/]+)(?:/(?P<epoch>[1-9][0-9]*)-[0-9a-f]{8})?")

_LEAVES = (
    select(
        Leaf.position,
        Leaf.entry_id,
        Leaf.leaf,
        AuditEntry.aggregate,
        AuditEntry.seq,
        AuditEntry.leaf_hash,
        func.length(AuditEntry.body).label("bytes"),
    )
    .outerjoin(AuditEntry, AuditEntry.id == Leaf.entry_id)
    .order_by(Leaf.position)
)
_CHECKPOINTS = select(
    SignedCheckpoint.origin, SignedCheckpoint.size, SignedCheckpoint.root, SignedCheckpoint.note
).order_by(SignedCheckpoint.size, SignedCheckpoint.origin)


def check(session: Session, result: Comparison) -> int:
    """Compare all rows of the sealed log with the entries, whose hashes the walks over the chains compare.

    Returns the number of sealed entries. Memory grows with the number of chains. The session reads one snapshot.
    """
    trees = session.scalars(select(Tree)).all()
    if [tree.id for tree in trees] != [1]:
        result.differences.append(f"audit_tree has {len(trees)} rows, and one with the id 1 is expected")
        return 0
    (tree,) = trees
    with Cursors(session) as cursors:
        walk = _Walk(session, cursors, result)
        for row in cursors.rows(_LEAVES):
            if not walk.step(row):
                return walk.tree.size
        walk.end()
    result.check("the size of audit_tree", tree.size, walk.tree.size)
    result.check("the hashes of audit_tree", tree.hashes, walk.tree.dump())
    _check_origin(session, tree, result)
    _check_unsealed(session, tree, result)
    return walk.tree.size


class _Walk:
    """The walk over the leaves; compares tiles and checkpoints as the tree grows."""

    def __init__(self, session: Session, cursors: Cursors, result: Comparison) -> None:
        self.tree = CompactRange()
        self._session, self._result = session, result
        self._seqs: dict[str, int] = {}
        self._tiles: dict[int, tuple[int, bytearray]] = {}  # by level: number and hashes of the latest tile
        self._stored = 0
        self._checkpoints = cursors.rows(_CHECKPOINTS)
        self._next = next(self._checkpoints, None)
        self._compare_checkpoints()  # of an epoch that began before there was a position

    def step(self, row: Any) -> bool:
        """Compare one leaf; return False when the walk cannot go on."""
        position = self.tree.size
        if len(self._result.differences) > MOST:
            return False
        if row.position != position:
            self._result.differences.append(f"position {position} is missing: {row.position} follows")
            return False
        if row.leaf_hash is None:
            self._result.differences.append(f"position {position}: its entry {row.entry_id} is gone")
        else:
            self._compare_entry(position, row)
        try:
            self.tree.append(row.leaf, self._note)
        except (TreeError, TypeError) as error:
            self._result.differences.append(f"position {position}: its leaf is none: {error}")
            return False
        self._compare_checkpoints()
        return True

    def _compare_entry(self, position: int, row: Any) -> None:
        expected = self._seqs.get(row.aggregate, 0) + 1
        self._seqs[row.aggregate] = row.seq
        if row.seq != expected:
            self._result.check(f"position {position}: the number of its entry in {row.aggregate}", row.seq, expected)
        if row.leaf != (leaf := _leaf(row)):
            self._result.check(f"position {position}: its leaf", row.leaf, leaf)

    def end(self) -> None:
        """Compare the tiles that are not full, and find tiles and checkpoints that are beyond the tree."""
        for level in list(self._tiles):
            self._compare_tile(level)
        stored = self._session.scalar(select(func.count()).select_from(TileRow))
        if stored != self._stored:
            self._result.differences.append(f"there are {stored} tiles, and the tree has {self._stored} above level 0")
        if self._next is not None:
            self._result.differences.append(
                f"a checkpoint of size {self._next.size} was signed, and {self.tree.size} entries are sealed"
            )

    def _note(self, level: int, index: int, hash_: bytes) -> None:
        if level and level % HEIGHT == 0:
            tile_level = level // HEIGHT
            _, hashes = self._tiles.setdefault(tile_level, (index // WIDTH, bytearray()))
            hashes += hash_
            if len(hashes) == WIDTH * HASH_BYTES:
                self._compare_tile(tile_level)

    def _compare_tile(self, level: int) -> None:
        number, hashes = self._tiles.pop(level)
        stored = self._session.scalar(select(TileRow.hashes).where(TileRow.level == level, TileRow.number == number))
        self._stored += stored is not None
        self._result.check(f"tile {number} of level {level}", stored, bytes(hashes))

    def _compare_checkpoints(self) -> None:
        while self._next is not None and self._next.size <= self.tree.size:
            row, self._next = self._next, next(self._checkpoints, None)
            if row.size < self.tree.size:
                self._result.differences.append(f"a checkpoint has the size {row.size}, which no signed log had")
                continue
            expected = (row.origin, row.size, self.tree.root())
            self._result.check(f"the checkpoint of size {row.size}", (row.origin, row.size, row.root), expected)
            self._result.check(f"the note of the checkpoint of size {row.size}", _noted(row.note), expected)


def _leaf(row: Any) -> bytes:
    """Return the leaf that an entry has; the walk over its chain compares ``leaf_hash`` with its bytes."""
    if row.bytes > MAX_ENTRY:
        return leaf_hash(audit_entries.stand_in(row.leaf_hash, row.bytes))
    return bytes.fromhex(row.leaf_hash)


def _noted(note: str) -> tuple[str, int, bytes] | str:
    try:
        checkpoint = read_checkpoint(note.encode())
    except (NoteError, CheckpointError) as error:
        return f"none: {error}"
    return checkpoint.origin, checkpoint.size, checkpoint.root


def _check_origin(session: Session, tree: Tree, result: Comparison) -> None:
    """Compare origin and keys with the registry's id and with the newest checkpoint, whose signatures they verify."""
    newest = session.scalars(
        select(SignedCheckpoint)
        .where(SignedCheckpoint.origin == tree.origin)
        .order_by(SignedCheckpoint.size.desc())
        .limit(1)
    ).first()
    if not tree.origin:
        signed = session.scalar(select(func.count()).select_from(SignedCheckpoint))
        result.check("the number of checkpoints of a log without an origin", signed, 0)
        result.check("the keys of audit_tree", tree.keys, "")
        return
    match, identity = _ORIGIN.fullmatch(tree.origin), session.scalars(select(Registry.id)).one()
    if match is None or match["id"] != identity:
        result.differences.append(f"the origin {tree.origin!r} of audit_tree is not one of the registry {identity}")
    if newest is None:
        if tree.size:
            result.differences.append(f"no checkpoint of the origin {tree.origin!r} of audit_tree was signed")
        return
    try:
        keys = [VerifierKey.parse(line) for line in tree.keys.split("\n")]
        for key in keys:
            open_checkpoint(newest.note.encode(), [key])
    except (NoteError, CheckpointError) as error:
        result.differences.append(f"the newest checkpoint, of size {newest.size}: {error}")


def _check_unsealed(session: Session, tree: Tree, result: Comparison) -> None:
    """Find entries that will never be sealed or would be sealed twice, and what waits without being an entry."""
    backfills = AuditEntry.id.between(tree.backfill_next, tree.backfill_until)
    joined = (
        select(func.count(), func.min(AuditEntry.id))
        .outerjoin(Leaf, Leaf.entry_id == AuditEntry.id)
        .outerjoin(PendingEntry, PendingEntry.entry_id == AuditEntry.id)
    )
    waits = or_(PendingEntry.entry_id.is_not(None), backfills)
    for problem, statement in {
        "are neither sealed nor wait for it": joined.where(Leaf.entry_id.is_(None), ~waits),
        "are sealed and wait for it once more": joined.where(Leaf.entry_id.is_not(None), waits),
        "wait to be sealed, and are no entries": select(func.count(), func.min(PendingEntry.entry_id))
        .outerjoin(AuditEntry, AuditEntry.id == PendingEntry.entry_id)
        .where(AuditEntry.id.is_(None)),
    }.items():
        count, first = session.execute(statement).one()
        if count:
            result.differences.append(f"{count} entries {problem}, the first with the id {first}")
