"""Read the sealed log: its latest checkpoint, tiles, proofs, and entries in the order of their positions.

Readers get what is under the latest published checkpoint of the present origin. Before the first one, and where nothing
signs, they get all that has a position.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, func, or_, select, tuple_
from sqlalchemy.orm import Session

from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import AuditEntry, AuditText, Leaf, SignedCheckpoint, TileRow, Tree
from registry.db.queries import pages, row_sizes
from registry.db.queries.pages import Sorted
from registry.db.session import look_up, look_up_together, reading
from registry.domain.errors import Conflict, NotFound, NotSealed
from registry.rules.audit_log.entries import MALFORMED, leaf_data
from registry.rules.audit_log.proofs import inclusion_proof
from registry.rules.audit_log.tiles import HEIGHT, WIDTH, Tile, TileError, TileNodes, encode_bundle
from registry.rules.audit_log.tlog_proof import TlogProof
from registry.rules.audit_log.tree import HASH_BYTES
from registry.services.sealed_log.tree_rows import read_tile

_PUBLISHED = (
    select(func.max(SignedCheckpoint.size))
    .where(SignedCheckpoint.origin == Tree.origin, SignedCheckpoint.published_at.is_not(None))
    .correlate(Tree)
    .scalar_subquery()
)
_STATE = FixedStatement(
    select(Tree.origin, Tree.keys, Tree.size, SignedCheckpoint.size.label("published"), SignedCheckpoint.note)
    .select_from(Tree)
    .outerjoin(SignedCheckpoint, and_(SignedCheckpoint.origin == Tree.origin, SignedCheckpoint.size == _PUBLISHED))
)
_POSITION = FixedStatement(
    select(Leaf.position)
    .select_from(AuditEntry)
    .outerjoin(Leaf, Leaf.entry_id == AuditEntry.id)
    .where(AuditEntry.uid == bindparam("uid"))
)


@dataclass(frozen=True, slots=True)
class LogState:
    """The present origin ("" before the first signature) with its public keys, the tree's size, and the checkpoint.

    ``published`` is the size of the latest published checkpoint, and ``note`` its text; None where there is none.
    """

    origin: str
    keys: str
    size: int
    published: int | None
    note: str | None

    @property
    def shown(self) -> int:
        """The number of entries that readers get."""
        return self.size if self.published is None else self.published


@dataclass(frozen=True, slots=True)
class SealStatus:
    """The position of an entry, None without one. ``is_sealed`` once a proof of it can be had, where anything signs."""

    position: int | None
    is_sealed: bool


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """An entry with its position, and its texts by name, None for one that is no longer stored."""

    position: int
    body: bytes
    texts: Mapping[str, AuditText | None]


@dataclass(frozen=True, slots=True)
class LogPage:
    """Entries in the order of positions. ``next_after`` is the ``after`` of the next page, None at the log's start."""

    items: Sequence[SealedRecord]
    next_after: int | None
    more: bool


class _SealedRow(NamedTuple):
    position: int
    uid: str
    body: bytes


_ENTRIES = pages.details(
    select(Leaf.position, AuditEntry.uid, AuditEntry.body)
    .select_from(Leaf)
    .join(AuditEntry, AuditEntry.id == Leaf.entry_id),
    Leaf.position,
    row_sizes.sealed_entry,
    name="sealed entries",
    complete=False,
)
_ORDER = (Sorted(Leaf.position),)


def checkpoint() -> str:
    """Return the latest published checkpoint, a signed note. Raises NotFound with the reason where there is none."""
    state = log_state()
    if state.note is None:
        raise NotFound(_unpublished(state))
    return state.note


def public_keys() -> Sequence[str]:
    """Return the public keys that sign checkpoints; none where nothing has signed."""
    return log_state().keys.splitlines()


def tile(asked: Tile) -> bytes:
    """Return the hashes of a tile. Raises NotFound for one that the log does not have yet, and Conflict."""
    _require_shown(asked)
    with reading() as session:
        hashes = read_tile(session, asked)
    if len(hashes) != asked.width * HASH_BYTES:
        raise _incomplete_log(f"hashes of the tile {asked.path} are missing")
    return hashes


def bundle(asked: Tile) -> Iterator[bytes]:
    """Return a bundle of entries in parts, so that memory stays constant.

    Raises NotFound and Conflict as :func:`tile` does, before the first part or in place of a later one.
    """
    _require_shown(asked)
    parts = _bundle_parts(asked.index * WIDTH, asked.index * WIDTH + asked.width)
    return itertools.chain([next(parts)], parts)


def proof(uid: str) -> bytes:
    """Return the proof of an entry under the latest published checkpoint, as a text.

    Raises NotFound for an unknown entry, NotSealed for one that no published checkpoint covers, and Conflict where
    hashes of the tree are missing.
    """
    position, state = _locate(uid)
    if position is None or state.note is None or state.published is None or position >= state.published:
        raise NotSealed(_unpublished(state) if state.note is None else f"entry {uid} is not sealed yet; {_SOON}")
    with reading() as session:
        nodes = _nodes_of_proof(session, position, state.published)
    try:
        hashes = inclusion_proof(position, state.published, nodes)
    except TileError as error:
        raise _incomplete_log(str(error)) from error
    return TlogProof(position, tuple(hashes), state.note.encode()).dump()


