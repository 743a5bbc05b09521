"""The login in a browser: the cookie is kept, also over plain HTTP on this machine, and the pages around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect

from registry.db.session import db
from tests.support.browser import Tab, tab
from tests.support.databases import Database
from tests.support.registry_identity import claim
from tests.support.web_server import serving

pytestmark = pytest.mark.share(1)


@pytest.fixture
def production(
    make_served_app: Callable[[bool], Flask], databases: Callable[[str], Database], storage_root: object
) -> Iterator[tuple[str, Database]]:
    """The address of a registry with a login, and its database."""
    database = databases("sqlite")
    database.reset()
    claim(storage_root)  # type: ignore[arg-type]  # it is the fixture's path
    app = make_served_app(False)
    with serving(app.wsgi_app) as address:
        yield address, database
    with app.app_context():
        db.engine.dispose()


def log_in(opened: Tab, token: str) -> None:
    opened.page.get_by_label("API token").fill(token)
    opened.page.get_by_role("button", name="Log in").click()


@pytest.mark.parametrize("scripts", [True, False], ids=["JavaScript", "no JavaScript"])
def test_a_person_logs_in_and_out(production: tuple[str, Database], chromium: Browser, scripts: bool) -> None:
    address, database = production
    with tab(chromium, java_script_enabled=scripts, viewport={"width": 320, "height": 700}) as opened:
        page = opened.page
        opened.open(f"{address}/me")
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
        assert not page.get_by_text("Browsers do not keep a session").count()
        log_in(opened, "mrp_wrong")
        expect(page.get_by_role("alert")).to_contain_text("refused")
        opened.shoot("login-refused")
        # The status of a refused form is an error to the console; it is the only one.
        opened.messages[:] = [text for text in opened.messages if "401" not in text]
        faults = opened.faults() if scripts else []
        log_in(opened, database.tokens["admin"])
        expect(page.get_by_role("heading", level=1)).to_have_text("admin")
        opened.shoot("me-admin")
        assert {cookie["name"]: (cookie["secure"], cookie["httpOnly"]) for cookie in page.context.cookies()} == {
            "__Host-registry": (True, True)
        }
        opened.open(f"{address}/me")
        page.locator("details.menu summary").click()
        opened.shoot("menu")
        page.get_by_role("button", name="Log out", exact=True).first.click()
        expect(page.get_by_role("status").first).to_have_text("You are logged out.")
        assert faults + (opened.faults() if scripts else []) == []


def test_times_are_those_of_the_browser_where_settings_say_so(address: str, chromium: Browser) -> None:
    with tab(chromium, timezone_id="Asia/Tokyo", locale="en-GB") as opened:
        opened.open(f"{address}/settings")
        opened.page.get_by_label("Local time").check()
        opened.page.get_by_role("button", name="Save").click()
        opened.open(f"{address}/tokens")
        shown = opened.page.locator("main time").first.get_attribute("title") or ""

        assert shown.endswith(("JST", "GMT+9"))
