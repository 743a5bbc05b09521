"""The only begin, commit and rollback of the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import exc
from sqlalchemy.orm import Session

from registry.db import engine
from registry.db.base import Base
from registry.domain.errors import Unavailable, Uncertain

log = structlog.get_logger(__name__)
db = SQLAlchemy(metadata=Base.metadata, session_options={"autobegin": False, "expire_on_commit": False})


def attach(app: Flask, url: str, *, pool_size: int) -> None:
    """Give *app* its engine and its sessions."""
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine.options(url, pool_size=pool_size)
    db.init_app(app)
    with app.app_context():
        engine.tune(db.engine)


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

    With *snapshot* all of them see the database as the first one did, which SQLite always grants.
    """
    session: Session = db.session()
    with _named_errors(), session.begin():
        frozen = snapshot and session.get_bind().dialect.name == "postgresql"
        session.connection(execution_options=engine.SNAPSHOT if frozen else engine.READ_ONLY)
        yield session


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError) as error:
        log.error("database_unavailable", error=str(getattr(error, "orig", None) or error))
        raise Unavailable("the database does not answer; send the same request again", retry_after=2) from error
