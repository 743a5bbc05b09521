"""What a load balancer is told about this process."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from registry.http.context import EXTENSION
from registry.storage.keys import PIN
from tests.support.api import Api
from tests.support.databases import Database, empty_postgres
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import seal_all


@contextmanager
def serving(settings: Settings) -> Iterator[Api]:
    """A client of an app of its own, without any token."""
    app = create_app(settings)
    try:
        yield Api(app.test_client(), None)
    finally:
        with app.app_context():
            db.engine.dispose()


def test_a_process_that_answers_is_alive(anonymous: Api) -> None:
    response = anonymous.get("/livez")

    assert expect(200, response) == {"status": "ok"}


def test_a_process_that_can_work_is_ready(anonymous: Api, database: Database) -> None:
    response = anonymous.get("/readyz")

    document = expect(200, response)
    assert (document["status"], document["mode"]) == ("ready", "production")
    fine = {"ok": True, "detail": "ok"}
    storage = {"ok": True, "detail": "the store refuses wrong bytes itself; what comes in parts is read back"}
    identity = {"ok": True, "detail": "the store belongs to this registry"}
    privileges = document["checks"].pop("privileges", None)
    assert (privileges is not None) == (database.kind == "postgresql")
    assert document["checks"].pop("audit_log")["ok"] is True
    assert document["checks"] == {
        "database": fine, "migrations": fine, "secret_key": fine, "storage": storage, "identity": identity,
        "logs": fine, "metrics": fine, "clock": fine,
    }  # fmt: skip


def test_a_process_of_a_forked_log_serves_on_and_says_so(
    anonymous: Api, app: Flask, registry: RegistryBuilder, storage_root: Path
) -> None:
    registry.model("fraud").version()
    seal_all(app, app.extensions[EXTENSION].pin)
    before = expect(200, anonymous.get("/readyz"))
    (storage_root / PIN).unlink()

    document = expect(200, anonymous.get("/readyz"))

    assert (before["status"], before["checks"]["audit_log"]["ok"]) == ("ready", True)
    assert "are covered by a published checkpoint" in before["checks"]["audit_log"]["detail"]
    assert document["status"] == "degraded"
    assert document["checks"]["audit_log"]["ok"] is False
    assert "registry audit new-epoch" in document["checks"]["audit_log"]["detail"]


def test_asking_leaves_nothing_behind(anonymous: Api, registry: RegistryBuilder, storage_root: Path) -> None:
    registry.model("fraud").version()
    before = registry.audit_entry_count(), sorted(storage_root.rglob("*"))

    expect(200, anonymous.get("/readyz"))

    assert (registry.audit_entry_count(), sorted(storage_root.rglob("*"))) == before


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_without_tables_is_not_ready_and_says_what_to_do(
    request: pytest.FixtureRequest, make_settings: Callable[..., Settings], tmp_path: Path, kind: str
) -> None:
    url = (
        f"sqlite:///{tmp_path / 'empty.db'}"
        if kind == "sqlite"
        else empty_postgres(request.getfixturevalue("postgres_server"))
    )

    with serving(make_settings(url)) as api:
        document = expect(503, api.get("/readyz"))

    assert document["status"] == "not ready"
    assert {name: check["ok"] for name, check in document["checks"].items() if name != "privileges"} == {
        "database": True, "migrations": False, "storage": True, "logs": True, "metrics": True, "clock": True,
    }  # fmt: skip
    assert "registry db upgrade" in document["checks"]["migrations"]["detail"]


def test_a_database_of_another_release_is_not_ready(
    make_settings: Callable[..., Settings], databases: Callable[[str], Database]
) -> None:
    database = databases("sqlite")
    database.reset()
    connection = sqlite3.connect(database.url.removeprefix("sqlite:///"))
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.execute("DELETE FROM compatible_releases")
    connection.commit()
    connection.close()

    with serving(make_settings(database.url)) as api:
        document = expect(503, api.get("/readyz"))

    assert document["checks"]["migrations"]["ok"] is False
    assert "9999" in document["checks"]["migrations"]["detail"]


def test_a_database_that_cannot_be_reached_is_not_ready(make_settings: Callable[..., Settings]) -> None:
    url = "postgresql+psycopg://nobody@/nothing?host=/nonexistent"

    with serving(make_settings(url)) as api:
        document = expect(503, api.get("/readyz"))
        alive = api.get("/livez")

    assert {name: check["ok"] for name, check in document["checks"].items() if name != "privileges"} == {
        "database": False, "migrations": False, "storage": True, "logs": True, "metrics": True, "clock": True,
    }  # fmt: skip
    assert "nobody" not in str(document)
    assert alive.status_code == 200


def test_a_database_that_hangs_is_not_waited_for(make_settings: Callable[..., Settings]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never says a word
        url = f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing?sslmode=disable"

        with serving(make_settings(url, probe_seconds=1)) as api:
            document = expect(503, api.get("/readyz"))
            again = expect(503, api.get("/readyz"))

    assert "has not answered for" in document["checks"]["database"]["detail"]
    assert (document["checks"]["storage"]["ok"], again["checks"]["storage"]["ok"]) == (True, True)


def test_without_its_store_a_replica_stays_and_says_what_it_lacks(
    make_settings: Callable[..., Settings], app: Flask, database: Database, tmp_path: Path
) -> None:
    root = tmp_path / "store"

    with serving(make_settings(database.url, storage_url=f"file://{root}")) as api:
        before = api.get("/readyz").status_code
        root.rename(tmp_path / "moved")
        document = expect(200, api.get("/readyz"))

    assert (before, document["status"]) == (200, "degraded")
    assert {name: check["ok"] for name, check in document["checks"].items() if name != "privileges"} == {
        "database": True, "migrations": True, "secret_key": True, "storage": False, "logs": True, "metrics": True,
        "clock": True,
    }  # fmt: skip
    assert "does not exist" in document["checks"]["storage"]["detail"]
