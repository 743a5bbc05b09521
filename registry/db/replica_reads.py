"""The reads of a request that go to the replica."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, current_app, g
from sqlalchemy import Connection, Engine, exc

from registry.db.replica import Replica, Unfit
from registry.domain.errors import Undone
from registry.domain.states import ReplicaOutcome
from registry.telemetry import periodic
from registry.telemetry.meters import meters

EXTENSION = "registry-replica"
EXAMINED_EVERY = 1.0  # seconds
TOO_LATE = "57014"  # the statement was cancelled at its time limit
CHOSEN = "registry_replica"  # of flask.g: the replica that the reads of the request go to; none for the primary


def attach(app: Flask, engine: Engine, primary: Engine, *, max_lag: float) -> None:
    """Give *app* a replica, which is not used until it was examined. *max_lag* is in seconds."""
    app.extensions[EXTENSION] = Replica(engine, primary, max_lag=max_lag)


def replica_of(app: Flask) -> Replica | None:
    """Return the replica of *app*; None without one."""
    replica: Replica | None = app.extensions.get(EXTENSION)
    return replica


def current_replica() -> Replica | None:
    """Return the replica of the current app; None without one."""
    return replica_of(current_app)


def watch(app: Flask) -> None:
    """Examine the replica of *app*, if it has one, regularly from now on. Call it in the process that serves."""
    if replica := replica_of(app):
        periodic.repeat("replica", replica.examine, seconds=min(EXAMINED_EVERY, replica.max_lag / 4))


def choose(position: int) -> None:
    """Let the reads of the present request go to the replica, if it may be used and has replayed *position*."""
    replica: Replica = current_app.extensions[EXTENSION]
    outcome = replica.choose(position)
    _count_outcome(outcome)
    if outcome is ReplicaOutcome.REPLICA:
        setattr(g, CHOSEN, replica)


@contextmanager
def connected(replica: Replica) -> Iterator[Connection]:
    """Return a connection to the replica. Raises Undone as :func:`falling_back` does."""
    with falling_back(replica), replica.engine.connect() as connection:
        replica.verify(connection)
        yield connection


@contextmanager
def falling_back(replica: Replica) -> Iterator[None]:
    """Raise Undone when the replica fails, after which all reads of the request go to the primary.

    The face then calls the whole view again: what it has read from the replica must not be mixed with rows of the
    primary. A statement that took too long is not repeated, because the primary needs as long for it.
    """
    try:
        yield
    except (exc.DBAPIError, exc.TimeoutError, OSError, MemoryError, Unfit) as error:
        if getattr(getattr(error, "orig", None), "sqlstate", None) == TOO_LATE:
            raise
        replica.give_up(error)
        g.pop(CHOSEN, None)
        _count_outcome(ReplicaOutcome.FAILED)
        raise Undone("the replica failed; send the same request again", retry_after=2) from error


def _count_outcome(outcome: ReplicaOutcome) -> None:
    meters().replica_reads.labels(outcome.value).inc()
