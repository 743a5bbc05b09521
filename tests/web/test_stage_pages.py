"""Moves, rollbacks and tenures in the pages: what a form shows, what it does, and how it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.browser_sessions import logged_in
from tests.support.databases import Database
from tests.support.pages import SAME_ORIGIN, Seen, browse, submit
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements

FRAUD = "/models/fraud"
STAGE, ROLLBACK = f"{FRAUD}/versions/2/stage", f"{FRAUD}/rollback"
IN_DIALOG = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "dialog#dialog"}


@pytest.fixture
def served(site: RegistryBuilder) -> list[dict[str, Any]]:
    """Version 1 in production; 2 and 3 in staging. The files of each."""
    files = [site.file() for _ in range(3)]
    for file, stage in zip(files, ("production", "staging", "staging"), strict=True):
        site.model("fraud").version(stage=stage, files=[file])
    return files


def choices(seen: Seen) -> dict[str, bool]:
    """The radio buttons of the form by value, and whether each is chosen."""
    return {str(one.get("value")): one.get("checked") is not None for one in seen.all("input", type="radio")}


def entries(site: RegistryBuilder) -> int:
    return len(site.model("fraud").actions())


def again(seen: Seen) -> Seen:
    return Seen(seen.response)


@pytest.mark.usefixtures("served")
def test_a_move_shows_what_each_choice_does_and_acts_once(visitor: FlaskClient, site: RegistryBuilder) -> None:
    shown = browse(visitor, f"{STAGE}?to=production")
    before = entries(site)

    first = submit(visitor, STAGE, {"to": "production", "reason": "approved"}, seen=shown)
    second = submit(visitor, STAGE, {"to": "production", "reason": "approved"}, seen=shown)
    page = browse(visitor, first.headers["Location"])

    assert choices(shown) == {"none": False, "production": True, "archived": False}
    assert "version 1 leaves production and is archived" in shown.text
    assert shown.hidden_fields(STAGE)["expected_current"] == "1"
    assert first.headers["Location"] == second.headers["Location"] == FRAUD
    assert entries(site) == before + 1
    assert site.model("fraud").stages() == {1: "archived", 2: "production", 3: "staging"}
    assert page.text.startswith("fraud:2 is in production since ")
    assert "Version 1 was archived. " in page.text
    assert f"{ROLLBACK}" in page.links


@pytest.mark.usefixtures("served")
def test_a_form_that_another_change_overtook_chooses_nothing_and_keeps_the_reason(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    shown = browse(visitor, f"{STAGE}?to=production")
    site.model("fraud").move(3, "production", reason="faster")

    typed = {"to": "production", "reason": "approved by risk"}
    refused = Seen(submit(visitor, STAGE, typed, status=409, seen=shown))

    assert refused.text.startswith("Move fraud:2 Refused: another change came first.")
    assert set(choices(refused).values()) == {False}
    assert refused.one("textarea").text.strip() == "approved by risk"
    assert "Version 3 entered production just now (local-dev: faster)" in refused.text
    assert "Compare version 3 with 2" in refused.text
    assert refused.hidden_fields(STAGE)["expected_current"] == "3"
    assert refused.hidden_fields(STAGE)["idempotency_key"] != shown.hidden_fields(STAGE)["idempotency_key"]
    assert submit(visitor, STAGE, typed, seen=refused).headers["Location"] == FRAUD
    assert site.model("fraud").stages()[2] == "production"


@pytest.mark.usefixtures("served")
def test_production_is_left_vacant_only_by_who_says_so(visitor: FlaskClient, site: RegistryBuilder) -> None:
    where = f"{FRAUD}/versions/1/stage"
    shown = browse(visitor, where)

    refused = Seen(submit(visitor, where, {"to": "archived", "reason": "x"}, status=409, seen=shown))
    submit(visitor, where, {"to": "archived", "reason": "withdrawn", "leave_vacant": "yes"}, seen=refused)

    assert choices(shown) == {"archived": False}
    assert "no version replaces it" in shown.text
    assert "version 1 cannot go from production to staging" in shown.text
    assert "would leave production vacant" in refused.text
    assert site.model("fraud").stages()[1] == "archived"


def test_a_dialog_gets_the_form_alone_and_is_led_on_by_a_header(
    visitor: FlaskClient, site: RegistryBuilder, served: list[dict[str, Any]]
) -> None:
    opened = visitor.get(STAGE, headers=IN_DIALOG).text
    files = visitor.get(f"{STAGE}?check=1", headers={**IN_DIALOG, "HX-Target": "p#move-files"}).text
    fields = browse(visitor, STAGE).hidden_fields(STAGE)

    def send(**typed: str) -> Any:
        return visitor.post(STAGE, data={**fields, **typed}, headers=SAME_ORIGIN | IN_DIALOG)

    wrong = send(to="production", reason=" ")
    done = send(to="production", reason="approved")

    assert opened.lstrip().startswith('<h1 id="dialog-title">Move fraud:2</h1>')
    assert 'hx-target="#dialog"' in opened
    assert "<html" not in opened
    assert files == "✓ Files of version 2: the only one is in the store."
    assert (wrong.status_code, done.status_code) == (422, 204)
    assert 'aria-describedby="e-dialog-reason"' in wrong.text
    assert "the history shows it" in wrong.text
    assert done.headers["HX-Redirect"] == FRAUD
    assert site.model("fraud").stages()[2] == "production"


def test_missing_bytes_are_named_before_and_after_the_attempt(
    visitor: FlaskClient, served: list[dict[str, Any]], storage_root: Path
) -> None:
    sha256 = served[1]["sha256"]
    (stored,) = (storage_root / "blobs" / sha256[:2] / sha256).iterdir()
    stored.unlink()

    shown = browse(visitor, f"{STAGE}?check=1&to=production")
    refused = Seen(submit(visitor, STAGE, {"to": "production", "reason": "x"}, status=409, seen=shown))

    assert "✗ 1 of the files of fraud:2 are gone from the store" in shown.text
    assert "Refused: bytes are missing." in refused.text
    assert sha256 in refused.text
    assert "registry register fraud DIRECTORY" in refused.text


def test_a_store_that_does_not_answer_changes_nothing_and_the_same_form_can_be_sent_again(
    visitor: FlaskClient, site: RegistryBuilder, served: list[dict[str, Any]], storage_root: Path
) -> None:
    site.model("fraud").move(2, "production")
    sha256 = served[0]["sha256"]
    (stored,) = (storage_root / "blobs" / sha256[:2] / sha256).iterdir()
    content = stored.read_bytes()
    stored.unlink()
    stored.symlink_to(stored)  # a file system that answers with an error
    typed = {"to": "1", "reason": "latency"}
    shown = browse(visitor, ROLLBACK)

    refused = Seen(submit(visitor, ROLLBACK, typed, status=503, seen=shown))
    stored.unlink()
    stored.write_bytes(content)
    submit(visitor, ROLLBACK, typed, seen=refused)

    assert [button.text for button in refused.all("button", type="submit")][-1] == "Try again"
    assert "Nothing was changed" in refused.text
    assert "Roll back without the check of the stored files" in refused.text
    assert refused.hidden_fields(ROLLBACK)["idempotency_key"] == shown.hidden_fields(ROLLBACK)["idempotency_key"]
    assert site.model("fraud").stages() == {1: "production", 2: "archived", 3: "staging"}


@pytest.mark.usefixtures("served")
def test_a_rollback_proposes_the_previous_holder_and_says_why_others_cannot_return(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    nothing = browse(visitor, ROLLBACK)
    for number in (2, 3):
        site.model("fraud").move(number, "production")
    expect(200, site.client.delete(f"{FRAUD}/versions/1"))
    shown = browse(visitor, ROLLBACK)
    files = visitor.get(f"{ROLLBACK}?to=2&check=1", headers={**IN_DIALOG, "HX-Target": "p#rollback-files"}).text

    done = submit(visitor, ROLLBACK, {"to": "2", "reason": "latency"}, seen=shown)
    page = browse(visitor, done.headers["Location"])
    stale = Seen(submit(visitor, ROLLBACK, {"to": "2", "reason": "latency"}, status=409, seen=browse_later(shown)))

    assert "There is no version to roll back to." in nothing.text
    assert choices(shown) == {"2": True}
    assert "refused version 1 is deleted" in shown.text
    assert "Version 3 leaves production, is archived and marked as rolled back" in shown.text
    assert files == "✓ Files of version 2: the only one is in the store."
    assert "Version 3 was archived, marked as rolled back." in page.text
    assert "by rollback" in page.text
    assert site.model("fraud").stages() == {1: "archived", 2: "production", 3: "archived"}
    assert "Refused: another change came first." in stale.text
    assert not any(choices(stale).values())


def browse_later(shown: Seen) -> Seen:
    """The same form with another key: as of another tab that was opened at the same time."""
    text = shown.response.get_data(as_text=True)
    key = shown.hidden_fields(ROLLBACK)["idempotency_key"]
    shown.response.set_data(text.replace(key, "another-key"))
    return again(shown)


@pytest.mark.usefixtures("served")
def test_older_versions_in_staging_are_archived_one_by_one_with_an_honest_result(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    where = f"{FRAUD}/archive-older"
    for _ in range(2):
        site.model("fraud").version(stage="staging")
    site.model("fraud").move(5, "production")
    model = browse(visitor, FRAUD)
    shown = browse(visitor, where)
    site.model("fraud").move(4, "production")  # in between
    before = entries(site)

    done = submit(visitor, where, {"number": ["2", "3", "4"], "reason": "passed over"}, seen=shown)
    submit(visitor, where, {"number": ["2", "3", "4"], "reason": "passed over"}, seen=shown)
    page = browse(visitor, done.headers["Location"])
    nothing = Seen(submit(visitor, where, {"reason": "x"}, status=422, seen=shown))

    assert "3 versions in staging are older than version 5." in model.text
    assert where in model.links
    assert [one.get("value") for one in shown.all("input", type="checkbox", checked="")] == ["2", "3", "4"]
    assert "Archived: versions 2, 3. Not archived: version 4: archiving version 4 would leave production" in page.text
    assert site.model("fraud").stages() == {1: "archived", 2: "archived", 3: "archived", 4: "production", 5: "archived"}
    assert entries(site) == before + 2
    assert "Refused: a value breaks a rule." in nothing.text


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_forms_with_long_keys_that_begin_alike_are_separate_acts(visitor: FlaskClient, site: RegistryBuilder) -> None:
    where, stages = f"{FRAUD}/archive-older", []
    site.model("fraud").version(stage="production")
    for last in "ab":
        fields = {"number": "3", "reason": "passed over", "idempotency_key": "k" * 127 + last}
        submit(visitor, where, fields)
        stages.append(site.model("fraud").stages()[3])
        site.model("fraud").move(3, "staging")

    assert stages == ["archived", "archived"]


@pytest.mark.usefixtures("served")
def test_the_model_page_draws_who_served_and_says_what_an_open_lifecycle_allows(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    site.model("fraud").move(2, "production", reason="better")
    expect(200, site.client.post(ROLLBACK, {"reason": "latency"}))

    seen = browse(visitor, f"{FRAUD}?window=30d")
    block = visitor.get(f"{FRAUD}?window=all", headers={**IN_DIALOG, "HX-Target": "div#timeline"}).text
    expect(200, site.client.patch(FRAUD, {"lifecycle": "open"}))
    site.model("fraud").move(3, "production")
    opened = browse(visitor, FRAUD)

    titles = [str(one.text) for one in seen.root.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == len(seen.all("table")[0].findall(".//tbody/tr")) == 6
    assert any("Version 2 in production" in title and "rolled back to version 1" in title for title in titles)
    assert len(seen.all("{http://www.w3.org/2000/svg}polygon", _class="bad")) == 1
    assert block.lstrip().startswith("<h2>Stages over time</h2>")
    assert "several versions can be in production" in opened.text
    assert "Promote version" not in opened.text
    production = opened.one("section", aria_labelledby="held-production")
    assert "also" in "".join(production.itertext())


@pytest.mark.usefixtures("served")
def test_tenures_are_a_table_and_the_same_file_as_the_apis(visitor: FlaskClient, site: RegistryBuilder) -> None:
    site.model("fraud").move(2, "production", reason="=1+1")

    seen = browse(visitor, f"{FRAUD}/tenures?stage=production")
    files = [visitor.get(f"{path}{FRAUD}/tenures?format=csv").text for path in ("", "/api/v1")]

    assert [str(one.text) for one in seen.all("td")][1:] != []
    assert "superseded by version 2, local-dev: =1+1" in seen.text
    assert files[0] == files[1]
    assert "'=1+1" in files[0]


@pytest.mark.usefixtures("served")
def test_forms_and_queries_with_odd_values_are_refused_in_words(visitor: FlaskClient) -> None:
    odd = ["", "0", "-1", "9" * 5000, "\x00", "²", "2\n", "none\x00", "٣", "1e3", "<b>"]
    for path, field in ((STAGE, "to"), (ROLLBACK, "to"), (f"{FRAUD}/archive-older", "number")):
        token = browse(visitor, STAGE).hidden_fields(STAGE)
        for value in odd:
            typed = {**token, "expected_current": "", field: value, "reason": "why"}
            assert visitor.post(path, data=typed, headers=SAME_ORIGIN).status_code in {422, 409}, (path, value)
        for reason in ("", " ", "x" * 2001, "a\x00b"):
            typed = {**token, field: "2" if path != STAGE else "none", "reason": reason}
            assert visitor.post(path, data=typed, headers=SAME_ORIGIN).status_code == 422, (path, reason)
    for value in odd:
        for query in (f"{STAGE}", ROLLBACK):
            response = visitor.get(query, query_string={"to": value, "check": "1"})
            assert response.status_code == 200, (query, value)
        for where in (f"{FRAUD}/tenures?stage=", f"{FRAUD}?window=", f"{FRAUD}/tenures?cursor="):
            path, _, name = where.partition("?")
            assert visitor.get(path, query_string={name[:-1]: value}).status_code in {400, 422}, (where, value)


@pytest.mark.usefixtures("served")
def test_each_form_and_block_asks_as_often_as_it_did(visitor: FlaskClient, dev_app: Flask) -> None:
    timeline = {**IN_DIALOG, "HX-Target": "div#timeline"}
    asked = {}
    for name, path, headers in (
        ("move", STAGE, IN_DIALOG),
        ("rollback", ROLLBACK, IN_DIALOG),
        ("archive older", f"{FRAUD}/archive-older", IN_DIALOG),
        ("tenures", f"{FRAUD}/tenures", {}),
        ("timeline", FRAUD, timeline),
    ):
        with counting_statements(dev_app) as statements:
            assert visitor.get(path, headers=headers).status_code == 200
        asked[name] = sum(not text.startswith("BEGIN") for text in statements)

    assert asked == {"move": 7, "rollback": 5, "archive older": 2, "tenures": 2, "timeline": 3}


def test_an_act_that_needs_another_role_is_explained_and_not_offered(
    app: Flask, database: Database, registry: RegistryBuilder
) -> None:
    for stage in ("production", "staging"):
        registry.model("fraud").version(stage=stage)
    writer = logged_in(app, database.tokens["writer"])

    shown, model = browse(writer, STAGE), browse(writer, FRAUD)
    refused = Seen(submit(writer, STAGE, {"to": "production", "reason": "x"}, status=403, seen=shown))
    holding = browse(writer, f"{FRAUD}/versions/1/stage")

    assert choices(shown) == {"none": False, "archived": False}
    assert "Promoting it requires the role promoter. You are writer (writer)." in shown.text
    assert "Not allowed. This requires the role promoter. You are writer (writer)." in refused.text
    assert choices(holding) == {}
    assert not holding.all("button", type="submit", class_="primary")
    assert not {ROLLBACK, f"{STAGE}?to=production"} & {*model.links}
    browse(writer, ROLLBACK, status=403)
    assert registry.model("fraud").stages() == {1: "production", 2: "staging"}
