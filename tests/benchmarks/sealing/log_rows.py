"""The rows of a sealed log, read and filled by SQL."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from typing import Any

import psycopg

from registry.domain.sealing import grow
from registry.rules.audit_log.tree import CompactRange
from tests.benchmarks.serving.database import Database
from tests.support.polling import eventually

LOG_KEY = hashlib.sha256(b"a log key of the benchmark").hexdigest()
BATCH = 10_000
_TABLES = ("audit_entries", "audit_leaves")


def await_sealed(database: Database) -> None:
    """Return when every entry that was noted has its position, under a checkpoint that is published."""
    with database.connection() as connection:
        eventually(lambda: _is_sealed(connection), "the log is sealed", seconds=600, interval=0.02)


def _is_sealed(connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
    row = connection.execute(
        "SELECT size, NOT EXISTS (SELECT FROM audit_pending), "
        "(SELECT max(size) FROM audit_checkpoints WHERE published_at IS NOT NULL) FROM audit_tree"
    ).fetchone()
    assert row is not None
    size, is_taken, published = row
    return bool(is_taken and published == size)


def fill(database: Database, entries: int, progress: Callable[[str], None]) -> None:
    """Append *entries* made-up entries at their positions, behind those that are sealed. The worker must be stopped.

    Their chain is no chain: they have bytes, leaves and positions, which is all that a proof needs.
    """
    with database.connection() as connection:
        for table in _TABLES:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
        size, hashes, first = connection.execute(
            "SELECT size, hashes, (SELECT max(id) + 1 FROM audit_entries) FROM audit_tree"
        ).fetchall()[0]
        tree = CompactRange.load(size, bytes(hashes))
        for start in range(0, entries, BATCH):
            tree = _append(connection, tree, first, range(start, min(start + BATCH, entries)))
            if start % (10 * BATCH) == 0:
                progress(f"filling the log: {start:,} of {entries:,} entries")
        connection.execute("UPDATE audit_tree SET size = %s, hashes = %s", (tree.size, tree.dump()))
        for table in _TABLES:
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL".encode())
        connection.execute("ANALYZE audit_entries, audit_leaves, audit_tiles")


def _append(
    connection: psycopg.Connection[tuple[Any, ...]], tree: CompactRange, first: int, numbers: range
) -> CompactRange:
    bodies = [b'{"made up":%d,"padding":"%s"}' % (number, b"x" * 600) for number in numbers]
    growth = grow(tree, bodies)
    columns = "id, uid, aggregate, seq, at, action, actor_id, leaf_hash, body"
    with connection.cursor() as cursor, connection.transaction():
        actor = connection.execute("SELECT actor_id FROM audit_entries ORDER BY id LIMIT 1").fetchall()[0][0]
        with cursor.copy(f"COPY audit_entries ({columns}) FROM STDIN") as rows:
            for number, body, leaf in zip(numbers, bodies, growth.leaves, strict=True):
                at = "2026-01-01T00:00:00Z"
                uid = str(uuid.UUID(int=number))
                rows.write_row((first + number, uid, "made-up", number + 1, at, "made.up", actor, leaf.hex(), body))
        with cursor.copy("COPY audit_leaves (position, entry_id, leaf) FROM STDIN") as rows:
            for number, leaf in zip(numbers, growth.leaves, strict=True):
                rows.write_row((tree.size + number - numbers[0], first + number, leaf))
        cursor.executemany(
            "INSERT INTO audit_tiles (level, number, hashes) VALUES (%s, %s, %s) "
            "ON CONFLICT (level, number) DO UPDATE SET hashes = audit_tiles.hashes || excluded.hashes",
            [(level, number, hashes) for (level, number), hashes in sorted(growth.hashes.items())],
        )
    return growth.tree
