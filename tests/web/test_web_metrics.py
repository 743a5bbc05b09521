"""What a monitor reads about the web interface: logins, sessions and acts, by outcome and without names."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.api.test_metrics import counted, scrape, take_census
from tests.support.api import Api
from tests.support.browser_sessions import browser, log_in, logged_in
from tests.support.databases import Database
from tests.support.pages import SAME_ORIGIN, browse, submit
from tests.support.ports import free_port
from tests.support.replies import expect
from tests.web.conftest import client_of


def of_the_web(grown: dict[str, float]) -> dict[str, float]:
    return {name.removeprefix("registry_web_"): value for name, value in grown.items() if "registry_web_" in name}


def test_logins_are_counted_by_outcome(
    app: Flask, anonymous: Api, database: Database, make_settings: Callable[..., Settings]
) -> None:
    limited = create_app(make_settings(database.url, login_failures_per_address=1, login_failures_period=86_400))
    guesser = browser(limited)

    with counted(anonymous) as grown:
        logged_in(app, database.tokens["reader"])
        logged_in(app, database.tokens["reader"])
        statuses = [log_in(guesser, "mrp_" + "0" * 50).status_code for _ in range(2)]

    assert statuses == [401, 429]
    assert of_the_web(grown) == {"logins_total:opened": 2, "logins_total:refused": 1, "logins_total:limited": 1}
    with limited.app_context():
        db.engine.dispose()


def test_acts_are_counted_by_outcome(app: Flask, api: Api, anonymous: Api, database: Database) -> None:
    writer = logged_in(app, database.tokens["writer"])
    opened = browse(writer, "/new/model")

    with counted(anonymous) as grown:
        for _ in range(3):
            submit(writer, "/new/model", {"name": "fraud"}, seen=opened)
        submit(writer, "/new/model", {"name": "a/b"}, status=422)
        writer.post("/new/model", data={"name": "churn"}, headers=SAME_ORIGIN)  # no form of ours

    assert of_the_web(grown) == {"acts_total:done": 1, "acts_total:repeated": 2, "acts_total:refused": 1}
    expect(404, api.get("/models/churn"))


def test_what_the_database_does_not_answer_is_a_failed_act(
    anonymous: Api, make_settings: Callable[..., Settings]
) -> None:
    away = create_app(make_settings(f"postgresql://nobody@127.0.0.1:{free_port()}/none", dev=True))

    with counted(anonymous) as grown:
        submit(client_of(away), "/new/model", {"name": "fraud"}, status=503)

    assert of_the_web(grown) == {"acts_total:failed": 1}
    with away.app_context():
        db.engine.dispose()


def test_open_sessions_are_counted_with_the_census(app: Flask, api: Api, anonymous: Api) -> None:
    tokens = [expect(201, api.post("/tokens", {"owner": "ann", "roles": [role]})) for role in ("reader", "writer")]
    for issued in (*tokens, tokens[0]):
        logged_in(app, issued["token"])
    closed = logged_in(app, tokens[1]["token"])
    form = browse(closed, "/me").hidden_fields("/me/sessions/close")
    closed.post("/logout", data=form, headers=SAME_ORIGIN)
    take_census(app)
    counted_first = scrape(anonymous)["registry_web_sessions"]

    expect(None, api.delete(f"/tokens/{tokens[0]['id']}"))
    take_census(app)

    assert (counted_first, scrape(anonymous)["registry_web_sessions"]) == (3, 1)
