"""Every page in a browser: accessibility, an empty console, and no page that moves sideways."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.support.browser import WIDTHS, tab
from tests.support.registry_builder import RegistryBuilder
from tests.web.addresses import PAGES
from tests.web.world import World, build


@pytest.fixture(scope="module")
def world(built: RegistryBuilder) -> World:
    return build(built)


@pytest.mark.share(4)
@pytest.mark.parametrize("endpoint", PAGES)
def test_a_page_is_accessible_and_silent(endpoint: str, world: World, address: str, chromium: Browser) -> None:
    with tab(chromium) as opened:
        opened.open(address + world.fill(PAGES[endpoint]))
        opened.shoot(f"{endpoint}-light")

        assert opened.faults() == []


@pytest.mark.share(12)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("endpoint", PAGES)
def test_a_page_is_accessible_in_the_dark_at_every_width(
    endpoint: str, width: int, world: World, address: str, chromium: Browser
) -> None:
    size = {"width": width, "height": 800}
    with tab(chromium, viewport=size, color_scheme="dark", reduced_motion="reduce") as opened:
        opened.open(address + world.fill(PAGES[endpoint]))
        opened.shoot(f"{endpoint}-dark-{width}")

        assert opened.faults() == []


@pytest.mark.share(12)
@pytest.mark.parametrize("endpoint", PAGES)
def test_a_page_is_readable_without_javascript_and_in_print(
    endpoint: str, world: World, address: str, chromium: Browser
) -> None:
    with tab(chromium, java_script_enabled=False) as opened:
        opened.open(address + world.fill(PAGES[endpoint]))
        opened.page.emulate_media(media="print")
        opened.shoot(f"{endpoint}-print")

        assert opened.page.locator("h1").count() == 1
        assert not opened.page.locator("button:visible").count()
