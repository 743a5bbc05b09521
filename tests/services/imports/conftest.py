"""A registry that imports from an HTTPS server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.support.databases import Database
from tests.support.https_server import HttpsServer, running_https
from tests.support.importer import Importer


@pytest.fixture(scope="module")
def https(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsServer]:
    with running_https(tmp_path_factory.mktemp("https")) as server:
        yield server


@pytest.fixture
def importer(
    database: Database,
    make_settings: Callable[..., Settings],
    https: HttpsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Importer]:
    """A registry with a model, an empty store and the server of *https* as its source."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(https.certificate))
    https.replies.clear()
    https.seen.clear()
    sources = (f"https://{https.place}/models",)
    app = create_app(make_settings(database.url, import_sources=sources, storage_url=f"file://{tmp_path}/store"))
    importer = Importer(app, database.tokens)
    importer.registry.create_model()
    yield importer
    with app.app_context():
        db.engine.dispose()