def seal_status(uid: str) -> SealStatus:
    """Return whether a committed entry is sealed, and where. Raises NotFound."""
    position, state = _locate(uid)
    is_covered = position is not None and (not state.origin or position < (state.published or 0))
    return SealStatus(position, is_covered)


def sealed(*, after: int | None, limit: int) -> LogPage:
    """Return at most *limit* entries that follow a position, from the log's start by default."""
    first, end = 0 if after is None else after + 1, log_state().shown
    with reading() as session:
        fitting = _read_entries(session, first, end, limit=limit)
        rows = [_SealedRow(*row) for row in fitting.rows]
        stored: dict[str, dict[str, AuditText]] = {row.uid: {} for row in rows}
        for text in session.scalars(select(AuditText).where(AuditText.entry_uid.in_(stored))):
            stored[text.entry_uid][text.field] = text
    records = [SealedRecord(row.position, row.body, _texts(row.body, stored[row.uid])) for row in rows]
    return LogPage(records, rows[-1].position if rows else after, fitting.more)


_SOON = "entries are sealed within seconds: send the request again, or the write with Prefer: wait=10"


def log_state() -> LogState:
    """Return the state of the log, by one statement."""
    return LogState(*look_up(_STATE)[0])


def _locate(uid: str) -> tuple[int | None, LogState]:
    """Return the position of an entry and the state of the log. Raises NotFound."""
    entry, state = Query(_POSITION, uid=uid), Query(_STATE)
    look_up_together(entry, state)
    if not entry.rows:
        raise NotFound(f"there is no entry {uid}")
    return entry.rows[0].position, LogState(*state.rows[0])


def _unpublished(state: LogState) -> str:
    if not state.origin:
        return (
            "no checkpoint was signed: no process that seals has a log key (REGISTRY_LOG_KEY); "
            f"{state.size} entries have positions"
        )
    return f"no checkpoint of the log {state.origin} is published yet; {_SOON}"


def _require_shown(asked: Tile) -> None:
    shown = log_state().shown
    if not asked.is_in(shown):
        raise NotFound(f"the log has no tile {asked.path} yet: {shown} entries are sealed")


def _nodes_of_proof(session: Session, position: int, size: int) -> TileNodes:
    """Return the nodes of the tree, with the tiles that the proof of a position needs read by two statements.

    They are in each level the tile above the position and the last one.
    """
    places = {(level, number) for level in range(1, HEIGHT) for number in _numbers(level, position, size)}
    leaves = [range(number * WIDTH, number * WIDTH + WIDTH) for number in _numbers(0, position, size)]
    tiles: dict[tuple[int, int], bytes] = {}
    in_them = or_(*(Leaf.position.between(one.start, one.stop - 1) for one in leaves))
    for leaf in session.execute(select(Leaf.position, Leaf.leaf).where(in_them).order_by(Leaf.position)):
        tiles[0, leaf.position // WIDTH] = tiles.get((0, leaf.position // WIDTH), b"") + leaf.leaf
    stored = select(TileRow.level, TileRow.number, TileRow.hashes)
    for row in session.execute(stored.where(tuple_(TileRow.level, TileRow.number).in_(places))) if places else ():
        tiles[row.level, row.number] = row.hashes
    return TileNodes(size, lambda one: tiles.get((one.level or 0, one.index), b"")[: one.width * HASH_BYTES])


def _numbers(level: int, position: int, size: int) -> Collection[int]:
    """Return the numbers of the tiles of a level above a position, and at the end of the tree."""
    hashes = size >> (HEIGHT * level)
    return {position >> (HEIGHT * (level + 1)), (hashes - 1) // WIDTH} if hashes else set()


def _read_entries(session: Session, first: int, end: int, *, limit: int) -> pages.Fitting:
    matching = select(Leaf.position).where(Leaf.position >= first, Leaf.position < end)
    return pages.read(session, pages.bounded(_ENTRIES, matching, _ORDER), {}, limit=limit)


def _bundle_parts(first: int, end: int) -> Iterator[bytes]:
    while first < end:
        with reading() as session:
            rows = [_SealedRow(*row) for row in _read_entries(session, first, end, limit=end - first).rows]
        if not rows or [row.position for row in rows] != list(range(first, first + len(rows))):
            raise _incomplete_log(f"entries after position {first - 1} are missing")
        yield encode_bundle([leaf_data(row.body) for row in rows])
        first += len(rows)


def _incomplete_log(problem: str) -> Conflict:
    return Conflict(f"the sealed log was changed; find out with registry audit verify: {problem}")


def _texts(body: bytes, stored: Mapping[str, AuditText]) -> Mapping[str, AuditText | None]:
    try:
        committed: dict[str, Any] = json.loads(body)["commit"]
        return {name: stored.get(name) for name in {**committed, **stored}}
    except MALFORMED:  # the bytes were changed; a verifier will judge them
        return {**stored}
