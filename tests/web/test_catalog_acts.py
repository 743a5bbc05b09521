"""Forms that change the catalogue: done once, refused in words with what was typed, and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict

from tests.support.browser_sessions import logged_in
from tests.support.databases import Database
from tests.support.pages import SAME_ORIGIN, Seen, browse, examined, submit
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

MODEL = "/models/fraud"
VERSION = f"{MODEL}/versions/1"


def filled(seen: Seen, fields: Mapping[str, Any], action: str | None = None) -> MultiDict[str, Any]:
    """What a browser sends of a form: its hidden fields, its rows of tags, and what a person typed."""
    data: MultiDict[str, Any] = MultiDict(seen.hidden_fields(action))
    for name, tag in (("tag_key", "input"), ("tag_value", "textarea")):
        for field in seen.all(tag, name=name):
            data.add(name, field.get("value") if tag == "input" else "".join(field.itertext()).removeprefix("\n"))
    for name, value in fields.items():
        data.setlist(name, value if isinstance(value, list) else [value])
    return data


def send(client: FlaskClient, path: str, data: Any) -> Any:
    return client.post(path, data=data, headers=SAME_ORIGIN)


def refused(client: FlaskClient, path: str, fields: Mapping[str, Any], *, status: int, at: str | None = None) -> Seen:
    seen = browse(client, at or path)
    return examined(send(client, path, filled(seen, fields, path if at else None)), status=status)


def test_a_model_is_created_once_however_often_the_form_is_sent(visitor: FlaskClient, site: RegistryBuilder) -> None:
    typed = {"name": "fraud", "description": "Scores *cards*.", "tag_key": ["team", ""], "tag_value": ["a\r\nb", "x"]}
    data = filled(browse(visitor, "/new/model"), typed)

    first, again = send(visitor, "/new/model", data), send(visitor, "/new/model", data)

    assert (first.status_code, again.status_code) == (303, 303)
    assert first.headers["Location"] == again.headers["Location"] == MODEL
    shown = browse(visitor, MODEL)
    assert "fraud was created." in shown.text
    assert [element.text for element in shown.all("em")] == ["cards"]
    assert expect(200, site.client.get(MODEL))["tags"] == {"team": "a\nb"}
    assert site.model("fraud").actions() == ["model.created"]
    taken = refused(visitor, "/new/model", typed | {"name": "FRAUD"}, status=409)
    assert "Refused: the name is taken." in taken.text
    assert taken.one("input", name="name").get("value") == "FRAUD"
    for name in ("a/b", "", "a\x00b", "x" * 257):
        wrong = refused(visitor, "/new/model", {"name": name}, status=422)
        assert wrong.one("input", name="name").get("aria-invalid") == "true"


def test_an_edit_that_another_one_preceded_shows_both_texts(visitor: FlaskClient, site: RegistryBuilder) -> None:
    site.create_model("fraud", description="one", tags={"team": "risk", "tier": "1"})
    opened = browse(visitor, f"{MODEL}/edit")
    expect(200, site.client.patch(MODEL, {"description": "two", "tags": {"tier": "2"}}))

    late = examined(send(visitor, f"{MODEL}/edit", filled(opened, {"description": "mine"})), status=412)

    assert "Refused: the resource has changed since you opened it." in late.text
    assert "two" in "".join(late.one("section", aria_labelledby="stored").itertext())
    assert "".join(late.one("textarea", name="description").itertext()).strip() == "mine"
    assert expect(200, site.client.get(MODEL))["description"] == "two"
    done = send(visitor, f"{MODEL}/edit", filled(late, {"description": "mine", "reason": "agreed"}))
    assert done.status_code == 303
    stored = expect(200, site.client.get(MODEL))
    assert (stored["description"], stored["tags"]) == ("mine", {"team": "risk", "tier": "1"})


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_tags_are_set_and_removed_by_their_rows_and_only_what_changed_is_recorded(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    site.model("fraud").version(description="kept\r\nas it is", tags={"team": "risk", "old": "x", "same": "a\r\nb"})
    rows = {"tag_key": ["team", "same", "new"], "tag_value": ["fraud", "a\nb", "1"]}

    opened = browse(visitor, f"{VERSION}/edit")
    done = send(visitor, f"{VERSION}/edit", filled(opened, rows | {"description": "kept\nas it is"}))

    assert done.status_code == 303
    version = expect(200, site.client.get(VERSION))
    assert version["tags"] == {"team": "fraud", "same": "a\r\nb", "new": "1"}
    assert version["description"] == "kept\r\nas it is"
    (entry,) = expect(200, site.client.get(f"{VERSION}/history?action=version.edited"))["items"]
    assert entry["texts"] == {"tags": '{"new": "1", "old": null, "team": "fraud"}'}
    twice = refused(visitor, f"{VERSION}/edit", {"tag_key": ["a", "a"], "tag_value": ["1", "2"]}, status=422)
    assert "must have the key 'a' once" in twice.text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_forms_that_are_too_large_are_refused_within_bounds(visitor: FlaskClient, site: RegistryBuilder) -> None:
    site.create_model("fraud", description="x")
    many = {"tag_key": [f"k{number}" for number in range(9_000)], "tag_value": ["v"] * 9_000}
    for fields, statuses in (
        (many, {422}),
        ({"description": "x" * 2_000_000}, {413, 422}),
        ({"description": "x" * 70_000}, {422}),
        ({"reason": "x" * 2_001}, {422}),
        ({"row_version": "9" * 50}, {422}),
        ({"tag_key": ["k" * 300], "tag_value": ["v"]}, {422}),
        ({"tag_key": ["k"], "tag_value": ["\x00"]}, {422}),
        ({"tag_key": [f"k{number}" for number in range(30_000)]}, {400}),
    ):
        reply = send(visitor, f"{MODEL}/edit", filled(browse(visitor, f"{MODEL}/edit"), fields))
        assert reply.status_code in statuses, (reply.status_code, [*fields])
        examined(reply, status=reply.status_code)
        assert len(reply.data) < 2_500_000 if "description" in fields else len(reply.data) < 100_000
    surrogate = b"reason=%ED%A0%80"
    assert send(visitor, f"{MODEL}/edit", surrogate).status_code in {400, 403}
    assert site.model("fraud").actions() == ["model.created"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_models_and_versions_are_deleted_and_restored_with_their_reasons(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    site.model("fraud").version(stage="production")
    in_use = refused(visitor, f"{MODEL}/delete", {"reason": "old"}, status=409)
    assert "Refused: in use." in in_use.text
    assert "".join(in_use.one("textarea", name="reason").itertext()).strip() == "old"
    assert refused(visitor, f"{VERSION}/delete", {}, status=409).one("p", role="alert")
    site.model("fraud").move(1, "archived", leave_vacant=True)

    for path, action in (
        (VERSION, "version.deleted"), (VERSION, "version.undeleted"), (MODEL, "model.deleted"),
        (MODEL, "model.restored"),
    ):  # fmt: skip
        form = f"{path}/{'delete' if action.endswith('.deleted') else 'restore'}"
        submit(visitor, form, {"reason": f"for {action}"})
        entry = expect(200, site.client.get(f"{MODEL}/history?action={action}"))["items"][0]
        assert entry["reason"] == f"for {action}"
        if action == "model.deleted":
            assert "for model.deleted”. Its versions, history and name are kept." in browse(visitor, MODEL).text
    assert "is not deleted" in refused(visitor, f"{MODEL}/restore", {}, status=409).text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_lifecycle_is_chosen(visitor: FlaskClient, site: RegistryBuilder) -> None:
    site.create_model("fraud")
    assert browse(visitor, f"{MODEL}/lifecycle").one("input", value="enforced").get("checked") is not None

    submit(visitor, f"{MODEL}/lifecycle", {"lifecycle": "open", "reason": "migration"})

    assert "fraud has the lifecycle open." in browse(visitor, MODEL).text
    assert refused(visitor, f"{MODEL}/lifecycle", {"lifecycle": "loose"}, status=422).one("p", role="alert")


def test_aliases_are_set_moved_and_deleted_and_a_stale_form_is_refused(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    for files in site.different_files(3):
        site.model("fraud").version(files=files)
    aliases, champion = f"{MODEL}/aliases", f"{MODEL}/aliases/champion"
    submit(visitor, aliases, {"alias": "champion", "version": "1", "reason": "first"})
    assert "fraud@champion points at version 1." in browse(visitor, aliases).text
    assert refused(visitor, aliases, {"alias": "champion", "version": "2"}, status=409).one("p", role="alert")
    for wrong in ({"alias": "v7", "version": "1"}, {"alias": "", "version": "1"}, {"alias": "a b", "version": "1"},
                  {"alias": "a", "version": "0"}, {"alias": "a", "version": "9" * 12}, {"alias": "a"}):  # fmt: skip
        assert refused(visitor, aliases, wrong, status=422).all("span", class_="wrong")
    assert refused(visitor, aliases, {"alias": "a", "version": "99"}, status=404).one("p", role="alert")

    opened = browse(visitor, champion)
    for odd in ("9" * 5000, "x", "-1", "٣"):
        refused(visitor, champion, {"version": "2", "expected": odd}, status=422)
    expect(200, site.client.put(champion, {"version": 2}))
    stale = examined(send(visitor, champion, filled(opened, {"version": "3"})), status=409)
    assert "Refused: another change came first." in stale.text
    submit(visitor, champion, filled(stale, {"version": "3", "reason": "won"}))

    past = browse(visitor, champion).one("table")
    assert ["".join(row[1].itertext()).split()[0] for row in past.iter("tr")][1:] == ["v3", "v2", "v1"]
    submit(visitor, f"{champion}/delete", {"reason": "retired"})
    assert "The alias does not point at a version." in browse(visitor, champion).text
    browse(visitor, f"{MODEL}/aliases/never", status=404)


def test_a_note_is_added_on_the_page_and_a_readme_is_shown_as_the_card(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    card = "---\nlicense: mit\nlink: https://a.test/x\n---\n# Fraud\n\nScores **cards**. ![x](https://a.test/y.png)"
    site.model("fraud").version(files=[site.file(card.encode(), "README.md"), site.file(b"m", "model.bin")])
    site.model("fraud").version(files=[site.file(b"n", "model.bin")])

    shown = browse(visitor, f"{VERSION}/card")
    assert [(row[0].text, "".join(row[1].itertext()).strip()) for row in shown.all("tr")][1:] == [
        ("license", "mit"), ("link", "https://a.test/x"),
    ]  # fmt: skip
    assert [element.text for element in shown.all("strong")] == ["cards"]
    assert shown.one("h3").text == "Fraud"
    assert "has no model card" in browse(visitor, f"{MODEL}/versions/2/card").text
    submit(visitor, f"{VERSION}/notes", {"text": "worse *abroad*"})
    written = browse(visitor, f"{VERSION}/notes")
    assert "The note on fraud:1 was added." in written.text
    assert written.one("em").text == "abroad"
    too_long = refused(visitor, f"{VERSION}/notes", {"text": "x" * 10_001}, status=422)
    assert too_long.one("textarea", name="text").get("aria-invalid") == "true"
    assert [note["text"] for note in expect(200, site.client.get(f"{VERSION}/notes"))["items"]] == ["worse *abroad*"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_who_may_not_read_files_learns_why_the_card_is_not_shown(
    app: Flask, registry: RegistryBuilder, database: Database
) -> None:
    registry.model("fraud").version(files=[registry.file(b"# Secret", "README.md")])
    reader, auditor = (logged_in(app, database.tokens[role]) for role in ("reader", "auditor"))

    assert "Secret" in browse(reader, f"{VERSION}/card").text
    shown = browse(auditor, f"{VERSION}/card").text
    assert "Secret" not in shown
    assert "Reading files requires the permission file:download; auditor has the roles: auditor." in shown
    assert "Read README.md" in browse(auditor, VERSION).text
    submit(auditor, f"{VERSION}/notes", {"text": "looked at"})
    assert "looked at" in browse(reader, VERSION).text
