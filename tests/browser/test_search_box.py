"""The search box with a keyboard, and without JavaScript."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.support.browser import Tab
from tests.support.registry_builder import RegistryBuilder


def test_a_filter_is_completed_by_keyboard_and_a_plain_field_searches_too(
    built: RegistryBuilder, address: str, scripted: Tab, plain: Tab
) -> None:
    built.create_model("searched", tags={"kind": "it's"})
    built.model("searched").version()

    page = scripted.page
    page.goto(f"{address}/models")
    box = page.get_by_label("Filter, or a part of a name")
    box.fill("tags.ki")  # at once: suggestions for a part of it would be replaced, and the choice among them lost
    expect(page.get_by_role("option", name="tags.kind key")).to_be_visible()
    expect(box).to_have_attribute("aria-expanded", "true")
    box.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_have_count(1)
    assert scripted.faults() == []
    box.press("Enter")
    expect(box).to_have_value("tags.kind ")
    box.fill("tags.kind = 'i")
    expect(page.get_by_role("option", name="'it''s' value")).to_be_visible()
    box.press("ArrowDown")
    box.press("Enter")
    expect(box).to_have_value("tags.kind = 'it''s' ")
    box.press("Escape")
    box.press("Enter")
    page.wait_for_url(re.compile("filter=tags"))
    expect(page.get_by_role("rowheader", name="searched")).to_be_visible()

    top = page.get_by_role("combobox", name="Search models and versions")
    top.fill("sear")
    expect(page.get_by_role("option", name="searched model")).to_be_visible()
    top.press("ArrowDown")
    top.press("Enter")
    page.wait_for_url(f"{address}/models/searched")

    plain.page.goto(f"{address}/models")
    plain.page.get_by_label("Search models and versions").fill("searched:1")
    plain.page.get_by_label("Search models and versions").press("Enter")
    plain.page.wait_for_url(f"{address}/models/searched/versions/1")
