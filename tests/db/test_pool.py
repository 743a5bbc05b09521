"""The service's pool of connections to PostgreSQL."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.db.session import engine_of
from tests.support.api import Api
from tests.support.databases import Database

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
USED = sa.text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query_start > :since"
)


def test_requests_in_turn_use_the_same_connection(database: Database, app: Flask, api: Api) -> None:
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(engine_of(app).connect())
    engine = sa.create_engine(database.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        since = connection.scalar(sa.text("SELECT clock_timestamp()"))

        for _ in range(8):
            assert api.get("/models").status_code == 200

        assert connection.scalar(USED, {"since": since}) == 1
