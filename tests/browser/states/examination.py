"""What is examined of a state: its words, the console, its width, its accessibility and its print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.states.site import Site
from tests.browser.states.state import State, Visit
from tests.support.browser import SIZE, WIDTHS, Tab

SHARE = 100
NARROW = 390


def looks(states: Iterable[State]) -> Sequence[Any]:
    """Return the states with how each is looked at.

    ``axe`` and ``words`` are light. Every run looks with axe at the states whose markup is that of no other, and at
    half of the others in the narrowest window.
    """
    return [
        pytest.param(state, look, marks=pytest.mark.share(_share(state, look)), id=f"{state.name}-{look}")
        for state in states
        for look in (("axe",) if state.is_examined else ("words", "axe")) + ("dark", "print")
    ]


def _share(state: State, look: str) -> int:
    if look == "axe" and state.is_examined:
        return 1
    return 2 if look == "words" else SHARE


def examine(state: State, look: str, site: Site, tab: Tab) -> list[str]:
    """Go to a state, assert that it is that state, and return what is wrong with it."""
    page = tab.page
    if look == "words":
        page.set_viewport_size({**SIZE, "width": min(WIDTHS)})  # before there is a page that would change its layout
    elif look == "dark":
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    state.reach(Visit(site, tab))
    expect(page.locator(state.where).first).to_contain_text(state.words)
    page.wait_for_load_state("load")
    faults = tab.unexpected(state.status)
    if state.status >= 400 and not tab.messages:
        faults.append(f"no response had the status {state.status}")
    if look == "print":
        page.emulate_media(media="print")
        tab.shoot(f"{state.name}-print")
        return faults + tab.unprintable()
    tab.shoot(f"{state.name}-{look}")
    if look == "words":
        return [*faults, *tab.too_wide(), *tab.squeezed()]
    faults += tab.violations()
    for width in WIDTHS:
        page.set_viewport_size({**SIZE, "width": width})
        faults += [*tab.too_wide(), *tab.squeezed()]
        if width == NARROW:
            tab.shoot(f"{state.name}-{look}-{width}")
    return faults
