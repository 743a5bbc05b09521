"""Pages while the database cannot be reached: each says so, and says that nothing was changed."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from registry.domain.errors import Uncertain
from registry.web.errors import refusal_of
from registry.web.pages import WebPage
from tests.support.pages import examined
from tests.support.ports import free_port
from tests.web.addresses import PAGES
from tests.web.conftest import client_of
from tests.web.world import DATA, MODEL, World

UNKNOWN = "00000000-0000-0000-0000-000000000000"
NEED_NO_DATABASE = frozenset(
    {"web.add_data", "web.new_hold", "web.new_model", "web.new_token", "web.login", "web.settings", "web.status"}
)


def test_every_page_says_that_the_database_is_away(make_settings: Callable[..., Settings]) -> None:
    app: Flask = create_app(make_settings(f"postgresql://nobody@127.0.0.1:{free_port()}/none", dev=True))
    visitor = client_of(app)
    world = World(MODEL, DATA, token="000000000000", policy=f"sha256:{DATA}", move=UNKNOWN, request=UNKNOWN)

    for endpoint, address in PAGES.items():
        response = visitor.get(world.fill(address), headers={"Accept": "text/html"})
        if endpoint not in NEED_NO_DATABASE:
            seen = examined(response, status=503)
            assert "Nothing was changed." in seen.text, endpoint
            assert response.headers["Retry-After"], endpoint
    status = examined(visitor.get("/status", headers={"Accept": "text/html"}))
    assert "not ready" in status.text
    assert "The database does not answer." in status.text
    assert "Look at the database's server" in status.text

    with app.app_context():
        db.engine.dispose()


def test_a_form_whose_result_is_unknown_does_not_say_that_nothing_was_changed(dev_app: Flask) -> None:
    shown = WebPage()
    with dev_app.test_request_context():
        shown.refusal = refusal_of(Uncertain("the connection was lost during the commit; it may have been written"))
        text = str(dev_app.jinja_env.globals["ui"].refusal(shown))

    assert "it may have been written" in text
    assert "Nothing was changed" not in text
    assert "already made is not repeated" in text
