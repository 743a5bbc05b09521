"""What the worker does from time to time, over a real database and a real store."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from registry.db.models import IdempotencyKey
from registry.db.session import reading
from registry.http.context import EXTENSION
from registry.services.maintenance import cleanup
from registry.services.maintenance.cleanup import Upkeep
from tests.support.api import Api
from tests.support.backdating import backdated
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

DAY = timedelta(days=1)


def work(app: Flask, *, later: timedelta = timedelta()) -> Upkeep:
    """One round, *later* than now."""
    with backdated(app, later), app.app_context():
        return cleanup.run(store=app.extensions[EXTENSION].store)


def announce(api: Api, content: bytes) -> dict[str, Any]:
    sha256 = hashlib.sha256(content).hexdigest()
    return expect(201, api.post("/uploads", {"sha256": sha256, "size": len(content)}))


def objects(storage_root: Path, upload: dict[str, Any]) -> list[Path]:
    return list((storage_root / "blobs" / upload["sha256"][:2] / upload["sha256"]).glob("*"))


def keys(app: Flask) -> int:
    """How many idempotency keys are remembered."""
    with app.app_context(), reading() as session:
        return session.scalar(select(func.count()).select_from(IdempotencyKey)) or 0


@pytest.fixture(autouse=True)
def _no_leftovers(storage_root: Path) -> None:
    for leftover in (storage_root / "tmp").glob("*"):
        leftover.unlink()


def test_a_quiet_registry_gives_nothing_to_do(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    done = work(app)

    assert done == Upkeep(uploads=0, keys=0, files=0)


def test_an_upload_that_never_came_is_closed_and_its_bytes_deleted(
    app: Flask, api: Api, registry: RegistryBuilder, storage_root: Path
) -> None:
    content = uuid.uuid4().bytes
    sent, silent = announce(api, content), announce(api, uuid.uuid4().bytes)
    registry.send(sent["target"], content)

    done = work(app, later=DAY + timedelta(seconds=1))

    assert done.uploads == 2
    assert {expect(200, api.get(f"/uploads/{upload['id']}"))["state"] for upload in (sent, silent)} == {"expired"}
    assert objects(storage_root, sent) == []
    assert expect(410, api.post(f"/uploads/{sent['id']}/complete"))["code"] == "upload_expired"
    assert work(app, later=2 * DAY).uploads == 0


def test_an_upload_still_within_its_time_is_left_alone(
    app: Flask, api: Api, registry: RegistryBuilder, storage_root: Path
) -> None:
    content = uuid.uuid4().bytes
    upload = announce(api, content)
    registry.send(upload["target"], content)

    done = work(app, later=DAY - timedelta(minutes=1))

    assert done.uploads == 0
    assert len(objects(storage_root, upload)) == 1
    assert expect(200, api.post(f"/uploads/{upload['id']}/complete"))["state"] == "verified"


def test_verified_bytes_are_kept_however_old_they_are(
    app: Flask, api: Api, registry: RegistryBuilder, storage_root: Path
) -> None:
    content = uuid.uuid4().bytes
    upload = announce(api, content)
    registry.send(upload["target"], content)
    expect(200, api.post(f"/uploads/{upload['id']}/complete"))

    done = work(app, later=400 * DAY)

    assert done.uploads == 0
    assert [path.read_bytes() for path in objects(storage_root, upload)] == [content]


def test_an_expired_upload_of_bytes_that_came_otherwise_takes_nothing_away(
    app: Flask, api: Api, registry: RegistryBuilder, storage_root: Path
) -> None:
    content = uuid.uuid4().bytes
    late = announce(api, content)
    registry.send(late["target"], content)
    registry.blob(content)

    work(app, later=2 * DAY)

    assert [path.read_bytes() for path in objects(storage_root, late)] == [content]
    assert expect(200, api.post("/uploads", {"sha256": late["sha256"], "size": 16}))["state"] == "verified"


def test_idempotency_keys_are_forgotten_after_a_week(app: Flask, api: Api) -> None:
    headers = {"Idempotency-Key": "k-1"}
    expect(201, api.post("/models", {"name": "fraud"}, headers=headers))

    counts = [(work(app, later=later).keys, keys(app)) for later in (7 * DAY - timedelta(minutes=1), 7 * DAY)]

    assert counts == [(0, 1), (1, 0)]
    assert expect(409, api.post("/models", {"name": "fraud"}, headers=headers))["code"] == "already_exists"


def test_what_a_crash_left_half_arrived_is_swept_after_a_day(app: Flask, storage_root: Path) -> None:
    arriving = storage_root / "tmp"
    arriving.mkdir(exist_ok=True)
    old, young = arriving / "old", arriving / "young"
    for path, backdate in ((old, DAY + timedelta(minutes=1)), (young, DAY - timedelta(minutes=1))):
        path.write_bytes(b"half")
        written = time.time() - backdate.total_seconds()
        os.utime(path, (written, written))

    done = work(app)

    assert done.files == 1
    assert (old.exists(), young.exists()) == (False, True)


def test_a_store_that_is_gone_does_not_keep_the_database_from_its_upkeep(
    app: Flask, api: Api, registry: RegistryBuilder, storage_root: Path, tmp_path: Path
) -> None:
    upload = announce(api, uuid.uuid4().bytes)
    away = storage_root.rename(tmp_path / "away")

    try:
        done = work(app, later=8 * DAY)
    finally:
        away.rename(storage_root)

    assert done.uploads == 1
    assert expect(200, api.get(f"/uploads/{upload['id']}"))["state"] == "expired"
