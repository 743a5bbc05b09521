"""Uploads that go wrong in every way that a client can think of: a clear refusal, and nothing is registered."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update

from registry.app import create_app
from registry.config import Settings
from registry.db.models import Upload
from registry.db.session import db, transaction
from registry.http.context import EXTENSION
from registry.services.uploads import announcement
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.polling import eventually
from tests.support.registry_builder import RegistryBuilder, in_process
from tests.support.replies import expect

CONTENT = b"the bytes of a model"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = {"path": "model.bin", "size": len(CONTENT), "sha256": SHA256}


@pytest.fixture
def hurried(database: Database, make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Api]]:
    """A client of an app with settings of its own."""
    apps = []

    def make(**changes: Any) -> Api:
        apps.append(create_app(make_settings(database.url, **changes)))
        return Api(apps[-1].test_client(), database.tokens["all"])

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture(autouse=True)
def _model(registry: RegistryBuilder) -> None:
    registry.create_model()


def announce(api: Api, content: bytes = CONTENT) -> dict[str, Any]:
    sha256 = hashlib.sha256(content).hexdigest()
    return expect(201, api.post("/uploads", {"sha256": sha256, "size": len(content)}))


def state(api: Api, upload: dict[str, Any]) -> str:
    state: str = expect(200, api.get(f"/uploads/{upload['id']}"))["state"]
    return state


def refusal(api: Api, upload: dict[str, Any]) -> tuple[int, str]:
    """How completing the upload is refused."""
    response = api.post(f"/uploads/{upload['id']}/complete")
    return response.status_code, response.get_json()["code"]


def assert_not_registrable(api: Api, registry: RegistryBuilder, sha256: str = SHA256, size: int = len(CONTENT)) -> None:
    """Registering the bytes is refused and leaves nothing behind."""
    before = registry.audit_entry_count()
    problem = expect(
        409, api.post("/models/fraud/versions", {"files": [{"path": "model.bin", "size": size, "sha256": sha256}]})
    )
    assert (problem["code"], problem["missing"]) == ("blobs_missing", [sha256])
    assert registry.audit_entry_count() == before
    assert registry.model("fraud").stages() == {}


def let_expire(api: Api, *announced: dict[str, Any]) -> None:
    """Let the uploads have ended a while ago."""
    ids = [upload["id"] for upload in announced]
    with api.client.application.app_context(), transaction() as session:
        session.execute(update(Upload).where(Upload.id.in_(ids)).values(expires_at=LONG_AGO))


def test_bytes_that_were_never_announced_cannot_be_registered(api: Api, registry: RegistryBuilder) -> None:
    assert_not_registrable(api, registry)


def test_one_missing_file_of_several_is_named_and_none_is_registered(api: Api, registry: RegistryBuilder) -> None:
    there = registry.file(b"here")

    problem = expect(409, api.post("/models/fraud/versions", {"files": [there, FILE | {"path": "other.bin"}]}))

    assert (problem["code"], problem["missing"]) == ("blobs_missing", [SHA256])
    assert registry.model("fraud").stages() == {}


def test_an_upload_whose_bytes_were_never_sent_cannot_be_completed(api: Api, registry: RegistryBuilder) -> None:
    upload = announce(api)

    assert refusal(api, upload) == (409, "conflict")
    assert state(api, upload) == "pending"
    assert_not_registrable(api, registry)


@pytest.mark.parametrize(
    "sent", [CONTENT[:-1], CONTENT + b"!", b"", CONTENT.upper()], ids=["shorter", "longer", "empty", "other bytes"]
)
def test_other_bytes_than_announced_are_refused_and_the_right_ones_still_taken(
    api: Api, registry: RegistryBuilder, sent: bytes
) -> None:
    upload = announce(api)

    refused = registry.send(upload["target"], sent)

    assert (refused.status_code, refused.get_json()["code"]) == (409, "upload_mismatch")
    assert refusal(api, upload) == (409, "conflict")
    assert_not_registrable(api, registry)
    assert registry.send(upload["target"], CONTENT).status_code == 204
    assert expect(200, api.post(f"/uploads/{upload['id']}/complete"))["state"] == "verified"


def test_a_registration_with_another_size_than_the_bytes_have_is_refused(api: Api, registry: RegistryBuilder) -> None:
    registry.blob(CONTENT)

    problem = expect(422, api.post("/models/fraud/versions", {"files": [FILE | {"size": 3}]}))

    assert problem["code"] == "invalid"
    assert registry.model("fraud").stages() == {}


def test_an_upload_completed_twice_is_completed_once(api: Api, registry: RegistryBuilder) -> None:
    upload = announce(api)
    registry.send(upload["target"], CONTENT)

    first, second = (expect(200, api.post(f"/uploads/{upload['id']}/complete")) for _ in range(2))

    assert first == second
    assert expect(201, api.post("/models/fraud/versions", {"files": [FILE]}))["version"]["number"] == 1


def test_known_bytes_are_not_sent_again(api: Api, registry: RegistryBuilder) -> None:
    registry.blob(CONTENT)

    again = expect(200, api.post("/uploads", {"sha256": SHA256, "size": len(CONTENT)}))

    assert (again["state"], again["target"], again["id"]) == ("verified", None, None)


def test_an_aborted_upload_cannot_be_completed(api: Api, registry: RegistryBuilder) -> None:
    upload = announce(api)
    registry.send(upload["target"], CONTENT)

    assert expect(200, api.delete(f"/uploads/{upload['id']}"))["state"] == "aborted"

    assert refusal(api, upload) == (409, "conflict")
    assert_not_registrable(api, registry)


def test_a_verified_upload_cannot_be_aborted(api: Api, registry: RegistryBuilder) -> None:
    upload = announce(api)
    registry.send(upload["target"], CONTENT)
    expect(200, api.post(f"/uploads/{upload['id']}/complete"))

    assert expect(409, api.delete(f"/uploads/{upload['id']}"))["code"] == "conflict"
    assert expect(201, api.post("/models/fraud/versions", {"files": [FILE]}))["created"]


def test_an_upload_that_took_too_long_has_expired(api: Api, registry: RegistryBuilder) -> None:
    upload = announce(api)
    assert registry.send(upload["target"], CONTENT).status_code == 204

    let_expire(api, upload)

    assert refusal(api, upload) == (410, "upload_expired")
    assert expect(200, api.get(f"/uploads/{upload['id']}"))["target"] is None
    assert_not_registrable(api, registry)


def test_the_worker_closes_an_expired_upload_and_deletes_what_arrived(api: Api, registry: RegistryBuilder) -> None:
    late = announce(api, uuid.uuid4().bytes)
    content = uuid.uuid4().bytes
    sent = announce(api, content)
    assert registry.send(sent["target"], content).status_code == 204
    store = api.client.application.extensions[EXTENSION].store
    let_expire(api, late, sent)
    fresh = announce(api, uuid.uuid4().bytes)

    with api.client.application.app_context():
        closed = announcement.expire(store=store)

    assert closed == 2
    assert [state(api, upload) for upload in (late, sent, fresh)] == ["expired", "expired", "pending"]
    root = store.driver._root  # no public way to look behind a store
    assert list(root.glob(f"blobs/*/{hashlib.sha256(content).hexdigest()}/*")) == []
    assert refusal(api, sent) == (410, "upload_expired")


def test_an_expired_address_takes_no_bytes_and_a_fresh_one_does(hurried: Callable[..., Api]) -> None:
    api = hurried(url_expiry=1)
    upload = announce(api)
    time.sleep(1.05)  # an attempt before the expiry would send the bytes

    refused = in_process(api).send(upload["target"], CONTENT)
    assert (refused.status_code, refused.get_json()["code"]) == (410, "upload_expired")

    def fresh_one_takes_them() -> bool:
        fresh = expect(200, api.get(f"/uploads/{upload['id']}"))
        return in_process(api).send(fresh["target"], CONTENT).status_code == 204

    eventually(fresh_one_takes_them, "the bytes are sent within the second")
    assert expect(200, api.post(f"/uploads/{upload['id']}/complete"))["state"] == "verified"


def test_an_address_takes_the_bytes_that_it_was_signed_for_only(api: Api, registry: RegistryBuilder) -> None:
    first, second = announce(api, b"first bytes"), announce(api, b"other bytes")

    assert registry.send(first["target"], b"other bytes").status_code == 409
    assert registry.send(second["target"], b"other bytes").status_code == 204
    assert refusal(api, first) == (409, "conflict")
