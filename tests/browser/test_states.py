"""Every state of the pages, not only every page: it is what it says, accessible, silent and as wide as its window."""

from __future__ import annotations

import pytest

from tests.browser.states import acts, gates, pages, refusals
from tests.browser.states.examination import examine, looks
from tests.browser.states.site import Site
from tests.browser.states.state import State
from tests.support.browser import Tab


@pytest.mark.parametrize(("state", "look"), looks([*pages.STATES, *acts.STATES, *refusals.STATES, *gates.STATES]))
def test_a_state_is_accessible_and_silent(state: State, look: str, site: Site, scripted: Tab) -> None:
    assert examine(state, look, site, scripted) == []
