"""Notes: comments on versions by those who may read them, as entries of the audit log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from registry.db.models import AuditText
from registry.db.session import transaction
from registry.domain import sizes
from registry.rules.audit_log.reports import Outcome
from registry.services import audit
from tests.support.api import Api
from tests.support.evidence_archive import Evidence
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import seal_all

VERSION = "/models/fraud/versions/1"
NOTES = f"{VERSION}/notes"


@pytest.fixture(autouse=True)
def _one_version(registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")


def note(api: Api, text: str, **options: Any) -> dict[str, Any]:
    return expect(201, api.post(NOTES, {"text": text}, **options))


def damage(app: Flask) -> list[str]:
    with app.app_context():
        return [problem for report in audit.verify() for problem in (*report.problems, *report.uncovered)]


def test_a_reader_of_a_version_may_comment_on_it_and_the_version_stays_as_it_is(
    api: Api, as_role: Callable[[str], Api]
) -> None:
    etag = api.get(VERSION).headers["ETag"]

    written = [note(as_role(role), f"from the {role}") for role in ("reader", "auditor", "responder")]

    assert expect(200, api.get(NOTES)) == {"items": written[::-1], "next_cursor": None}
    assert [one["author"] for one in written] == ["reader", "auditor", "responder"]
    assert api.get(VERSION).headers["ETag"] == etag
    entries = expect(200, api.get(f"{VERSION}/history?action=version.noted"))["items"]
    assert [(one["id"], one["texts"], one["version"]) for one in entries] == [
        (one["id"], {"note": one["text"]}, 1) for one in written[::-1]
    ]


def test_a_note_sent_again_with_its_key_is_one_note_and_a_redacted_one_comes_back_without_its_text(
    app: Flask, api: Api
) -> None:
    again = {"headers": {"Idempotency-Key": "once"}}
    first = note(api, "call Jürgen about it", **again)
    with app.app_context():
        audit.erase_text(first["id"], "note", reason="a request")

    repeated = api.post(NOTES, {"text": "call Jürgen about it"}, **again)

    gone = first | {"text": None, "redacted": True}
    assert (repeated.headers["Idempotency-Replayed"], expect(201, repeated)) == ("true", gone)
    assert expect(200, api.get(NOTES))["items"] == [gone]
    assert damage(app) == []


def test_verification_reports_a_note_that_was_changed(app: Flask, api: Api) -> None:
    written = note(api, "do not promote")
    with app.app_context(), transaction() as session:
        session.execute(update(AuditText).where(AuditText.entry_uid == written["id"]).values(text="promote"))

    assert [problem for problem in damage(app) if "note" in problem] != []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_notes_are_on_deleted_versions_and_not_on_deleted_models(api: Api, registry: RegistryBuilder) -> None:
    number = registry.model("fraud").version(files=[registry.file(b"another")])
    expect(200, api.delete(f"/models/fraud/versions/{number}?reason=wrong labels"))
    on_deleted = api.post(f"/models/fraud/versions/{number}/notes", {"text": "the labels of May were swapped"})
    registry.model("old").version()
    expect(200, api.delete("/models/old"))

    assert expect(201, on_deleted)["version"] == number
    assert expect(409, api.post("/models/old/versions/1/notes", {"text": "x"}))["code"] == "conflict"
    assert expect(200, api.get("/models/old/versions/1/notes"))["items"] == []
    assert expect(404, api.post("/models/fraud/versions/9/notes", {"text": "x"}))["code"] == "not_found"


def test_the_length_and_the_number_of_notes_have_limits(api: Api, as_role: Callable[[str], Api]) -> None:
    longest = "\U0001f98a" * sizes.NOTE_LENGTH
    assert note(api, longest)["text"] == longest
    for text in ("", " \n\t", longest + "x"):
        assert list(expect(422, api.post(NOTES, {"text": text}))["errors"]) == ["text"]
    reader = as_role("reader")
    for number in range(sizes.NOTES_AN_HOUR):
        note(reader, str(number))

    refused = reader.post(NOTES, {"text": "one more"})

    assert expect(429, refused)["code"] == "rate_limited"
    assert 3000 < int(refused.headers["Retry-After"]) <= 3600
    note(api, "another account may")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_evidence_archive_has_the_notes_that_are_there_and_verifies(app: Flask, api: Api, tmp_path: Any) -> None:
    kept, gone = note(api, "drifts\nsince May"), note(api, "by Jürgen")
    with app.app_context():
        audit.erase_text(gone["id"], "note", reason="a request")
    seal_all(app)

    evidence = Evidence(api.get("/models/fraud/evidence").data, tmp_path)

    assert evidence.verify().outcome is Outcome.VERIFIED
    facts = [
        (fact["version"], fact["text"], fact["redacted"], fact["written"]["entry"]) for fact in evidence.facts("notes")
    ]
    assert facts == [(1, "drifts\nsince May", False, kept["id"]), (1, None, True, gone["id"])]
    assert b"drifts\nsince May" in evidence.archive.read("csv/notes.csv")
