"""Moves that the state of things does not allow."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from registry.db.models import Blob
from registry.db.session import reading
from tests.api.conftest import Try
from tests.api.hostile import transitions
from tests.api.hostile.case import Case
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


def test_a_move_that_is_not_allowed_is_refused_and_leaves_nothing_behind(attempt: Try) -> None:
    assert attempt(transitions.CASES) == []


def test_a_version_without_its_bytes_enters_production_neither_by_promotion_nor_by_rollback(
    attempt: Try, api: Api, registry: RegistryBuilder, storage_root: Path
) -> None:
    lose(api, storage_root, 3)  # all versions of the world share their bytes
    move = {"stage": "production", "reason": "why not"}

    cases = [
        Case("promote", "PUT", "/models/fraud/versions/3/stage", 409, "blobs_missing", json=move,
             writes=True),  # what was found wrong is looked at again
        Case("rehearse", "PUT", "/models/fraud/versions/3/stage", 409, "blobs_missing",
             json=move | {"dry_run": True}),
        Case("roll back", "POST", "/models/fraud/rollback", 409, "blobs_missing", json={"reason": "why not"},
             writes=True),
        Case("roll back to", "POST", "/models/fraud/rollback", 409, "blobs_missing",
             json={"reason": "why not", "to": 1}),
    ]  # fmt: skip

    assert attempt(cases) == []


def lose(api: Api, storage_root: Path, number: int) -> None:
    """Remove the bytes of a version's first file from the store, as a disk would."""
    file = expect(200, api.get(f"/models/fraud/versions/{number}/files"))["items"][0]
    with api.client.application.app_context(), reading() as session:
        key = session.scalars(select(Blob.key).where(Blob.sha256 == file["sha256"])).one()
    (storage_root / key).unlink()
