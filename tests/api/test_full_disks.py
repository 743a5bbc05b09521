"""A full disk of the server: clients read what is missing, and only the log has the server's paths."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import make_url
from structlog.testing import capture_logs

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.support.api import Api
from tests.support.artifact_area import ArtifactArea
from tests.support.databases import Database
from tests.support.full_disk import small_disk
from tests.support.registry_builder import in_process
from tests.support.replies import expect
from tests.support.sealing import seal_all

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", size="8m") as disk:
        yield disk


@pytest.fixture
def app_on_disk(disk: Path, database: Database, make_settings: Callable[..., Settings]) -> Iterator[Flask]:
    """An app whose database, store and temporary files are all on the small disk."""
    path = make_url(database.url).database
    assert path is not None
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(disk / "registry.db")) as copy:
        source.backup(copy)
    app = create_app(make_settings(f"sqlite:///{disk}/registry.db", storage_url=f"file://{disk}/store"))
    yield app
    with app.app_context():
        db.engine.dispose()


def test_no_response_about_a_full_disk_shows_a_path_of_the_server(
    app_on_disk: Flask, disk: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(app_on_disk.test_client(), database.tokens["all"])
    in_process(api).blob(b"the first upload claims the store")
    in_process(api).create_model("proved")
    seal_all(app_on_disk)
    content = bytes(256 * 1024)
    announced = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    target = expect(201, api.post("/uploads", announced))["target"]
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))

    with capture_logs() as lines:
        refused = {
            "store": api.send(target, content),
            "temporary files": ArtifactArea(app_on_disk, database.tokens["all"]).put("a/b", bytes(2 * MIB)),
            "archive": api.get("/models/proved/evidence"),
            "database": [api.post("/models", {"name": f"m{n}", "description": "x" * 30_000}) for n in range(20)][-1],
        }

    texts = {name: response.get_data(as_text=True) for name, response in refused.items()}
    assert {name: response.status_code for name, response in refused.items()} == dict.fromkeys(refused, 503), texts
    assert {name for name, text in texts.items() if str(disk) in text or " available" not in text} == set(), texts
    logged = {line["event"] for line in lines if str(disk) in repr(line)}
    assert logged == {"store.failed", "area.body_not_received", "database_disk_full"}
