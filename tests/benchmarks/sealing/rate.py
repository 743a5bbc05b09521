"""How fast a worker seals: entries that are committed at a steady rate, then as many as there are."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.sealing.log_rows import LOG_KEY, await_sealed
from tests.benchmarks.serving import costs, services
from tests.benchmarks.serving.database import Database, scratch
from tests.support.postgres import ThrowawayPostgres

TICK_SECONDS = 0.05
# Copies of real entries, each in a chain of one.
_COPIES = """
    INSERT INTO audit_entries (uid, aggregate, seq, at, action, actor_id, leaf_hash, body)
    SELECT gen_random_uuid(), 'copy:' || gen_random_uuid(), 1, at, action, actor_id, leaf_hash, body
    FROM generate_series(1, %s), (SELECT * FROM audit_entries ORDER BY id LIMIT 1) AS entry
"""


@dataclass(frozen=True)
class Rate:
    """Committed entries per second, how many waited at most and on average, and what a worker seals per second."""

    committed: float
    waiting_at_most: int
    waiting_on_average: float
    worker_cpu: float
    backlog_rate: float


def measure(
    folder: Path,
    server: ThrowawayPostgres,
    *,
    rate: int,
    seconds: float,
    backlog: int,
    progress: Callable[[str], None],
) -> Rate:
    """Commit *rate* entries a second, then *backlog* at once."""
    with scratch(server, "rate") as database, services.running_registry(folder / "rate", database):
        with services.running_worker(folder / "rate", database, REGISTRY_LOG_KEY=LOG_KEY) as worker:
            await_sealed(database)
            progress(f"{rate} entries a second for {seconds:g} s")
            used = costs.cpu_seconds(worker)
            committed, waiting = _commit_steadily(database, rate, seconds)
            used = costs.cpu_seconds(worker) - used
            await_sealed(database)
        with database.connection() as connection:
            connection.execute(_COPIES, (backlog,))
        progress(f"{backlog:,} entries at once")
        with services.running_worker(folder / "rate", database, REGISTRY_LOG_KEY=LOG_KEY):
            sealing_seconds = _time_sealing(database)
    return Rate(committed, max(waiting), sum(waiting) / len(waiting), used / seconds, backlog / sealing_seconds)


def _commit_steadily(database: Database, rate: int, seconds: float) -> tuple[float, list[int]]:
    """Return entries per second, and how many waited for a position at each tick."""
    waiting, done = [], 0
    with database.connection() as writing, database.connection() as reading:
        begin = time.monotonic()
        while (elapsed := time.monotonic() - begin) < seconds:
            if due := int(rate * elapsed) - done:
                writing.execute(_COPIES, (due,))
                done += due
            waiting.append(_waiting(reading))
            time.sleep(TICK_SECONDS)
        return done / elapsed, waiting


def _time_sealing(database: Database) -> float:
    """Return the seconds from the first position of the backlog to its last."""
    with database.connection() as connection:
        before = _waiting(connection)
        while _waiting(connection) == before:
            time.sleep(0.01)
        begin, first = time.monotonic(), _waiting(connection)
    await_sealed(database)
    return (time.monotonic() - begin) * before / first


def _waiting(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    return int(connection.execute("SELECT count(*) FROM audit_pending").fetchall()[0][0])
