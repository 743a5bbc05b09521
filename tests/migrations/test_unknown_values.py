"""The migration that lets unknown texts be NULL, and the release before it on the schema that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import update

from registry.app import create_app
from registry.config import Settings
from registry.db import migrate
from registry.db.models import RunRefresh, Upload, Version
from registry.db.session import db, transaction
from registry.services.audit import row_seals
from tests.conftest import SECRET
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import in_process
from tests.support.releases import NoPreviousRelease, release_before
from tests.support.replies import expect
from tests.support.unknown_values import store_unknown

MIGRATION, BEFORE = "0025", "0024"
COLUMNS = {"versions": "manifest_digest", "uploads": "sha256", "run_refreshes": "server"}
UNKNOWN = (Version.manifest_digest, Upload.sha256, RunRefresh.server)
RUN = "e" * 32


@pytest.fixture
def stocked(database: Database, make_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Flask]:
    """A registry with one unknown text in each of the columns, and with versions, uploads and runs that are known."""
    app = create_app(make_settings(database.url, storage_url=f"file://{tmp_path / 'store'}"))
    api = Api(app.test_client(), database.tokens["all"])
    registry = in_process(api)
    registry.create_model()
    registry.model("fraud").version(
        stage="production", run={"system": "mlflow", "id": RUN, "started_at": "2026-11-21T19:55:51Z"}
    )
    mlflow_api = MlflowApi(api.client, api.token)
    mlflow_api.registry.model("fraud").register(source="s3://elsewhere/model", run_id=RUN)
    expect(201, api.post("/uploads", {"sha256": "a" * 64, "size": 1}))
    with app.app_context(), transaction() as session:  # as an upload in parts, which the local store does not have
        session.execute(update(Upload).where(Upload.sha256 == "a" * 64).values(sha256=None))
    yield app
    with app.app_context():
        db.engine.dispose()
    database.reset()


def rows(url: str) -> dict[str, list[str | None]]:
    """Return what is stored in each of the columns."""
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        return {
            table: list(connection.exec_driver_sql(f"SELECT {column} FROM {table} ORDER BY created_at").scalars())
            for table, column in COLUMNS.items()
        }


def test_the_way_down_makes_unknown_texts_empty_again_and_keeps_all_others(database: Database, stocked: Flask) -> None:
    stored = rows(database.url)
    for column in UNKNOWN:
        store_unknown(stocked, column, None)
    with_nulls = rows(database.url)

    migrate.downgrade(database.url, BEFORE)
    below = rows(database.url)
    with pytest.raises(sa.exc.IntegrityError, match=r"(?i)not.null"):
        store_unknown(stocked, Version.manifest_digest, None)
    migrate.upgrade(database.url)

    assert {table: values.count("") for table, values in stored.items()} == dict.fromkeys(COLUMNS, 1)
    assert {table: values.count(None) for table, values in with_nulls.items()} == dict.fromkeys(COLUMNS, 1)
    assert below == stored == rows(database.url)
    assert migrate.check(database.url) == []


@pytest.mark.share(64)  # what a column holds does not depend on the database
def test_the_release_before_finds_the_rows_of_this_one_whole(
    database: Database, stocked: Flask, tmp_path: Path
) -> None:
    """It misreads NULL, so this release must not store it."""
    try:
        previous = release_before(MIGRATION, tmp_path / "previous")
    except NoPreviousRelease as reason:
        pytest.skip(str(reason))
    assert [values.count("") for values in rows(database.url).values()] == [1, 1, 1]

    verified = previous.registry("audit", "verify", "--local", database_url=database.url, secret=SECRET)

    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "fraud" in verified.stdout


def test_unknown_texts_are_sealed_as_the_release_before_does_it() -> None:
    """So a seal stays true when a row is converted, whichever release wrote it."""
    upload = Upload(id="u", created_by="a", sha256=None, size=0, key="k", state="pending")
    refresh = RunRefresh(id="r", model_id="m", version_id=1, server=None, run_id=RUN, logged_model=None)

    assert row_seals.upload_leaf(upload) == 'upload ["u","a","",0,"k","open"]'
    assert row_seals.refresh_leaf(refresh) == f'refresh ["r","m",1,"","{RUN}",null]'
