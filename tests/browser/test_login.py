"""The login in a browser: the cookie is kept, also over plain HTTP on this machine, and the pages around it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Tab, tab
from tests.support.databases import Database

pytestmark = pytest.mark.share(1)


def log_in(opened: Tab, token: str) -> None:
    opened.page.get_by_label("API token").fill(token)
    opened.page.get_by_role("button", name="Log in").click()


def test_a_person_logs_in_and_out_on_a_phone(guarded: str, empty: Database, scripted: Tab) -> None:
    page = scripted.page
    page.set_viewport_size({"width": 320, "height": 700})
    scripted.open(f"{guarded}/me")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    assert not page.get_by_text("Browsers do not keep a session").count()
    log_in(scripted, "mrp_wrong")
    expect(page.get_by_role("alert")).to_contain_text("refused")
    log_in(scripted, empty.tokens["admin"])
    expect(page.get_by_role("heading", level=1)).to_have_text("admin")
    assert {cookie["name"]: (cookie["secure"], cookie["httpOnly"]) for cookie in page.context.cookies()} == {
        "__Host-registry": (True, True)
    }
    scripted.open(f"{guarded}/me")
    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Log out", exact=True).first.click()
    expect(page.get_by_role("status").first).to_have_text("You are logged out.")
    assert scripted.faults(status=401) == []


def test_times_are_those_of_the_browser_where_settings_say_so(address: str, chromium: Browser) -> None:
    with tab(chromium, timezone_id="Asia/Tokyo", locale="en-GB") as opened:
        opened.open(f"{address}/settings")
        opened.page.get_by_label("Local time").check()
        opened.page.get_by_role("button", name="Save").click()
        opened.open(f"{address}/tokens")
        shown = opened.page.locator("main time").first.get_attribute("title") or ""

        assert shown.endswith(("JST", "GMT+9"))
