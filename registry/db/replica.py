"""The read replica: whether it may answer reads, and up to which position it has what the primary has.

PostgreSQL's position in its write-ahead log (LSN) orders all commits of a cluster. An examination, about once a second,
reads the position of the primary and then that of the replica. Once the replica has replayed a position of the primary,
it has all that was committed before that position was read: its lag is the time since then. This compares no clocks,
and it holds for an idle primary and for a replica that is disconnected from it.

A replica is used only while it is a standby of the same cluster, timeline, database and schema revision as the primary.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Row, event, exc, text
from sqlalchemy.pool import ConnectionPoolEntry

from registry.db import times
from registry.domain.states import ReplicaOutcome
from registry.rules.database_positions import parsed

log = structlog.get_logger(__name__)
_RUN = "registry_server_run"  # of a connection's info
# With synchronous_commit=off a commit is visible before its record is flushed.
POSITION = (
    "SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN pg_current_wal_insert_lsn()"
    " ELSE pg_current_wal_flush_lsn() END::text"
)
_IDENTITY = (
    "(SELECT system_identifier FROM pg_control_system()) AS cluster,"
    " (SELECT oid FROM pg_database WHERE datname = current_database()) AS database,"
    " (SELECT version_num FROM alembic_version) AS revision"
)
_PRIMARY = text(
    f"SELECT ({POSITION}) AS position, left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) AS timeline, {_IDENTITY}"
)
# The control file of a standby has the timeline that it follows, shortly after it has changed.
_STANDBY = text(
    "SELECT pg_is_in_recovery() AS is_standby, pg_last_wal_replay_lsn()::text AS position,"  # noqa: S608 -- constants
    " upper(lpad(to_hex(greatest((SELECT timeline_id FROM pg_control_checkpoint()),"
    " (SELECT min_recovery_end_timeline FROM pg_control_recovery()))), 8, '0')) AS timeline,"
    f" {_IDENTITY}, pg_postmaster_start_time()::text AS run"
)
_REPLAYED = text("SELECT pg_last_wal_replay_lsn()::text")
_SERVER_RUN = "SELECT pg_postmaster_start_time()::text"
_SAME = {
    "cluster": "it is a standby of another cluster",
    "database": "it is another database of the cluster",
    "timeline": "it follows another timeline than the primary's; after a failover it may be behind for minutes",
    "revision": "its schema has another revision than the primary's",
}
PAUSE = 0.05  # seconds
NOT_EXAMINED = "it was not examined yet"
NOT_CURRENT = "it has not caught up with the primary yet"
NO_ANSWER = "it does not answer, or refuses the queries: the log has the error"
PROMOTED = "it is no standby: it was promoted, or never was one"
RESTARTED = "its server was restarted, or replaced by another one"


class Unfit(Exception):
    """The replica may not be used; the text is the reason."""


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """The state of a usable replica.

    ``run`` is the start of its server: positions only grow during one run. It has all that was committed at
    ``current_at`` (by ``times.steady``), and up to the position ``replayed``.
    """

    run: str
    replayed: int
    current_at: float


class Replica:
    """The replica of one primary, and what this process has found out about it."""

    def __init__(self, engine: Engine, primary: Engine, *, max_lag: float) -> None:
        """*max_lag* is in seconds."""
        self.engine, self._primary, self.max_lag = engine, primary, max_lag
        self._standing: ReplicaState | None = None
        self._reason = self._logged = NOT_EXAMINED
        self._positions: deque[tuple[float, int]] = deque()  # of the primary, with times, not replayed yet
        self._is_blind = False  # the primary did not answer the latest examination
        self._lock = threading.Lock()
        event.listen(engine, "connect", _note_run)

    @property
    def lag(self) -> float | None:
        """The seconds by which the replica may be behind; None while it may not be used."""
        standing = self._standing
        return None if standing is None else times.steady() - standing.current_at

    @property
    def problem(self) -> str | None:
        """Why reads do not go to the replica; None when they do."""
        lag = self.lag
        if lag is None:
            return self._reason
        return f"it may be {lag:.0f} s behind, and {self.max_lag:g} s are allowed" if lag > self.max_lag else None

    def examine(self) -> None:
        """Look at the primary and the replica, and log a change.

        A primary that does not answer is no reason to refuse the replica: its lag grows until it is not used any more.
        """
        asked_at = times.steady()
        try:
            with self._primary.connect() as connection:
                primary = connection.execute(_PRIMARY).one()
        except (exc.SQLAlchemyError, OSError) as error:
            if not self._is_blind:
                log.warning("replica_not_compared", error=_text(error))
            self._is_blind = True
        else:
            self._is_blind = False
            self._compare(primary, asked_at)
        self._report()

    def examine_until_used(self, seconds: float) -> None:
        """Examine the replica repeatedly until reads may go to it, for so many *seconds* at most."""
        end = time.monotonic() + seconds
        self.examine()
        while self.problem is not None and self._positions and time.monotonic() < end:
            time.sleep(PAUSE)
            self.examine()

    def choose(self, position: int) -> ReplicaOutcome:
        """Return whether a read may go to the replica; it must show all that was committed up to *position*."""
        standing = self._standing
        if standing is None:
            return ReplicaOutcome.UNFIT
        if times.steady() - standing.current_at > self.max_lag:
            return ReplicaOutcome.LAGGING
        if position <= standing.replayed or self._has_replayed(position):
            return ReplicaOutcome.REPLICA
        return ReplicaOutcome.BEHIND if self._standing else ReplicaOutcome.FAILED

    def verify(self, connection: Connection) -> None:
        """Raise Unfit unless *connection* is one to the server that was examined."""
        standing = self._standing
        if standing is None:
            raise Unfit(self._reason)
        if connection.info.get(_RUN) != standing.run:
            connection.invalidate()
            raise Unfit(RESTARTED)

    def give_up(self, error: Exception) -> None:
        """Note that a read failed. Without a connection to it, the replica is not used until it was examined again."""
        log.warning("replica_failed", error=_text(error))
        state = getattr(getattr(error, "orig", None), "sqlstate", None)
        if not state or getattr(error, "connection_invalidated", False):
            with self._lock:
                self._refuse(str(error) if isinstance(error, Unfit) else NO_ANSWER)

    def _has_replayed(self, position: int) -> bool:
        """Return whether the replica has replayed *position* by now."""
        try:
            with self.engine.connect() as connection:
                self.verify(connection)
                replayed = _number(connection.scalar(_REPLAYED))
        except (exc.SQLAlchemyError, OSError, Unfit) as error:
            self.give_up(error)
            return False
        with self._lock:
            if standing := self._standing:
                self._standing = replace(standing, replayed=max(replayed, standing.replayed))
        return position <= replayed

    def _compare(self, primary: Row[Any], asked_at: float) -> None:
        try:
            with self.engine.connect() as connection:
                standby = connection.execute(_STANDBY).one()
            if not standby.is_standby:
                raise Unfit(PROMOTED)
            for name, reason in _SAME.items():
                if getattr(standby, name) != getattr(primary, name):
                    raise Unfit(reason)
        except (exc.SQLAlchemyError, OSError) as error:
            if self._reason != NO_ANSWER or self._standing:
                log.warning("replica_unreachable", error=_text(error))
            reason = NO_ANSWER
        except Unfit as unfit:
            reason = str(unfit)
        else:
            with self._lock:
                self._note(standby.run, _number(standby.position), (asked_at, _number(primary.position)))
            return
        with self._lock:
            self._refuse(reason)

    def _note(self, run: str, replayed: int, primary: tuple[float, int]) -> None:
        before, positions = self._standing, self._positions
        positions.append(primary)
        while positions[0][0] < primary[0] - self.max_lag:  # too old to be of use
            positions.popleft()
        current_at = before.current_at if before is not None and before.run == run else None
        while positions and positions[0][1] <= replayed:
            current_at = positions.popleft()[0]
        if current_at is None:
            self._refuse(NOT_CURRENT, keep=True)
        else:
            self._standing = ReplicaState(run, replayed, current_at)

    def _refuse(self, reason: str, *, keep: bool = False) -> None:
        """Stop to use the replica; *keep* the positions of the primary that it is compared with."""
        self._standing, self._reason = None, reason
        if not keep:
            self._positions.clear()

    def _report(self) -> None:
        problem = self.problem
        kind = self._reason if self._standing is None else "lag" if problem else ""
        if kind != self._logged:
            self._logged = kind
            if problem is None:
                log.info("replica_used")
            else:
                log.warning("replica_unused", reason=problem)


def _number(position: str | None) -> int:
    """Return the position of a text that PostgreSQL sent; it has none before a standby has replayed anything."""
    number = parsed(position or "0/0")
    if number is None:
        raise ValueError(f"{position!r} is no position of PostgreSQL")
    return number


def _note_run(connection: Any, entry: ConnectionPoolEntry) -> None:
    """Keep the start of the server with the connection: of another server, or run, positions differ."""
    before, connection.autocommit = connection.autocommit, True
    (entry.info[_RUN],) = connection.execute(_SERVER_RUN, prepare=False).fetchone()
    connection.autocommit = before


def _text(error: Exception) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())
