"""Forms are taken from pages of this registry alone, shown to the present session."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.support.api import Api
from tests.support.browser_sessions import browser, logged_in
from tests.support.databases import Database
from tests.support.pages import SAME_ORIGIN, Seen, browse, submit
from tests.support.replies import expect

pytestmark = pytest.mark.share(16)
SITES = [None, "same-origin", "same-site", "cross-site", "none", "", "Same-Origin", "x"]
HOME = "https://registry.test"
ORIGINS = [None, HOME, "null", "https://evil.test", "https://registry.test.evil.test", "http://registry.test",
           "https://registry.test:8443", "https://user@registry.test", ""]  # fmt: skip
CHANGED = {"theme": "dark", "times": "utc"}


def form_token(client: FlaskClient) -> str:
    """The token of a form that the browser has opened."""
    return browse(client, "/settings").hidden_fields()["csrf_token"]


def tokens(client: FlaskClient, other: FlaskClient) -> dict[str, str | None]:
    """Tokens of forms, by what they are."""
    own = form_token(client)
    return {
        "own": own,
        "of another session": form_token(other),
        "of the login": browse(browser(client.application), "/login").hidden_fields("/login")["csrf_token"],
        "changed": own[:-9] + ("A" if own[-9] != "A" else "B") + own[-8:],
        "of a notice": "WyIiLCJ4IixbXV0.aAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "hostile": "\x00\u202e" * 50,
        "empty": "",
        "none": None,
    }  # fmt: skip


def is_taken(client: FlaskClient, site: str | None, origin: str | None, token: str | None) -> bool:
    headers = {name: value for name, value in (("Sec-Fetch-Site", site), ("Origin", origin)) if value is not None}
    fields = CHANGED if token is None else CHANGED | {"csrf_token": token}
    response = client.post("/settings", data=fields, headers=headers)
    assert response.status_code in {303, 403}, (site, origin, token)
    is_kept = any(cookie.startswith("registry-theme=dark") for cookie in response.headers.getlist("Set-Cookie"))
    assert is_kept == (response.status_code == 303)
    return is_kept


def test_a_form_is_taken_from_this_origin_with_the_sessions_own_token_alone(app: Flask, database: Database) -> None:
    client, other = (logged_in(app, database.tokens[role]) for role in ("reader", "writer"))
    sent = tokens(client, other)
    taken = {
        (site, origin, kind)
        for site, origin, kind in itertools.product(SITES, ORIGINS, sent)
        if is_taken(client, site, origin, sent[kind])
    }

    assert taken == {(None, HOME, "own"), *(("same-origin", origin, "own") for origin in ORIGINS)}


def test_in_development_the_same_holds(visitor: FlaskClient) -> None:
    """Without a login there is one session; a page of another origin cannot read its token."""
    own = form_token(visitor)
    taken = {
        (site, origin, token is own)
        for site, origin, token in itertools.product(SITES, [*ORIGINS[:4], "http://localhost"], [own, None, ""])
        if is_taken(visitor, site, origin, token)
    }

    assert taken == {
        (None, "http://localhost", True), ("same-origin", "http://localhost", True), ("same-origin", None, True),
    }  # fmt: skip


def test_the_login_is_taken_from_this_origin_alone(app: Flask, database: Database) -> None:
    """Else a page could log its visitor in as somebody else, who then reads what is done."""
    fields = browse(browser(app), "/login").hidden_fields("/login") | {"token": database.tokens["reader"]}
    for site, origin in itertools.product(SITES, ORIGINS):
        headers = {name: value for name, value in (("Sec-Fetch-Site", site), ("Origin", origin)) if value is not None}
        status = browser(app).post("/login", data=fields, headers=headers).status_code
        assert status == (303 if site == "same-origin" or (site is None and origin == HOME) else 403), (site, origin)


def test_a_form_is_taken_for_twelve_hours_and_from_its_session_alone(app: Flask, api: Api) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    client = logged_in(app, issued["token"])
    old = form_token(client)

    again = logged_in(app, issued["token"])

    assert not is_taken(again, "same-origin", None, old)
    assert is_taken(client, "same-origin", None, old)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=12, minutes=1)):
        too_late = client.post("/settings", data=CHANGED | {"csrf_token": old}, headers=SAME_ORIGIN)
    assert too_late.status_code in {303, 403}
    assert "registry-theme" not in str(too_late.headers.getlist("Set-Cookie"))


def test_behind_a_proxy_the_origin_is_that_of_the_public_url(
    database: Database, make_settings: Callable[..., Settings]
) -> None:
    app = create_app(make_settings(database.url, public_url="https://models.example/registry"))
    client = browser(app, "http://10.0.0.7:5000")
    fields = Seen(client.get("/login")).hidden_fields() | {"token": database.tokens["reader"]}

    for origin, status in (("http://10.0.0.7:5000", 403), ("https://models.example", 303)):
        response = client.post("/login", data=fields, headers={"Origin": origin})
        assert response.status_code == status, origin
    assert response.location == "/registry/"
    with app.app_context():
        db.engine.dispose()


def test_a_refused_form_says_what_to_do_and_changes_nothing(app: Flask, api: Api, database: Database) -> None:
    client = logged_in(app, database.tokens["admin"])
    before = expect(200, api.get("/audit?limit=1"))["items"][0]["id"]
    fields = browse(client, "/tokens/new").hidden_fields() | {"owner": "eve", "roles": "admin"}

    refused = client.post("/tokens/new", data=fields, headers={"Sec-Fetch-Site": "cross-site"})
    stale = client.post("/tokens/new", data=fields | {"csrf_token": "x"}, headers=SAME_ORIGIN)
    unread = client.post("/tokens/new", json=fields, headers=SAME_ORIGIN)
    broken = client.post("/tokens/new", data=b"a=%ff&b=\xff", headers={
        "Content-Type": "application/x-www-form-urlencoded", **SAME_ORIGIN})  # fmt: skip

    assert "page of another site" in Seen(refused).text
    assert "Open the page again" in Seen(stale).text
    assert [one.status_code for one in (refused, stale, unread, broken)] == [403, 403, 400, 400]
    assert expect(200, api.get("/audit?limit=1"))["items"][0]["id"] == before
    assert submit(client, "/tokens/new", {"owner": "ann", "roles": "reader"}, status=201)
