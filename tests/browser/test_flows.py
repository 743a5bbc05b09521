"""What a person does with the pages, with JavaScript and without: log in, promote, be refused, roll back, log out."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.support.api import Api
from tests.support.browser import Tab, tab
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder, in_process

pytestmark = pytest.mark.share(1)


@pytest.fixture
def registry(served: Flask, empty: Database) -> RegistryBuilder:
    return in_process(Api(served.test_client(), empty.tokens["all"]))


@pytest.fixture(params=["javascript", "plain"])
def opened(request: pytest.FixtureRequest, scripted: Tab, plain: Tab) -> Tab:
    return scripted if request.param == "javascript" else plain


@pytest.fixture
def model(registry: RegistryBuilder, request: pytest.FixtureRequest) -> str:
    """A model of this test, whose version 2 is in production and version 3 in staging."""
    name = re.sub(r"[^a-z]+", "-", request.node.name).strip("-")
    for place, stage in enumerate(("production", "production", "staging")):
        registry.model(name).version(stage, metrics={"auc": 0.9 + place / 100})
    return name


PROMOTE = re.compile("^Promote")


def log_in(page: Page, address: str, token: str, path: str = "/") -> None:
    page.goto(f"{address}/login?next={path}")
    page.get_by_label("API token").fill(token)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("main")).to_be_visible()
    page.wait_for_url(re.compile(r"^(?!.*/login)"))


def open_form(page: Page, link: str | re.Pattern[str]) -> Locator:
    """Follow a link to a form; return the form, in a dialog or on its page."""
    page.get_by_role("link", name=link).first.click()
    return page.locator("form:has(textarea[name=reason])")


def find(page: Page, model: str, *, completes: bool) -> None:
    """Go to a model by the search box at the top: by the first completion, or by what the search finds."""
    box = page.get_by_label("Search models and versions")
    box.fill(model[:-1])  # at once: suggestions for a part of it would be replaced, and the choice among them lost
    if completes:
        expect(page.get_by_role("option", name=f"{model} model")).to_be_visible()
        box.press("ArrowDown")
    box.press("Enter")
    if not completes:
        page.get_by_role("rowheader", name=model).get_by_role("link").click()


def test_from_the_search_to_the_log_out(
    opened: Tab, guarded: str, empty: Database, registry: RegistryBuilder, model: str, request: pytest.FixtureRequest
) -> None:
    """A person finds a model, compares, promotes, is refused, tries again, rolls back and logs out."""
    page = opened.page
    log_in(page, guarded, empty.tokens["promoter"])
    find(page, model, completes=request.node.callspec.params["opened"] == "javascript")
    expect(page.get_by_role("heading", level=1)).to_have_text(model)

    page.get_by_label("Compare version 2").check()
    page.get_by_label("Compare version 3").check()
    page.get_by_role("button", name="Compare selected").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{model}: v3 → v2")
    expect(page.get_by_role("row", name="auc")).to_contain_text("0.92")
    page.go_back()

    form = open_form(page, PROMOTE)
    form.get_by_label("production", exact=True).check()
    form.get_by_label("Reason", exact=False).fill("AUC is better")
    registry.model(model).rollback()
    form.locator("button.primary").click()
    expect(page.get_by_role("alert")).to_contain_text("another change came first")
    expect(page.get_by_label("Reason", exact=False)).to_have_value("AUC is better")
    expect(page.get_by_label("production", exact=True)).not_to_be_checked()
    assert registry.model(model).stages() == {1: "production", 2: "archived", 3: "staging"}

    form.get_by_label("production", exact=True).check()
    form.locator("button.primary").click()
    expect(page.get_by_role("status").first).to_contain_text(f"{model}:3 is in production since")
    expect(page.locator("#held-production + dl")).to_contain_text("Version 3")
    assert registry.model(model).stages() == {1: "archived", 2: "archived", 3: "production"}

    form = open_form(page, "Roll back…")
    form.get_by_label("Reason", exact=False).fill("p99 latency doubled")
    form.locator("button.primary").click()
    expect(page.get_by_role("status").first).to_contain_text(f"{model}:1 is in production since")
    assert registry.model(model).stages() == {1: "production", 2: "archived", 3: "archived"}

    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("status").first).to_have_text("You are logged out.")
    page.goto(f"{guarded}/models/{model}")
    expect(page).to_have_url(re.compile("/login"))
    assert opened.unexpected(409) == []


def test_who_may_not_promote_is_offered_no_form(guarded: str, empty: Database, model: str, scripted: Tab) -> None:
    log_in(scripted.page, guarded, empty.tokens["reader"], f"/models/{model}")

    expect(scripted.page.get_by_role("heading", level=1)).to_have_text(model)
    expect(scripted.page.get_by_role("link", name=PROMOTE)).to_have_count(0)
    expect(scripted.page.get_by_role("link", name="Roll back…")).to_have_count(0)


def test_a_double_click_is_one_act(
    guarded: str, empty: Database, registry: RegistryBuilder, model: str, scripted: Tab
) -> None:
    page = scripted.page
    log_in(page, guarded, empty.tokens["promoter"], f"/models/{model}/rollback")
    page.get_by_label("Reason", exact=False).fill("p99 latency doubled")
    page.get_by_role("button", name="Roll back now").dblclick()
    expect(page.get_by_role("status").first).to_contain_text("production")

    assert registry.model(model).actions().count("version.rolled_back") == 1
    assert registry.model(model).stages()[1] == "production"


def test_a_session_that_ended_leads_to_the_login_and_back(
    scripted: Tab, guarded: str, empty: Database, model: str
) -> None:
    page = scripted.page
    log_in(page, guarded, empty.tokens["promoter"], f"/models/{model}")
    page.context.clear_cookies()

    page.goto(f"{guarded}/models/{model}")

    expect(page).to_have_url(re.compile("/login"))
    page.get_by_label("API token").fill(empty.tokens["promoter"])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(model)


def test_the_keyboard_is_enough(
    guarded: str, empty: Database, registry: RegistryBuilder, model: str, scripted: Tab
) -> None:
    """A promotion by Tab, Space, Enter and letters; Escape closes the dialog and the focus returns."""
    page = scripted.page
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


def test_a_page_in_view_is_brought_up_to_date_unless_a_dialog_is_open(
    guarded: str, empty: Database, registry: RegistryBuilder, model: str, chromium: Browser
) -> None:
    with tab(chromium) as opened:  # a tab keeps its clock
        page = opened.page
        page.clock.install()
        log_in(page, guarded, empty.tokens["promoter"], f"/models/{model}")
        expect(page.locator("#holders")).to_contain_text("Version 2")
        form = open_form(page, "Roll back…")
        form.get_by_label("Reason", exact=False).fill("p99 latency doubled")
        registry.model(model).rollback()
        page.clock.fast_forward(11_000)
        expect(form.get_by_label("Reason", exact=False)).to_have_value("p99 latency doubled")
        expect(page.locator("#holders")).to_contain_text("Version 2")

        page.keyboard.press("Escape")
        page.clock.fast_forward(11_000)

        expect(page.locator("#holders")).to_contain_text("Version 1")
        expect(page.locator("#live")).to_have_text("This page was updated.")
        expect(page.locator("#holders").get_by_role("button", name="Copy").first).to_be_visible()


def test_times_stay_true_on_an_open_page_and_a_block_that_loads_says_so(
    guarded: str, empty: Database, model: str, chromium: Browser
) -> None:
    busy: list[str | None] = []

    def look(route: Route) -> None:
        busy.append(page.locator("#versions").get_attribute("aria-busy"))
        route.continue_()

    with tab(chromium) as opened:  # a tab keeps its clock
        page = opened.page
        page.clock.install()
        log_in(page, guarded, empty.tokens["reader"], f"/models/{model}")
        since = page.locator("#held-production + dl time")
        expect(since).to_have_text(re.compile("^(just now|[0-9]+ (seconds?|minutes?) ago)$"))
        page.clock.fast_forward("03:00:00")
        expect(since).to_have_text("3 hours ago")

        page.route(re.compile("stage=staging"), look)
        page.locator("#versions").get_by_role("link", name="staging", exact=True).click()
        expect(page.locator("#versions [aria-current]")).to_have_text("staging")

        expect(page.locator("[aria-busy]")).to_have_count(0)
        assert busy == ["true"]


def focused(page: Page) -> str:
    return str(page.locator(":focus").inner_text()) if page.locator(":focus").count() else ""


def reach(page: Page, there: Callable[[], bool]) -> None:
    """Press Tab until the focus is there."""
    for _ in range(80):
        if there():
            return
        page.keyboard.press("Tab")
    raise AssertionError("Tab does not lead there")
