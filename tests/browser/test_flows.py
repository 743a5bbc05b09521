"""What a person does with the pages, with JavaScript and without: log in, promote, be refused, roll back, log out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from tests.support.api import Api
from tests.support.browser import Tab, tab
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder, in_process

pytestmark = pytest.mark.share(1)


@pytest.fixture
def registry(served: Flask, empty: Database) -> RegistryBuilder:
    return in_process(Api(served.test_client(), empty.tokens["all"]))


@pytest.fixture(params=[True, False], ids=["javascript", "plain"])
def opened(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Tab]:
    with tab(chromium, java_script_enabled=request.param) as opened:
        yield opened


@pytest.fixture
def model(registry: RegistryBuilder, request: pytest.FixtureRequest) -> str:
    """A model of this test, whose version 2 is in production and version 3 in staging."""
    name = re.sub(r"[^a-z]+", "-", request.node.name).strip("-")
    for stage in ("production", "production", "staging"):
        registry.model(name).version(stage, metrics={"auc": 0.9})
    return name


PROMOTE = re.compile("^Promote")


def log_in(page: Page, address: str, token: str, path: str = "/") -> None:
    page.goto(f"{address}/login?next={path}")
    page.get_by_label("API token").fill(token)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("main")).to_be_visible()
    page.wait_for_url(re.compile(r"^(?!.*/login)"))


def move(page: Page, button: str | re.Pattern[str], reason: str, choice: str | None = None) -> None:
    """Open the form of a button, choose and send it."""
    page.get_by_role("link", name=button).first.click()
    form = page.locator("form:has(textarea[name=reason])")
    if choice:
        form.get_by_label(choice, exact=True).check()
    form.get_by_label("Reason", exact=False).fill(reason)
    form.locator("button.primary").click()


def test_a_promotion_and_its_rollback(
    opened: Tab, guarded: str, empty: Database, registry: RegistryBuilder, model: str
) -> None:
    page = opened.page
    log_in(page, guarded, empty.tokens["promoter"], f"/models/{model}")
    expect(page.get_by_role("heading", level=1)).to_have_text(model)

    move(page, PROMOTE, "AUC is better", "production")

    expect(page.get_by_role("status").first).to_contain_text("is in production")
    assert registry.model(model).stages() == {1: "archived", 2: "archived", 3: "production"}

    move(page, "Roll back…", "p99 latency doubled")

    expect(page.get_by_role("status").first).to_contain_text("production")
    assert registry.model(model).stages() == {1: "archived", 2: "production", 3: "archived"}
    assert opened.messages == []


def test_a_promotion_is_refused_when_another_change_came_first(
    opened: Tab, guarded: str, empty: Database, registry: RegistryBuilder, model: str
) -> None:
    page = opened.page
    log_in(page, guarded, empty.tokens["promoter"], f"/models/{model}")
    page.get_by_role("link", name=PROMOTE).first.click()
    form = page.locator("form:has(textarea[name=reason])")
    form.get_by_label("production", exact=True).check()
    form.get_by_label("Reason", exact=False).fill("AUC is better")
    registry.model(model).rollback()

    form.locator("button.primary").click()

    expect(page.get_by_role("alert")).to_contain_text("another change came first")
    expect(page.get_by_label("Reason", exact=False)).to_have_value("AUC is better")
    expect(page.get_by_label("production", exact=True)).not_to_be_checked()
    assert registry.model(model).stages() == {1: "production", 2: "archived", 3: "staging"}


def test_who_may_not_promote_is_offered_no_form(guarded: str, empty: Database, model: str, chromium: Browser) -> None:
    with tab(chromium) as opened:
        log_in(opened.page, guarded, empty.tokens["reader"], f"/models/{model}")

        expect(opened.page.get_by_role("heading", level=1)).to_have_text(model)
        expect(opened.page.get_by_role("link", name=PROMOTE)).to_have_count(0)
        expect(opened.page.get_by_role("link", name="Roll back…")).to_have_count(0)


def test_a_double_click_is_one_act(
    guarded: str, empty: Database, registry: RegistryBuilder, model: str, chromium: Browser
) -> None:
    with tab(chromium) as opened:
        page = opened.page
        log_in(page, guarded, empty.tokens["promoter"], f"/models/{model}/rollback")
        page.get_by_label("Reason", exact=False).fill("p99 latency doubled")
        page.get_by_role("button", name="Roll back now").dblclick()
        expect(page.get_by_role("status").first).to_contain_text("production")

    assert registry.model(model).actions().count("version.rolled_back") == 1
    assert registry.model(model).stages()[1] == "production"


def test_a_session_that_ended_leads_to_the_login_and_back(
    opened: Tab, guarded: str, empty: Database, model: str
) -> None:
    page = opened.page
    log_in(page, guarded, empty.tokens["promoter"], f"/models/{model}")
    page.context.clear_cookies()

    page.goto(f"{guarded}/models/{model}")

    expect(page).to_have_url(re.compile("/login"))
    page.get_by_label("API token").fill(empty.tokens["promoter"])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(model)


def test_log_out_ends_the_session(opened: Tab, guarded: str, empty: Database, model: str) -> None:
    page = opened.page
    log_in(page, guarded, empty.tokens["reader"], f"/models/{model}")
    page.locator("details.menu summary").click()

    page.get_by_role("button", name="Log out").click()

    page.goto(f"{guarded}/models/{model}")
    expect(page).to_have_url(re.compile("/login"))


def test_the_keyboard_is_enough(
    guarded: str, empty: Database, registry: RegistryBuilder, model: str, chromium: Browser
) -> None:
    """A promotion by Tab, Space, Enter and letters; Escape closes the dialog and the focus returns."""
    with tab(chromium) as opened:
        page = opened.page
        log_in(page, guarded, empty.tokens["promoter"], f"/models/{model}")
        reach(page, lambda: focused(page).startswith("Promote"))
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        assert focused(page).startswith("Promote")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        reach(page, lambda: page.locator("input[name=to]:focus").count() == 1)
        page.keyboard.press("Space")
        reach(page, lambda: page.locator("textarea[name=reason]:focus").count() == 1)
        page.keyboard.type("AUC is better")
        reach(page, lambda: page.locator("button.primary:focus").count() == 1)
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").first).to_contain_text("is in production")

    assert registry.model(model).stages()[3] == "production"


def test_a_page_in_view_is_brought_up_to_date(
    guarded: str, empty: Database, registry: RegistryBuilder, model: str, chromium: Browser
) -> None:
    with tab(chromium) as opened:
        page = opened.page
        page.clock.install()
        log_in(page, guarded, empty.tokens["reader"], f"/models/{model}")
        expect(page.locator("#holders")).to_contain_text("Version 2")
        registry.model(model).rollback()
        page.clock.fast_forward(11_000)

        expect(page.locator("#holders")).to_contain_text("Version 1")


def focused(page: Page) -> str:
    return str(page.locator(":focus").inner_text()) if page.locator(":focus").count() else ""


def reach(page: Page, there: Callable[[], bool]) -> None:
    """Press Tab until the focus is there."""
    for _ in range(80):
        if there():
            return
        page.keyboard.press("Tab")
    raise AssertionError("Tab does not lead there")
