"""Every page in a browser: accessibility, an empty console, and no page that moves sideways."""

from __future__ import annotations

import pytest

from tests.support.browser import WIDTHS, Tab
from tests.support.registry_builder import RegistryBuilder
from tests.web.addresses import PAGES
from tests.web.world import World, build


@pytest.fixture(scope="module")
def world(built: RegistryBuilder) -> World:
    return build(built)


@pytest.mark.share(24)
@pytest.mark.parametrize("endpoint", PAGES)
def test_a_page_is_accessible_and_silent(endpoint: str, world: World, address: str, scripted: Tab) -> None:
    scripted.open(address + world.fill(PAGES[endpoint]))
    scripted.shoot(f"{endpoint}-light")

    assert scripted.faults() == []


@pytest.mark.share(64)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("endpoint", PAGES)
def test_a_page_is_accessible_in_the_dark_at_every_width(
    endpoint: str, width: int, world: World, address: str, scripted: Tab
) -> None:
    scripted.page.set_viewport_size({"width": width, "height": 800})
    scripted.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    scripted.open(address + world.fill(PAGES[endpoint]))
    scripted.shoot(f"{endpoint}-dark-{width}")

    assert scripted.faults() == []


@pytest.mark.share(12)
@pytest.mark.parametrize("endpoint", PAGES)
def test_a_page_is_readable_without_javascript_and_in_print(
    endpoint: str, world: World, address: str, plain: Tab
) -> None:
    plain.open(address + world.fill(PAGES[endpoint]))
    plain.page.emulate_media(media="print")
    plain.shoot(f"{endpoint}-print")

    assert plain.page.locator("h1").count() == 1
    assert plain.unprintable() == []
