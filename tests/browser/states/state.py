"""A state of a page, and the visit that reaches it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Locator, Page

from tests.browser.states.site import Site
from tests.support.browser import Tab
from tests.support.browser_sessions import session_of


@dataclass(frozen=True)
class Visit:
    """A tab of the browser at a registry."""

    site: Site
    tab: Tab

    @property
    def page(self) -> Page:
        return self.tab.page

    def open(self, path: str, *, role: str | None = None) -> None:
        """Open a page: with the session of a role, or at the registry that needs no login."""
        if role is None:
            return self.tab.open(self.site.address + path)
        self.become(role)
        return self.tab.open(self.site.guarded + path)

    def become(self, role: str) -> None:
        """Take the session of a role."""
        self.take_cookie(*session_of(self.site.app, self.site.tokens[role]))

    def take_cookie(self, name: str, value: str) -> None:
        """Put a cookie of the registry into the browser."""
        # Browsers keep a secure cookie for this machine also over plain HTTP.
        self.page.context.add_cookies([{"name": name, "value": value, "url": "https://localhost/", "secure": True}])

    def send(self, button: str, *, within: Locator | None = None, **typed: str) -> None:
        """Fill fields in by their names, and press a button."""
        scope = within or self.page.get_by_role("main")
        for name, text in typed.items():
            scope.locator(f"[name={name}]").first.fill(text)
        scope.get_by_role("button", name=button, exact=True).click()

    def open_dialog(self, link: str) -> Locator:
        """Follow a link that opens a dialog; return the dialog."""
        self.page.get_by_role("link", name=link).first.click()
        return self.page.get_by_role("dialog")


@dataclass(frozen=True)
class State:
    """A state: its name, how it is reached, and the words that no other state has."""

    name: str
    reach: Callable[[Visit], object]
    words: str | re.Pattern[str]
    status: int = 200
    """The status of the last response, which the console has when it is no success."""
    where: str = "main"
    """The part of the page that has the words."""
    is_examined: bool = False
    """Whether its markup is that of no other state: it is examined in every run of the tests."""
