"""Requests for imports: rights, formats of other releases, and requests that were changed in the database."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select

from registry.api.schemas.versions import VersionBody
from registry.db.models import Import
from registry.db.session import reading, transaction
from registry.domain.import_documents import registration_of
from registry.domain.manifest import File
from registry.domain.registrations import Registration
from tests.support.api import Api
from tests.support.https_server import HttpsServer, Reply
from tests.support.importer import LONG_AGO, Importer, some_bytes
from tests.support.replies import expect


def test_an_import_sets_a_protected_alias_for_those_who_might_promote_when_they_asked(
    importer: Importer, https: HttpsServer
) -> None:
    """A worker acts with what the request exercised."""
    address = "/models/fraud/aliases/champion"
    expect(200, importer.api.put(f"{address}/protection", {}))
    asked = {"source": https.serve("/models/a.bin", *[Reply(some_bytes(16_000))] * 4), "aliases": ["champion"]}

    refused = importer.as_role("admin").post("/models/fraud/imports", asked)
    accepted = importer.as_role("all").post("/models/fraud/imports", asked)
    worked = importer.work()

    assert expect(403, refused)["permission"] == "version:promote"
    assert expect(202, accepted)["state"] == "pending"
    assert worked
    assert expect(200, importer.api.get(address))["number"] == 1


def test_an_import_fails_whose_alias_was_protected_since_from_those_who_may_not_promote(
    importer: Importer, https: HttpsServer
) -> None:
    body = {"source": https.serve("/models/a.bin", *[Reply(some_bytes(16_000))] * 4), "aliases": ["champion"]}
    asked = expect(202, importer.as_role("admin").post("/models/fraud/imports", body))
    expect(200, importer.api.put("/models/fraud/aliases/champion/protection", {}))

    assert importer.work()

    failed = importer.now(asked)
    assert failed["state"] == "failed"
    assert "the alias 'champion' of 'fraud' is protected" in failed["reason"]
    assert importer.api.get("/models/fraud/aliases/champion").status_code == 404


FACTS: dict[str, Any] = {
    "description": "of another bucket",
    "tags": {"team": "risk"},
    "params": {"depth": "6"},
    "metrics": {"auc": 1},
    "evaluations": [{"metrics": {"f1": 0.5}, "dataset_name": "holdout", "step": None}],
    "framework": "sklearn",
    "signature": {"inputs": []},
    "run": {"system": "ci", "id": "7", "metrics": {"loss": 2}, "started_at": "2026-11-21t13:05:02+01:00", "url": None},
    "code": {"repo": "https://git.test/fraud", "commit": "abc", "dirty": False},
    "environment": {"python": "3.11.7", "image_digest": None},
    "datasets": [{"name": "holdout", "digests": ["sha256:" + "a" * 64], "role": "test"}],
    "parents": [{"model": "fraud", "version": 1}] * 2,
    "aliases": ["champion", "champion"],
    "default_ignores": True,
    "allow_secrets": False,
    "create_model": False,
}


def kept_facts(app: Flask) -> dict[str, Any]:
    with app.app_context(), reading() as session:
        return session.scalars(select(Import.facts)).one()


def test_two_releases_read_the_requests_that_the_other_one_keeps(importer: Importer, https: HttpsServer) -> None:
    """Earlier releases kept the request's body, and read it by the API's schema."""
    files = [File("a.bin", 1, "0" * 64)]
    importer.ask(https.serve("/models/a.bin", Reply(b"a")), **FACTS)
    document = kept_facts(importer.app)

    def read_by_an_earlier_release(facts: dict[str, Any]) -> Registration:
        options = {"allow_secrets", "default_ignores", "create_model"}
        body = {name: facts[name] for name in facts.keys() - options} | {"files": [asdict(file) for file in files]}
        registration: Registration = VersionBody().load(body)
        return registration

    assert read_by_an_earlier_release(FACTS) == read_by_an_earlier_release(document)
    assert registration_of(document, files) == registration_of(FACTS, files) == read_by_an_earlier_release(FACTS)


def test_a_request_that_a_later_release_keeps_waits_for_that_release(importer: Importer, https: HttpsServer) -> None:
    asked = importer.ask(https.serve("/models/a.bin", Reply(b"a")))
    importer.keep(facts={"format": 2, "registration": {}})

    assert importer.work()

    assert importer.now(asked)["state"] == "running"
    assert "a later release has to do it" in importer.now(asked)["reason"]


def test_a_request_without_meaning_fails(importer: Importer, https: HttpsServer) -> None:
    asked = importer.ask(https.serve("/models/a.bin", Reply(b"a")))
    importer.keep(facts={"run": {"system": "ci"}, "datasets": 5})

    assert importer.work()

    assert importer.now(asked)["state"] == "failed"
    assert "cannot be read" in importer.now(asked)["reason"]


CHANGES: list[dict[str, Any]] = [
    {"source": "https://sources.test/other"},
    {"permissions": ["version:promote"]},
    {"facts": {"description": "other"}},
    {"seal": None},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_an_import_that_was_changed_in_the_database_fails(
    importer: Importer, https: HttpsServer, change: dict[str, Any]
) -> None:
    asked = importer.ask(https.serve("/models/a.bin", Reply(some_bytes())))
    importer.change(**change)

    assert importer.work()

    assert "does not bear this registry's seal" in importer.now(asked)["reason"]
    assert importer.registry.model("fraud").stages() == {}
    assert importer.registry.model("fraud").actions()[-1] == "import.failed"


def test_an_import_that_was_added_or_begun_again_in_the_database_fills_no_version(
    importer: Importer, https: HttpsServer
) -> None:
    """Nor does it end the version that it names, which another import is to fill."""
    source = https.serve("/models/a.bin", Reply(some_bytes()))
    asked = importer.done(source)
    importer.change(state="pending", number=None, finished_at=None)
    reserved = importer.reserve(source)
    with importer.app.app_context(), transaction() as session:
        true = session.execute(select(*Import.__table__.columns).where(Import.version_id.is_not(None))).one()._asdict()
        session.execute(insert(Import).values({**true, "id": str(uuid.uuid4()), "created_at": LONG_AGO}))

    while importer.work():
        pass

    assert "does not bear this registry's seal" in importer.now(asked)["reason"]
    assert importer.version(reserved.number)["state"] == "ready"
    assert list(importer.registry.model("fraud").stages()) == [1, 2]


def test_an_import_whose_token_was_revoked_fails(importer: Importer, https: HttpsServer) -> None:
    made = expect(201, importer.api.post("/tokens", {"owner": "leaver", "roles": ["admin"]}))
    leaver = Api(importer.app.test_client(), made["token"])
    source = https.serve("/models/a.bin", Reply(some_bytes()))
    asked = expect(202, leaver.post("/models/fraud/imports", {"source": source}))
    expect(200, importer.api.delete(f"/tokens/{made['id']}"))

    assert importer.work()

    assert importer.now(asked)["reason"].startswith(f"the token {made['id']} that requested it was revoked")
    assert (importer.registry.model("fraud").stages(), https.count("/models/a.bin")) == ({}, 0)
