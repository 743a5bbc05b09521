"""Login and logout, sessions, and the pages of the own account."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from registry.app import create_app
from registry.config import Settings
from registry.db.models import Token
from registry.db.session import db, transaction
from registry.http.context import EXTENSION
from registry.services.accounts import accounts
from tests.support.api import Api
from tests.support.browser_sessions import browser, log_in, logged_in, session_cookie, take_session
from tests.support.databases import Database
from tests.support.pages import SAME_ORIGIN, Seen, browse, examined, submit
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

pytestmark = pytest.mark.share(16)


def press(client: FlaskClient, path: str, action: str) -> TestResponse:
    """Send the form of the page at *path* that posts to *action*."""
    fields = browse(client, path).hidden_fields(action)
    return client.post(action, data=fields, headers=SAME_ORIGIN)


def place_after(login: str) -> str | None:
    """Where the login at an address leads."""
    return dict(parse_qsl(urlsplit(login).query)).get("next")


def leads_to_login(response: TestResponse) -> bool:
    return response.status_code == 303 and urlsplit(response.location).path == "/login"


def test_a_login_leads_back_and_a_logout_ends_the_session(
    app: Flask, api: Api, database: Database, registry: RegistryBuilder
) -> None:
    registry.create_model()
    client = browser(app)

    sent_away = client.get("/models/fraud?stage=staging")
    entered = log_in(client, database.tokens["reader"], to="/models/fraud?stage=staging")
    cookie = entered.headers["Set-Cookie"]
    text = session_cookie(client) or ""

    assert (leads_to_login(sent_away), place_after(sent_away.location)) == (True, "/models/fraud?stage=staging")
    assert "Set-Cookie" not in sent_away.headers
    assert (entered.status_code, entered.location) == (303, "/models/fraud?stage=staging")
    assert {*cookie.split("; ")[1:]} >= {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}
    assert cookie.startswith(f"__Host-registry={text}; ")
    assert "Domain" not in cookie
    assert 12 * 3600 - 60 < int(re.findall("Max-Age=([0-9]+)", cookie)[0]) <= 12 * 3600
    assert browse(client, entered.location).one("h1").text == "fraud"
    assert "reader" in browse(client, "/me").text

    left = press(client, "/me", "/logout")

    assert leads_to_login(left)
    assert session_cookie(client) is None
    assert "You are logged out." in browse(client, left.location).text
    take_session(client, text)
    gone = client.get("/models/fraud")
    assert leads_to_login(gone)
    assert "__Host-registry=;" in str(gone.headers.getlist("Set-Cookie"))
    assert "Your session has ended." in browse(client, gone.location).text
    entries = expect(200, api.get("/audit?limit=2"))["items"]
    assert [(entry["action"], entry["actor"]["name"]) for entry in entries] == [
        ("session.closed", "reader"), ("session.opened", "reader"),
    ]  # fmt: skip


def test_a_login_again_replaces_the_session_of_the_browser(app: Flask, database: Database) -> None:
    """An id that somebody has put into the browser before the login is of no use after it."""
    client, attacker = browser(app), logged_in(app, database.tokens["reader"])
    fixed = session_cookie(attacker) or ""
    take_session(client, fixed)

    log_in(client, database.tokens["admin"])

    assert session_cookie(client) not in {fixed, None}
    assert "admin" in browse(client, "/me").text
    assert leads_to_login(attacker.get("/me"))


REFUSED = ["", "mrp_", "Bearer x", "mrp_" + "0" * 50, "\u0430", "a,b", "\x00", "\ufffd", "x" * 5000]


def test_a_wrong_token_is_refused_on_the_page_and_counted_as_one_of_the_api(
    app: Flask, database: Database, make_settings: Callable[..., Settings]
) -> None:
    client, other = browser(app), logged_in(app, database.tokens["reader"])
    for text in [*REFUSED, session_cookie(other)]:
        seen = examined(log_in(client, text or ""), status=401 if text else 422)
        assert seen.all("p", role="alert"), text
        assert len(text or "") < 50 or text not in seen.response.get_data(as_text=True)
        assert session_cookie(client) is None
    limited = create_app(make_settings(database.url, login_failures_per_address=2, login_failures_period=86_400))
    client, guesser = browser(limited), browser(limited)

    statuses = [log_in(client, "mrp_" + "0" * 50).status_code for _ in range(4)]
    take_session(guesser, "mrs_" + "0" * 50)
    guessed = guesser.get("/me")

    assert statuses == [401, 401, 429, 429]
    assert guessed.status_code == 429
    assert int(examined(guessed, status=429).response.headers["Retry-After"]) > 0
    assert log_in(client, database.tokens["reader"]).status_code == 303
    with limited.app_context():
        db.engine.dispose()


def test_ended_sessions_are_no_failed_logins(
    app: Flask, api: Api, database: Database, make_settings: Callable[..., Settings]
) -> None:
    limited = create_app(make_settings(database.url, login_failures_per_address=1, login_failures_period=86_400))
    client = logged_in(limited, database.tokens["reader"])
    text = session_cookie(client) or ""
    press(client, "/me", "/logout")

    for _ in range(4):
        take_session(client, text)
        assert leads_to_login(client.get("/me"))

    assert log_in(client, "mrp_" + "0" * 50).status_code == 401
    with limited.app_context():
        db.engine.dispose()


ELSEWHERE = ["//evil.test", "https://evil.test/", "/\\evil.test", "\\\\evil.test", "javascript:alert(1)", "evil.test",
             "/\tevil.test", "\t//evil.test", "/a\nSet-Cookie: x=y", "///evil.test", "/a\\..\\\\evil.test", "data:,x",
             "http:evil.test", "//[", "//a]/b", "//\u2100", "/\u202e", "/" + "a" * 3000, "/login?next=/x", "/logout",
             ""]  # fmt: skip


def test_a_login_leads_to_no_other_site(app: Flask, database: Database) -> None:
    for place in ELSEWHERE:
        assert log_in(browser(app), database.tokens["reader"], to=place).location == "/", place
    for place in ("/models/50%25%20%22off%22%20%231%3F", "/compare?v=a:1&v=b:2", "/a//b", "/@evil.test"):
        assert log_in(browser(app), database.tokens["reader"], to=place).location == place


def test_htmx_is_told_to_open_the_login(app: Flask) -> None:
    htmx = {"HX-Request": "true", "HX-Current-URL": "https://registry.test/models/fraud?stage=staging"}
    for address, headers, place in [
        ("/models/fraud", htmx, "/models/fraud?stage=staging"),
        ("/models/fraud", htmx | {"HX-Current-URL": "https://registry.test//evil.test"}, None),
        ("/models/fraud", htmx | {"HX-Current-URL": "javascript:x"}, None),
        ("/models/fraud", htmx | {"HX-Current-URL": "http://["}, None),
    ]:
        response = browser(app).get(address, headers=headers)
        target = response.headers["HX-Redirect"]
        assert (response.status_code, urlsplit(target).path, place_after(target)) == (401, "/login", place)


def test_a_form_without_a_session_is_not_sent_and_says_so(app: Flask, database: Database) -> None:
    client = logged_in(app, database.tokens["admin"])
    opened = browse(client, "/tokens/new")
    press(client, "/me", "/me/sessions/close")
    take_session(client, "mrs_" + "0" * 50)

    response = submit(client, "/tokens/new", {"owner": "ann", "roles": "reader"}, seen=opened)

    assert (leads_to_login(response), place_after(response.location)) == (True, "/tokens/new")
    assert "Nothing was sent" in browse(client, response.location).text
    take_session(client, "x")
    assert client.post("/logout", headers=SAME_ORIGIN).location == "/login"


def test_logging_out_everywhere_closes_the_sessions_of_all_browsers(app: Flask, api: Api) -> None:
    tokens = [expect(201, api.post("/tokens", {"owner": "ann", "roles": [role]})) for role in ("reader", "writer")]
    here, there = (logged_in(app, token["token"]) for token in tokens)
    seen = browse(here, "/me")
    rows = [row for row in seen.all("tr") if row.find("th") is not None and row.find("th").get("scope") == "row"]  # type: ignore[union-attr]
    (other,) = {str(form.get("action")) for form in seen.all("form")} & {
        f"/me/sessions/{(session_cookie(there) or '')[4:16]}/close"
    }

    assert len(rows) == 4  # two sessions, two tokens
    assert expect(200, Api(app.test_client(), tokens[0]["token"]).get("/me/sessions"))["items"] != []
    one = press(here, "/me", other)
    assert (one.location, leads_to_login(there.get("/me"))) == ("/me", True)
    again = logged_in(app, tokens[1]["token"])
    everywhere = press(here, "/me", "/me/sessions/close")
    assert leads_to_login(everywhere)
    assert "logged out of all sessions; closed: 2" in browse(here, everywhere.location).text
    assert leads_to_login(again.get("/me"))


def test_revoking_the_own_token_ends_the_session(app: Flask, api: Api) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"], "name": "<b>laptop</b>"}))
    client = logged_in(app, issued["token"])
    page = browse(client, f"/me/tokens/{issued['id']}/revoke")

    response = submit(client, f"/me/tokens/{issued['id']}/revoke", {"reason": "lost"}, seen=page)

    assert "you will be logged out" in page.text
    assert response.location == "/me"
    assert leads_to_login(client.get("/me"))
    last = expect(200, api.get("/audit?limit=1"))["items"][0]
    assert (last["action"], last["reason"], last["token"]) == ("token.revoked", "lost", issued["id"])


def test_what_auditors_see_is_shown_to_no_session_that_another_replica_has_ended(
    app: Flask, api: Api, database: Database, registry: RegistryBuilder, make_settings: Callable[..., Settings]
) -> None:
    """A replica remembers a session for some seconds, for what every reader may see."""
    registry.model("fraud").version()
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["admin"]}))
    replica = create_app(make_settings(database.url))
    client = logged_in(replica, issued["token"])
    browse(client, "/models/fraud")

    submit(logged_in(app, database.tokens["admin"]), f"/tokens/{issued['id']}/revoke", {"reason": "lost"})

    text = session_cookie(client) or ""
    for address in ("/models/fraud/versions/1/evidence", "/models/fraud/history?verify=1",
                    "/models/fraud/versions/1/history?verify=1", "/status?examine=1"):  # fmt: skip
        take_session(client, text)
        assert leads_to_login(client.get(address)), address
    with replica.app_context():
        db.engine.dispose()


def test_a_token_is_created_once_and_shown_once(app: Flask, api: Api, database: Database) -> None:
    client = logged_in(app, database.tokens["admin"])
    form = browse(client, "/tokens/new")
    fields = {"owner": "ann", "roles": ["reader", "auditor"], "name": "<i>laptop</i>", "expires_in_days": "7"}
    wrong = {"owner": "\u0430dmin", "expires_in_days": "9" * 5000}

    refused = examined(submit(client, "/tokens/new", wrong, status=422), status=422)
    impostor = examined(submit(client, "/tokens/new", {**wrong, "roles": "reader", "expires_in_days": "7"}, status=422),
                        status=422)  # fmt: skip
    first = examined(submit(client, "/tokens/new", fields, status=201, seen=form), status=201)
    second = examined(submit(client, "/tokens/new", fields, status=201, seen=form), status=201)

    assert {"f-owner", "f-expires_in_days"} <= {field.get("id") for field in refused.all("input")}
    assert "Choose one or more roles." in refused.text
    assert "looks like" in impostor.text
    (secret,) = re.findall("mrp_[0-9A-Za-z]{50}", first.text)
    assert expect(200, Api(app.test_client(), secret).get("/me"))["roles"] == ["auditor", "reader"]
    assert "mrp_" not in second.text
    assert "was shown once" in second.text
    assert "<i>laptop</i>" in browse(client, "/tokens").text
    assert secret not in browse(client, "/tokens").response.get_data(as_text=True)
    for reason in ("x" * 2001, "a\x00b"):
        revoked = submit(client, f"/tokens/{secret[4:16]}/revoke", {"reason": reason}, status=422)
        assert examined(revoked, status=422).all("span", class_="wrong")
    for field, text in (("owner", "a\x00b"), ("name", "a\x00b"), ("name", "x" * 256), ("roles", "root")):
        examined(submit(client, "/tokens/new", {**fields, field: text}, status=422), status=422)
    done = submit(client, f"/tokens/{secret[4:16]}/revoke", {"reason": ""})
    assert f"Token {secret[4:16]} of ann was revoked." in browse(client, done.location).text
    expect(401, Api(app.test_client(), secret).get("/me"))
    assert "was revoked" in browse(client, f"/tokens/{secret[4:16]}/revoke").text
    assert browse(client, "/tokens/000000000000/revoke", status=404)


def test_the_bootstrap_token_logs_in_to_create_the_first_admin(app: Flask) -> None:
    with app.app_context():
        bootstrap = accounts.issue_bootstrap(pepper=app.extensions[EXTENSION].pepper, force=True)
    client = browser(app)

    entered = log_in(client, bootstrap or "")
    made = examined(submit(client, entered.location, {"owner": "root", "roles": "admin"}, status=201), status=201)

    assert entered.location == "/tokens/new"
    assert "bootstrap token is used up" in made.text
    assert re.search("mrp_[0-9A-Za-z]{50}", made.text)
    assert leads_to_login(client.get("/me"))


def test_a_session_that_expired_or_whose_token_did_is_at_an_end(app: Flask, api: Api) -> None:
    for ended in ("session", "token"):
        issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
        client = logged_in(app, issued["token"])
        text = session_cookie(client) or ""
        change = {"expires_at" if ended == "session" else "revoked_at": datetime.now(UTC) - timedelta(seconds=1)}
        with app.app_context(), transaction() as session:
            row = text[4:16] if ended == "session" else issued["id"]
            session.execute(update(Token).where(Token.id == row).values(**change))

        assert leads_to_login(client.get("/me")), ended


PLACES = [
    ("http://registry.test", ""), ("http://10.0.0.7:5000", ""), ("https://registry.test", ""),
    ("http://localhost:5000", ""), ("http://127.0.0.1:5000", ""), ("http://[::1]:5000", ""),
    ("http://registry.test", "none"),  # which browsers send only where they keep it
]  # fmt: skip


def test_the_login_says_where_browsers_keep_no_session(app: Flask) -> None:
    shown = []
    for address, site in PLACES:
        headers = {"Sec-Fetch-Site": site} if site else {}
        seen = examined(browser(app, address).get("/login", headers=headers))
        if "Browsers do not keep a session over plain HTTP." in seen.text:
            shown.append(address)

    assert shown == ["http://registry.test", "http://10.0.0.7:5000"]


def test_in_development_there_is_no_login(visitor: FlaskClient) -> None:
    assert visitor.get("/login?next=/me").location == "/me"
    assert "local-dev" in browse(visitor, "/me").text
    assert "Log out" not in browse(visitor, "/me").whole_text


def test_settings_are_cookies_that_the_pages_read(visitor: FlaskClient) -> None:
    saved = submit(visitor, "/settings", {"theme": "dark", "times": "local"})
    seen = browse(visitor, saved.location)

    assert (seen.root.get("data-theme"), seen.root.get("data-times")) == ("dark", "local")
    assert "saved in this browser" in seen.text
    submit(visitor, "/settings", {"theme": "system", "times": "utc"})
    assert browse(visitor, "/settings").root.get("data-theme") is None
    assert submit(visitor, "/settings", {"theme": "<b>", "times": "utc"}, status=422)


def test_a_light_or_dark_theme_of_strangers_is_ignored(visitor: FlaskClient) -> None:
    visitor.set_cookie("registry-theme", 'x"><script>', domain="localhost")

    assert Seen(visitor.get("/settings")).root.get("data-theme") is None
