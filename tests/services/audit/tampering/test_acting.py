"""A row that SQL added or changed does nothing in the name that it bears, and answers nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from registry.db.models import Account, Blob, IdempotencyKey, Registry, Upload
from registry.db.session import reading, transaction
from tests.services.audit.tampering.history import Installation
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import in_process
from tests.support.replies import expect

PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
SECRET = b"what only alice has sent" * 4


@pytest.fixture
def alice(installation: Installation, database: Database) -> Api:
    return Api(installation.app.test_client(), database.tokens["all"])


@pytest.fixture
def eve(installation: Installation) -> Api:
    return Api(installation.app.test_client(), installation.token("eve", ["writer"]))


def _eve(session: Session) -> str:
    return session.scalars(select(Account.id).where(Account.name == "eve")).one()


def _copy(session: Session, **changes: Any) -> None:
    """Give eve a copy of alice's upload."""
    sent = session.execute(select(*Upload.__table__.columns).where(Upload.state == "verified")).one()._asdict()
    row = {**sent, "id": str(uuid.uuid4()), "key": "planted", "created_by": _eve(session), **changes}
    session.execute(insert(Upload).values(row))


def _flip(session: Session) -> None:
    session.execute(update(Upload).where(Upload.created_by == _eve(session)).values(state="verified"))


def _take(session: Session) -> None:
    session.execute(update(Upload).where(Upload.state == "verified").values(created_by=_eve(session)))


UPLOADS: dict[str, Callable[[Session], None]] = {
    "one with the seal of another": _copy,
    "one without a seal": lambda session: _copy(session, seal=None),
    "one that waits to be verified": lambda session: _copy(session, state="uploaded"),
    "one that was only announced": _flip,
    "one that is another account's": _take,
}


@pytest.mark.parametrize("forge", UPLOADS.values(), ids=UPLOADS)
def test_an_upload_proves_nothing_that_the_service_did_not_record(
    installation: Installation, alice: Api, eve: Api, forge: Callable[[Session], None]
) -> None:
    """Whoever names bytes that are no file of theirs, and that they cannot read, must send them."""
    alices, file = in_process(alice), in_process(alice).file(SECRET)
    in_process(eve).create_model()
    announced = expect(201, eve.post("/uploads", {"sha256": file["sha256"], "size": file["size"]}))
    with installation.transaction() as session:
        forge(session)

    refused = eve.post("/models/fraud/versions", {"files": [file]})

    assert expect(409, refused)["code"] == "blobs_missing"
    installation.work()
    assert alices.model("fraud").stages() == {}
    assert announced["state"] == "pending"


def test_an_upload_that_was_changed_is_neither_completed_nor_cleared_away(
    installation: Installation, alice: Api, eve: Api
) -> None:
    """It may name the object of a version."""
    registry = in_process(alice)
    registry.model("fraud").version(files=[registry.file(SECRET)])
    announced = expect(201, eve.post("/uploads", {"sha256": "ab" * 32, "size": 5}))
    with installation.transaction() as session:
        key = session.scalars(select(Blob.key)).one()
        session.execute(update(Upload).where(Upload.key == key).values(key="elsewhere"))
        session.execute(update(Upload).where(Upload.id == announced["id"]).values(key=key))

    completed = eve.post(f"/uploads/{announced['id']}/complete")
    with installation.transaction() as session:
        session.execute(update(Upload).where(Upload.id == announced["id"]).values(expires_at=PAST))
    installation.work()

    assert "does not bear this registry's seal" in expect(409, completed)["detail"]
    assert (installation.root / "store" / key).read_bytes() == SECRET


def test_a_kept_reply_that_was_changed_answers_nothing(installation: Installation, alice: Api) -> None:
    key = {"headers": {"Idempotency-Key": "once"}}
    expect(201, alice.post("/models", {"name": "fraud"}, **key))
    with installation.transaction() as session:
        session.execute(update(IdempotencyKey).values(reply='{"name": "other"}'))

    refused = expect(409, alice.post("/models", {"name": "fraud"}, **key))

    assert "use a new key" in refused["detail"]


def test_bytes_that_were_replaced_with_their_mark_are_read_before_production(
    installation: Installation, alice: Api
) -> None:
    registry = in_process(alice)
    number = registry.model("fraud").version(files=[registry.file(SECRET)], stage="staging")
    with installation.context():
        with reading() as session:
            key = session.scalars(select(Blob.key)).one()
        (installation.root / "store" / key).write_bytes(SECRET[::-1])
        stat = installation.adapters.store.stat(key)
        assert stat is not None
        with transaction() as session:
            session.execute(update(Blob).values(etag=stat.etag))

    refused = alice.put(
        f"/models/fraud/versions/{number}/stage", {"stage": "production", "reason": "a reason of weight"}
    )

    assert expect(409, refused)["code"] == "blobs_missing"


def test_rows_of_an_earlier_release_count_while_both_may_serve(installation: Installation, alice: Api) -> None:
    registry = in_process(alice)
    registry.create_model()
    file = registry.file(SECRET)
    with installation.transaction() as session:
        session.execute(update(Upload).values(seal=None))
        session.execute(update(Registry).values(unsealed_until=FUTURE))

    made = expect(201, alice.post("/models/fraud/versions", {"files": [file]}))

    assert made["version"]["state"] == "ready"
    assert "act without a seal until 2999-01-01" in str(installation.unlike()["registry"])
