"""The only begin, commit and rollback of the service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, Executable, exc
from sqlalchemy.orm import Session

from registry.db import engine
from registry.db.base import Base
from registry.domain.errors import Unavailable, Uncertain

log = structlog.get_logger(__name__)
db = SQLAlchemy(metadata=Base.metadata, session_options={"autobegin": False, "expire_on_commit": False})
_READER = "registry-reader"


def attach(app: Flask, url: str, *, pool_size: int) -> None:
    """Give *app* its engine and its sessions."""
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine.options(url, pool_size=pool_size)
    db.init_app(app)
    with app.app_context():
        tuned = engine.tune(db.engine)
        app.extensions[_READER] = tuned.execution_options(**engine.reading_options(tuned.dialect.name))


def look_up(statement: Executable, /, **values: Any) -> Sequence[Any]:
    """The rows of one statement that reads; it needs no session, and no transaction beside it.

    Raises Unavailable when the database cannot be reached or does not answer in time.
    """
    reader: Engine = current_app.extensions[_READER]
    with _named_errors(), reader.connect() as connection:
        return connection.execute(statement, values).all()


def engine_of(app: Flask) -> Engine:
    """The engine of *app*."""
    with app.app_context():
        return db.engine


@contextmanager
def transaction() -> Iterator[Session]:
    """Run one unit of work: commit when the block returns, roll back when it raises.

    Raises Unavailable when the database cannot be reached or does not answer in time, and Uncertain when that happens
    while it commits.
    """
    session: Session = db.session()
    worked = False
    try:
        with _named_errors(), session.begin():
            yield session
            worked = True
    except Unavailable as error:
        if worked and error.__cause__ is not None:
            raise Uncertain(f"{error.detail}; it may have been written", retry_after=error.retry_after) from error
        raise


@contextmanager
def reading(*, snapshot: bool = False) -> Iterator[Session]:
    """Run queries that write nothing; on SQLite they do not wait for writers, nor writers for them.

    On PostgreSQL each of them sees what was committed when it began; with *snapshot* all of them see the database as
    the first one did, which SQLite always grants. Rows that are read through a cursor need a snapshot.
    """
    session: Session = db.session()
    options = engine.reading_options(session.get_bind().dialect.name, snapshot=snapshot)
    with _named_errors(), session.begin():
        session.connection(execution_options=options)
        yield session


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError) as error:
        log.error("database_unavailable", error=str(getattr(error, "orig", None) or error))
        raise Unavailable("the database does not answer; send the same request again", retry_after=2) from error
