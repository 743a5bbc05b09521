"""The verification of evidence in a browser: in place with JavaScript, and as a page without it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import tab
from tests.support.registry_builder import RegistryBuilder


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_evidence_verifies_the_chain_when_the_button_is_pressed(
    built: RegistryBuilder, address: str, chromium: Browser, script: bool
) -> None:
    name = f"proven-{script}"
    built.model(name).version()
    place = f"{address}/models/{name}/versions/1/evidence"

    with tab(chromium, java_script_enabled=script) as opened:
        page = opened.page
        page.goto(place)
        expect(page.get_by_text("The chain has not been verified for this page.")).to_be_visible()
        page.get_by_role("button", name="Verify the chain").click()
        expect(page.get_by_text("is unbroken")).to_be_visible()
        expect(page.get_by_text("The chain has not been verified for this page.")).to_have_count(0)
        assert page.url == (place if script else f"{place}?verify=1#verification")
        assert opened.messages == []
