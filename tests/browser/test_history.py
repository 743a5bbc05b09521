"""Back and forward: every step shows what it showed, also where only a block of the page was replaced."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Tab
from tests.support.registry_builder import ModelBuilder, RegistryBuilder


@pytest.fixture(scope="module")
def model(built: RegistryBuilder) -> ModelBuilder:
    """A model whose version 1 is archived, 2 in production and 3 in staging."""
    model = built.model("steps")
    for stage in ("production", "production", "staging"):
        model.version(stage, metrics={"auc": 0.9})
    return model


def expect_versions(page: Page, stage: str | None, *versions: str) -> None:
    """Wait for the table of a stage, and for its address and the mark of the filter."""
    expect(page).to_have_url(re.compile(rf"stage={stage}" if stage else r"/models/steps$"))
    expect(page.locator("#versions [aria-current]")).to_have_text(stage or "all")
    expect(page.locator("#versions tbody th")).to_have_text(list(versions))


def test_the_filter_of_a_block_goes_back_and_forward(model: ModelBuilder, address: str, scripted: Tab) -> None:
    page = scripted.page
    scripted.open(address + model.path)
    for stage, version in (("production", "v2"), ("staging", "v3")):
        page.locator("#versions").get_by_role("link", name=stage, exact=True).click()
        expect_versions(page, stage, version)

    page.go_back()
    expect_versions(page, "production", "v2")
    page.go_back()
    expect_versions(page, None, "v3", "v2", "v1")
    page.go_forward()
    expect_versions(page, "production", "v2")
    expect(page.get_by_role("heading", level=1)).to_have_text("steps")
    expect(page.locator("#held-production + dl")).to_contain_text("Version 2")
    assert scripted.faults() == []


def test_a_page_that_was_gone_back_to_works_as_before(model: ModelBuilder, address: str, scripted: Tab) -> None:
    """Its dialogs open, its buttons copy, and its search box completes."""
    page = scripted.page
    scripted.open(address + model.path)
    page.locator("#versions").get_by_role("link", name="staging", exact=True).click()
    expect_versions(page, "staging", "v3")
    page.get_by_role("link", name="v3", exact=True).last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("steps v3")

    page.go_back()
    expect_versions(page, "staging", "v3")
    page.go_back()
    expect_versions(page, None, "v3", "v2", "v1")

    expect(page.locator("#holders").get_by_role("button", name="Copy").first).to_be_visible()
    page.get_by_label("Search models and versions").press_sequentially("step")
    expect(page.get_by_role("option", name="steps model")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Promote version 3…").click()
    expect(page.get_by_role("dialog")).to_contain_text("is in the store.")
    page.go_back()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert scripted.messages == []


def test_filters_and_pages_of_lists_go_back_and_forward(built: RegistryBuilder, address: str, scripted: Tab) -> None:
    for number in range(51):
        built.create_model(f"listed-{number:02}")
    page = scripted.page
    scripted.open(f"{address}/models")
    page.get_by_label("Filter, or a part of a name").fill("listed")
    page.get_by_role("main").get_by_role("button", name="Search").click()
    first = page.locator("tbody th").first
    expect(first).to_have_text("listed-00")
    page.get_by_role("link", name="Next").click()
    expect(first).to_have_text("listed-50")

    page.go_back()
    expect(first).to_have_text("listed-00")
    expect(page.get_by_label("Filter, or a part of a name")).to_have_value("listed")
    page.go_forward()
    expect(first).to_have_text("listed-50")
    page.go_back()
    page.go_back()
    expect(page.get_by_label("Filter, or a part of a name")).to_have_value("")
