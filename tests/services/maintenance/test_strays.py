"""Objects and uploads that no row refers to, and files of others in the store."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from registry.db.models import Blob, Upload
from registry.db.session import transaction
from registry.domain import clock
from registry.services.maintenance.garbage_collection import Waste
from registry.storage.keys import blob_key
from tests.services.maintenance.test_garbage_collection import WEEK, maintenance
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.store_maintenance import DAY, StoreMaintenance

__all__ = ["maintenance"]  # fixtures


def late_uploads(count: int, *, like: Upload) -> Iterator[Upload]:
    """Uploads that nobody goes on with."""
    for upload_id in (str(uuid.uuid4()) for _ in range(count)):
        yield Upload(id=upload_id, sha256=like.sha256, size=1, key=blob_key(like.sha256, upload_id), state="pending",
                     created_at=like.created_at, created_by=like.created_by, expires_at=like.expires_at)  # fmt: skip


def test_an_object_without_a_row_is_marked_waits_and_is_deleted(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    key = maintenance.stray(b"abc")

    first = maintenance.collect(grace=WEEK)
    maintenance.pass_(WEEK)
    second = maintenance.collect(grace=WEEK)

    assert first == [Waste("object", key, 3, False)]
    assert second == [Waste("object", key, 3, True)]
    assert len(maintenance.objects()) == 1
    assert maintenance.rows("SELECT * FROM strays") == []


def test_a_stray_that_a_row_refers_to_later_is_no_stray(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    key = maintenance.stray(b"after a restore")
    maintenance.collect(grace=WEEK)
    maintenance.pass_(2 * WEEK)
    with maintenance.app.app_context(), transaction() as session:
        session.add(Blob(sha256=key.split("/")[2], size=15, key=key, verified_at=clock.now()))

    found = maintenance.collect(grace=WEEK)

    assert [(waste.kind, waste.deleted) for waste in found] == [("blob", False)]
    assert maintenance.rows("SELECT * FROM strays") == []


def test_a_stray_that_was_deleted_elsewhere_is_forgotten(maintenance: StoreMaintenance) -> None:
    key = maintenance.stray()
    maintenance.collect(grace=WEEK)
    (maintenance.root / key).unlink()
    maintenance.pass_(WEEK)

    waste = maintenance.collect(grace=WEEK)

    assert (waste, maintenance.rows("SELECT * FROM strays"), maintenance.actions()) == ([], [], [])


def test_parts_of_an_upload_without_a_row_are_given_up(maintenance: StoreMaintenance) -> None:
    key = maintenance.stray()
    (maintenance.root / key).unlink()
    maintenance.store.begin_parts(key, size=10, part_size=5)

    first = maintenance.collect(grace=WEEK)
    maintenance.pass_(WEEK)
    second = maintenance.collect(grace=WEEK)

    assert (first, second) == (
        [Waste("unfinished upload", key, 0, False)],
        [Waste("unfinished upload", key, 0, True)],
    )
    assert list(maintenance.store.unfinished()) == []
    assert maintenance.actions() == ["upload.collected"]


def test_giving_up_parts_leaves_an_object_of_the_same_name(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    file = registry.file()
    registry.model("fraud").version(files=[file])
    key = maintenance.object(file["sha256"]).relative_to(maintenance.root).as_posix()
    maintenance.store.begin_parts(key, size=10, part_size=5)

    names = maintenance.deleted()

    assert names == [key]
    assert maintenance.fsck(deep=True) == []


@pytest.mark.parametrize("state", ["pending", "uploaded"])
def test_an_upload_that_is_under_way_is_left_alone(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder, state: str
) -> None:
    with maintenance.adapted(single_put_bytes=10, part_bytes=10):
        upload = expect(201, api.post("/uploads", {"sha256": "a" * 64, "size": 25}))
    content = uuid.uuid4().bytes
    sent = expect(201, api.post("/uploads", {"sha256": hashlib.sha256(content).hexdigest(), "size": 16}))
    registry.send(sent["target"], content)
    with maintenance.app.app_context(), transaction() as session:
        session.execute(update(Upload).where(Upload.id == sent["id"]).values(state=state))

    waste = maintenance.collect()

    assert waste == []
    assert len(maintenance.objects()) == 1
    assert expect(200, api.get(f"/uploads/{upload['id']}/parts"))["part_count"] == 3


def test_uploads_that_expired_are_closed_first_however_many(maintenance: StoreMaintenance, api: Api) -> None:
    with maintenance.adapted(single_put_bytes=10, part_bytes=10):
        upload = expect(201, api.post("/uploads", {"sha256": "b" * 64, "size": 25}))
    with maintenance.app.app_context(), transaction() as session:
        session.add_all(late_uploads(1001, like=session.get_one(Upload, upload["id"])))
        session.execute(update(Upload).values(expires_at=clock.now() - DAY))

    waste = maintenance.collect()

    assert waste == []
    assert maintenance.rows("SELECT state, count(*) FROM uploads GROUP BY state") == [("expired", 1002)]
    assert list(maintenance.store.unfinished()) == []


@pytest.mark.parametrize(
    "path", ["notes.txt", "blobs/notes.txt", "blobs/aa/notes.txt", f"blobs/aa/{'b' * 64}/x", f"blobs/bb/{'b' * 64}/a.b"]
)
def test_files_of_others_in_the_store_are_never_touched(maintenance: StoreMaintenance, path: str) -> None:
    foreign = maintenance.put(maintenance.root / path, b"mine")

    waste = maintenance.collect()

    assert waste == []
    assert foreign.read_bytes() == b"mine"
    foreign.unlink()
