"""The pages of a registry in which nothing is yet: each says what to do first."""

from __future__ import annotations

import pytest

from tests.browser.states import empty
from tests.browser.states.examination import examine, looks
from tests.browser.states.site import Site
from tests.browser.states.state import State
from tests.support.browser import Tab


@pytest.mark.parametrize(("state", "look"), looks(empty.STATES))
def test_an_empty_state_is_accessible_and_silent(state: State, look: str, site: Site, scripted: Tab) -> None:
    assert examine(state, look, site, scripted) == []
