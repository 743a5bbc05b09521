"""Pages about all models: what serves and served, what changed, what needs attention."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

from flask.testing import FlaskClient

from registry.app import create_app
from registry.config import Settings
from tests.support.databases import Database
from tests.support.pages import Seen, browse
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.web.conftest import client_of
from tests.web.world import DATA

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#overview"}
RECORDED: dict[str, Any] = {
    "code": {"repo": "https://git.example.com/risk", "commit": "17ba0791", "dirty": False},
    "datasets": [{"name": "payments", "digests": [f"sha256:{DATA}"], "role": "train"}],
}


def rows(seen: Seen, table: int = 0) -> list[list[str]]:
    """The cells of the bodies of a table."""
    body = seen.all("tbody")[table]
    return [[said(cell) for cell in row if cell.tag in {"td", "th"}] for row in body.iter("tr")]


def said(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def test_without_the_interface_the_first_address_leads_to_the_documentation(
    databases: Callable[[str], Database], make_settings: Callable[..., Settings]
) -> None:
    visitor = client_of(create_app(make_settings(databases("sqlite").url, dev=True, web=False)))

    assert visitor.get("/").headers["Location"] == "docs"
    assert visitor.get("/inventory").status_code == 404


def test_the_first_page_says_what_to_do_while_there_is_no_model(visitor: FlaskClient) -> None:
    seen = browse(visitor, "/")

    assert "No model yet. Register the first: registry register fraud ./model --data train.csv" in seen.text


def test_the_first_page_shows_what_serves_what_waits_and_what_changed(
    site: RegistryBuilder, visitor: FlaskClient
) -> None:
    model = site.model("fraud")
    model.version("production")
    model.version("production", **RECORDED)
    model.move(1, "staging", reason="once more")
    site.model("pricing").version("production", **RECORDED)
    site.model("idle").version()
    seen = browse(visitor, "/")
    model.rollback(reason="p99 latency doubled")
    after = browse(visitor, "/")

    assert [row[:2] + row[5:] for row in rows(seen)] == [["fraud", "v2", "v1 · compare"], ["pricing", "v1", "–"]]
    assert "Nothing. No version in production is damaged" in seen.text
    assert [row[2:] for row in rows(seen, 1)][:2] == [["registered idle:1", "–"], ["created idle", "–"]]
    assert [row[:2] for row in rows(after)] == [["fraud", "v1 by rollback"], ["pricing", "v1"]]
    assert [row[:3] for row in rows(after, 1)] == [
        ["fraud:1", "unrecorded", "it is in production without training data"]
    ]
    assert rows(after, 2)[0][2:] == ["rolled fraud back from 2 to 1", "p99 latency doubled"]


def test_the_first_page_shows_a_team_and_an_instant(site: RegistryBuilder, visitor: FlaskClient) -> None:
    site.create_model("ours", tags={"team": "o'risk"})
    site.create_model("idle", tags={"team": "idle"})
    site.model("ours").version("production")
    site.model("ours").version("production")
    site.model("theirs").version("production")
    (since,) = [
        item["since"] for item in expect(200, site.client.get("/models/ours/tenures?stage=production"))["items"]
    ][1:]

    team = browse(visitor, "/?team=o'risk")
    past = browse(visitor, "/", query_string={"team": "o'risk", "as_of": since})
    idle = browse(visitor, "/?team=idle")
    early = browse(visitor, "/?as_of=2001-01-01")

    assert [option.get("value") for option in team.all("option")] == ["", "idle", "o'risk"]
    assert [row[:2] for row in rows(team)] == [["ours", "v2"]]
    assert [row[:2] + row[5:] for row in rows(past)] == [["ours", "v1", "v2"]]
    assert [option.get("value") for option in past.all("option", selected="")] == ["o'risk"]
    live = str(past.one("div", id="overview").get("data-live"))
    assert rows(browse(visitor, live)) == rows(past)
    assert "No version of a model with the tag team=idle is in production." in idle.text
    assert "the first to hold it began at" in early.text
    (all_of_them,) = [link for link in past.links if link.startswith("/inventory?as_of")]
    assert [row[:3] for row in rows(browse(visitor, all_of_them))] == [["ours", "v1", "v2"]]


def test_the_first_page_refuses_an_unknown_team_and_an_instant_to_come(
    site: RegistryBuilder, visitor: FlaskClient
) -> None:
    site.model("fraud").version("production")
    without = browse(visitor, "/?team=risk", status=422)
    site.create_model("ours", tags={"team": "risk"})
    wrong = {
        "team": ["risks", "a\0b", "x" * 20_000], "as_of": ["yesterday", "2999-01-01", "\u0661h"],
    }  # fmt: skip

    assert without.one("span", id="e-team").text == "no model has the tag team=risk"
    for name, values in wrong.items():
        for value in values:
            seen = browse(visitor, "/", query_string={name: value}, status=422)
            assert seen.one("span", id=f"e-{name}").text
            assert "Needs attention" in seen.text


def test_the_first_page_is_polled_by_what_changed_last(site: RegistryBuilder, visitor: FlaskClient) -> None:
    site.create_model("fraud")
    tag = visitor.get("/").headers["ETag"]

    def poll() -> tuple[int, str]:
        reply = visitor.get("/", headers={**PARTIAL, "If-None-Match": tag})
        return reply.status_code, reply.get_data(as_text=True)

    assert poll() == (304, "")
    site.create_model("other")
    status, part = poll()
    assert (status, "created" in part, "<html" in part) == (200, True, False)


def test_changes_are_filtered_and_paged(site: RegistryBuilder, visitor: FlaskClient) -> None:
    site.model("fraud").version("production")
    for number in range(50):
        site.create_model(f"model-{number}")

    first = browse(visitor, "/changes")
    (older,) = [link for link in first.links if "cursor=" in link]
    second = browse(visitor, older)
    promoted = browse(visitor, "/changes?action=version.promoted&model=fraud&since=1h&until=")
    unknown = browse(visitor, "/changes?model=nothing", status=400)
    wrong = browse(visitor, "/changes?since=yesterday", status=422)

    assert len(rows(first)) == 50
    assert [row[2] for row in rows(second)][-1] == "created fraud"
    assert [row[2] for row in rows(promoted)] == ["promoted fraud:1 to production", "promoted fraud:1 to staging"]
    assert "no model has or had this name" in unknown.text
    assert "is no time; write 2026-11-20T12:00:00Z" in wrong.text
    assert browse(visitor, "/changes?cursor=forged", status=400).text


def test_the_inventory_goes_from_change_to_change(site: RegistryBuilder, visitor: FlaskClient) -> None:
    model = site.model("fraud")
    for _ in range(3):
        model.version("production")
    now = browse(visitor, "/inventory")
    shown = [rows(now)[0][:2]]
    seen = now
    while previous := [found.get("href") for found in seen.all("a", rel="prev")]:
        seen = browse(visitor, str(previous[0]))
        shown.append(rows(seen)[0][:3])
    back = browse(visitor, str(seen.one("a", rel="next").get("href")))
    slider = now.one("input", type="range")
    sent = visitor.get("/inventory?stage=production&step=0")
    listed = now.all("ol", reversed="")[0]
    fields = {str(found.get("name")): str(found.get("value")) for found in back.all("input", type="hidden")}
    last = visitor.get("/inventory", query_string={**fields, "step": "2"})

    assert shown == [["fraud", "v3"], ["fraud", "v2", "v3"], ["fraud", "v1", "v3"]]
    assert rows(back)[0][:3] == ["fraud", "v2", "v3"]
    assert (slider.get("max"), slider.get("value")) == ("2", "2")
    assert rows(browse(visitor, sent.headers["Location"]))[0][1] == "v1"
    assert rows(browse(visitor, last.headers["Location"]))[0][1] == "v3"
    assert [rows(browse(visitor, str(link.get("href"))))[0][1] for link in listed.iter("a")] == ["v3", "v2", "v1"]


def test_the_inventory_says_why_it_shows_nothing(site: RegistryBuilder, visitor: FlaskClient) -> None:
    site.model("fraud").version("production")

    assert "No version is in staging." in browse(visitor, "/inventory?stage=staging").text
    early = browse(visitor, "/inventory?as_of=2001-01-01T12:00")
    assert "no version of any model held production at 2001-01-01T12:00:00.000000Z; the first to hold" in early.text
    late = browse(visitor, "/inventory?as_of=2999-01-01", status=422)
    assert "is in the future; give a time that has passed" in late.text
    wrong = browse(visitor, "/inventory?filter=name+is+fraud&as_of=1h", status=422)
    assert wrong.one("input", name="filter").get("value") == "name is fraud"
    assert browse(visitor, "/inventory?step=99&cursor=x", status=422).text


def test_the_inventory_is_downloaded_whole(site: RegistryBuilder, visitor: FlaskClient) -> None:
    site.model("fraud").version("production")

    (address,) = [link for link in browse(visitor, "/inventory").links if "format=csv" in link]
    text = visitor.get(address).get_data(as_text=True)

    assert [(row["model"], row["number"]) for row in csv.DictReader(io.StringIO(text))] == [("fraud", "1")]
