"""Every state of the pages, not only every page: it is what it says, accessible, silent and as wide as its window."""

from __future__ import annotations

import pytest

from tests.browser.states import acts, gates, pages, refusals
from tests.browser.states.examination import examine, looks
from tests.browser.states.site import Site
from tests.browser.states.state import State, Visit
from tests.support.browser import Tab


@pytest.mark.parametrize(("state", "look"), looks([*pages.STATES, *acts.STATES, *refusals.STATES, *gates.STATES]))
def test_a_state_is_accessible_and_silent(state: State, look: str, site: Site, scripted: Tab) -> None:
    assert examine(state, look, site, scripted) == []


def test_on_a_phone_every_column_of_the_verdicts_is_in_view(site: Site, scripted: Tab) -> None:
    (state,) = (one for one in gates.STATES if one.name == "gates of a version")
    scripted.page.set_viewport_size({"width": 390, "height": 800})
    state.reach(Visit(site, scripted))

    hidden = """[...document.querySelectorAll('.scroll:has(> .stacked)')].filter(
        (one) => one.scrollWidth > one.clientWidth).length"""

    assert scripted.page.get_by_text("record an evaluation with auc >= 0.95").is_visible()
    assert scripted.page.evaluate(hidden) == 0
