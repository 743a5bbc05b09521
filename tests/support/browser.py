"""A real Chromium, and the examinations of a page in it: accessibility, messages, width."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support import debian_packages

NAMES = ("chromium", "google-chrome", "chromium-browser")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (320, 390, 1280)
SHOTS = "BROWSER_SHOTS"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb"]


@dataclass(frozen=True)
class Program:
    """An installed Chromium, and the environment that it needs."""

    path: str
    environment: Mapping[str, str] = field(default_factory=dict)


def program() -> Program:
    """Return the browser of ``TEST_BROWSER``, of the PATH, or else of Debian's packages.

    Raises FileNotFoundError, which says how to install one, where there is none.
    """
    named = os.environ.get("TEST_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if named:
        return Program(named)
    try:
        root = debian_packages.unpacked_with_dependencies("chromium")
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            "the tests of the pages need a Chromium: install one (apt-get install chromium), or set TEST_BROWSER to "
            f"its path. Debian's packages cannot be had: {error}"
        ) from error
    folders = {str(library.parent) for library in root.glob("**/*-linux-gnu/**/lib*.so*")}
    return Program(str(root / "usr/lib/chromium/chromium"), {"LD_LIBRARY_PATH": ":".join(sorted(folders))})


@contextmanager
def running() -> Iterator[Browser]:
    """Run a Chromium without a window."""
    found = program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.path, args=ARGUMENTS, env={**os.environ, **found.environment}
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """A page of the browser, with what its console said."""

    page: Page
    messages: list[str] = field(default_factory=list)

    def open(self, address: str) -> None:
        """Open an address, and wait until the page is there."""
        self.page.goto(address, wait_until="load")

    def faults(self) -> list[str]:
        """Return what is wrong with the page as it is now: accessibility, messages of the console, its width."""
        return [*self._violations(), *self.messages, *self._too_wide()]

    def shoot(self, name: str) -> None:
        """Keep a picture of the whole page below ``$BROWSER_SHOTS``, if that is set."""
        folder = os.environ.get(SHOTS)
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)

    def _violations(self) -> Iterator[str]:
        options: dict[str, Any] = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
        for violation in Axe().run(self.page, options=options).response["violations"]:
            nodes: Sequence[Mapping[str, Any]] = violation["nodes"]
            yield f"{violation['id']}: {[node['html'][:150] for node in nodes[:3]]}"

    def _too_wide(self) -> Iterator[str]:
        wide, window = self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        if wide > window:
            yield f"the page is {wide} px wide in a window of {window} px"


@contextmanager
def tab(browser: Browser, **options: Any) -> Iterator[Tab]:
    """Open a tab with its own cookies; *options* are those of playwright's ``new_context``."""
    context: BrowserContext = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.set_default_timeout(10_000)
    opened = Tab(context.new_page())
    opened.page.on(
        "console", lambda said: opened.messages.append(said.text) if said.type in {"error", "warning"} else None
    )
    opened.page.on("pageerror", lambda error: opened.messages.append(str(error)))
    try:
        yield opened
    finally:
        context.close()
