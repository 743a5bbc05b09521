"""The only begin, commit and rollback of the service."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import structlog
from flask import Flask, current_app, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Engine, Executable, create_engine, exc, text
from sqlalchemy.orm import Session

from registry.db import batch, engine, replica_reads, retry, times
from registry.db.base import Base
from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.item_cache import ItemCache
from registry.db.replica import POSITION, Replica
from registry.db.write_session import WriteSession, writing
from registry.domain import exhaustion
from registry.domain.errors import Unavailable, Uncertain, Undone
from registry.rules.disk_space import shortage

log = structlog.get_logger(__name__)
UNDONE = frozenset({"40001", "40P01", "55P03"})  # serialisation failure, deadlock, a lock that was not to be had
NO_ROOM = "53100"
TEXTS = {
    **dict.fromkeys(UNDONE, "other requests hold what this one needs"),
    "25006": "the database takes no writes at the moment, only reads",
    NO_ROOM: "the database has no room left for this",
}
_SESSIONS = {"class_": WriteSession, "autobegin": False, "expire_on_commit": False}
db = SQLAlchemy(metadata=Base.metadata, session_options=_SESSIONS)
_READER = "registry-reader"
ITEMS = "registry-items"
_POSITION = "registry-position"  # the query for it, where there is a replica; of flask.g: its value after a commit


class _Replicas:
    """``exist`` where an app of this process has a replica; otherwise no request is asked for its own."""

    exist = False


class _ReplicaSession(WriteSession):
    """A session that reads from the engine that it is bound to, whatever it reads."""

    def get_bind(self, *_: Any, **__: Any) -> Any:
        return self.bind


def attach(
    app: Flask,
    url: str,
    *,
    pool_size: int,
    statement_seconds: float = engine.STATEMENT_SECONDS,
    prepared: bool | None = None,
    replica_url: str | None = None,
    replica_max_lag: float = 0,
    item_bytes: int = 0,
) -> None:
    """Give *app* its engine and its sessions; see :func:`engine.hurry` for *statement_seconds* and *prepared*.

    *replica_url* is that of a PostgreSQL read replica, which may be *replica_max_lag* seconds behind. Rendered items
    are kept up to *item_bytes*.
    """
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.extensions[times.EXTENSION] = times.DatabaseClock(url, is_local=url.startswith("sqlite"))
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine.serving_options(url, pool_size=pool_size)
    db.init_app(app)
    with app.app_context():
        tuned = engine.tune(db.engine)
        engine.hurry(db.engine, statement_seconds=statement_seconds, prepared=prepared)
        options = engine.reading_options(tuned.dialect.name)
        app.extensions[_READER] = tuned.execution_options(**options) if options else tuned
    app.extensions[ITEMS] = ItemCache(item_bytes)
    if replica_url is not None:
        replica = engine.tune(create_engine(replica_url, **engine.serving_options(replica_url, pool_size=pool_size)))
        engine.hurry(replica, statement_seconds=statement_seconds, prepared=prepared)
        replica_reads.attach(app, replica, tuned, max_lag=replica_max_lag)
        app.extensions[_POSITION] = POSITION
        _Replicas.exist = True


def look_up(statement: FixedStatement | Executable, /, **values: Any) -> Sequence[Any]:
    """Return the rows of one statement that reads; it needs no session and no transaction.

    Raises Unavailable when the database cannot be reached or does not answer in time.
    """
    if isinstance(statement, FixedStatement):
        query = Query(statement, **values)
        look_up_together(query)
        return query.rows
    with _named_errors(), _reader() as connection:
        return connection.execute(statement, values).all()


def look_up_together(*queries: Query) -> None:
    """Execute queries without a transaction, in one round trip on PostgreSQL. Raises what :func:`look_up` raises."""
    with _named_errors(), _reader() as connection:
        batch.send(connection, [query.step() for query in queries])


def _reader() -> AbstractContextManager[Connection]:
    """Return a connection for one statement, to the replica if the request reads from it."""
    if _Replicas.exist and (replica := g.get(replica_reads.CHOSEN)) is not None:
        return replica_reads.connected(replica)
    reader: Engine = current_app.extensions[_READER]
    return reader.connect()


def engine_of(app: Flask) -> Engine:
    """Return the engine of *app*."""
    with app.app_context():
        return db.engine


def engines_of(app: Flask) -> Sequence[Engine]:
    """Return the engine of *app*, and that of its replica where it has one."""
    replica = replica_reads.replica_of(app)
    return [engine_of(app), *([replica.engine] if replica else [])]


@contextmanager
def transaction() -> Iterator[Session]:
    """Run one unit of work: commit when the block returns, roll back when it raises.

    Raises Unavailable when the database cannot be reached or does not answer in time, Undone when it rolled everything
    back, and Uncertain when the result is unknown because the connection was lost during the commit.
    """
    session = writing(db.session())
    worked = False
    try:
        with _named_errors(), session.begin():
            engine.begin_with_next(session.connection())
            yield session
            if session.get_bind().dialect.name == "sqlite":
                session.flush()  # SQLite commits separately: what it refuses here was not written
            worked = True
            position = session.finish(current_app.extensions.get(_POSITION) if _Replicas.exist else None)
    except Unavailable as error:
        if worked and error.__cause__ is not None and not _refused_by_the_server(error.__cause__):
            raise Uncertain(f"{error.detail}; it may have been written", retry_after=error.retry_after) from error
        raise
    finally:
        session.steps.clear()  # of a transaction that was rolled back
    retry.note_commit()
    if position is not None:
        setattr(g, _POSITION, position)


@contextmanager
def reading(*, snapshot: bool = False) -> Iterator[Session]:
    """Run queries that write nothing; on SQLite they do not wait for writers, nor writers for them.

    On PostgreSQL each of them reads what was committed when it began; with *snapshot* all of them read the database as
    the first one did, which SQLite always grants. Rows that are read through a cursor need a snapshot.
    """
    if _Replicas.exist and (replica := g.get(replica_reads.CHOSEN)) is not None:
        with _reading_replica(replica, snapshot=snapshot) as session:
            yield session
        return
    session = db.session()
    options = engine.reading_options(session.get_bind().dialect.name, snapshot=snapshot)
    with _named_errors(), session.begin():
        session.connection(execution_options=options)
        yield session


@contextmanager
def joined() -> Iterator[Session]:
    """Run queries that write nothing: in the open transaction, or in a new one as :func:`reading` does."""
    session = db.session()
    if session.in_transaction():
        yield session
    else:
        with reading() as own:
            yield own


@contextmanager
def _reading_replica(replica: Replica, *, snapshot: bool) -> Iterator[Session]:
    options = engine.reading_options(replica.engine.dialect.name, snapshot=snapshot)
    opened = _ReplicaSession(db, bind=replica.engine, autobegin=False, expire_on_commit=False)
    with _named_errors(), replica_reads.falling_back(replica), opened as session, session.begin():
        replica.verify(session.connection(execution_options=options))
        yield session


def written_position() -> str | None:
    """Return the position of the primary after what the request has written, or read, up to now.

    It is asked for where it was not read with a commit. None where it cannot be read: the request has taken effect.
    """
    position: str | None = g.get(_POSITION)
    if position is None:
        try:
            position = look_up(text(POSITION))[0][0]
        except (Unavailable, exc.DBAPIError) as error:
            log.warning("position_unknown", error=str(error))
    return position


@contextmanager
def planned_anew(session: Session) -> Iterator[None]:
    """Let PostgreSQL plan the statements of the block for their values, not for any values.

    The best plan for one row of a million is a poor one for every third, and only the values decide.
    """
    connection: Any = session.connection().connection.driver_connection
    if session.get_bind().dialect.name != "postgresql":
        yield
        return
    threshold, connection.prepare_threshold = connection.prepare_threshold, None
    try:
        yield
    finally:
        connection.prepare_threshold = threshold


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError) as error:
        log.error("database_unavailable", error=str(getattr(error, "orig", None) or error))
        if _took_too_long(error):
            raise Unavailable("the query takes too long; narrow it: a filter by name, fewer wildcards") from error
        state, lost = _state(error), getattr(error, "connection_invalidated", False)
        text = _shortage_text() if _is_full(error) else TEXTS.get(state, "the database does not answer")
        raise (Undone if state in UNDONE or lost else Unavailable)(
            f"{text}; send the same request again", retry_after=2
        ) from error
    except exc.DatabaseError as error:
        if type(error) is not exc.DatabaseError:  # such as IntegrityError, which is not about the database as a whole
            raise
        log.error("database_damaged", error=str(error.orig))
        raise Unavailable(f"the database cannot be read ({error.orig}); its operator has to restore it") from error
    except (OSError, MemoryError) as error:  # psycopg lets them pass: it opens an epoll descriptor to connect
        if (resource := exhaustion.lacking(error)) is None:
            raise
        log.exception("exhausted", lacking=resource)
        raise Unavailable(exhaustion.detail(resource)) from error


def _refused_by_the_server(error: BaseException) -> bool:
    """Return whether the server reported that it did not do it, and is still connected."""
    return _state(error) != "" and not getattr(error, "connection_invalidated", True)


def _is_full(error: BaseException) -> bool:
    """Return whether the disk of SQLite's file has no room."""
    return getattr(getattr(error, "orig", None), "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _shortage_text() -> str:
    """Return what the disk of SQLite's file lacks, for clients; log the path of the file for operators."""
    path = Path(db.engine.url.database or "")
    text = shortage(OSError(errno.ENOSPC, ""), path.parent)
    log.error("database_disk_full", path=str(path), shortage=text)
    return f"{TEXTS[NO_ROOM]} ({text})"


def _took_too_long(error: BaseException) -> bool:
    """Return whether the database cancelled the statement at its time limit."""
    interrupted = getattr(getattr(error, "orig", None), "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
    return interrupted or _state(error) == "57014"


def _state(error: BaseException) -> str:
    """PostgreSQL's code of the error; empty where there is none."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""
