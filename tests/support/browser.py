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
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.support import debian_packages

# The shell has no window and opens a tab in less than half of the time.
NAMES = ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser")
PACKAGE = NAMES[0]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (320, 390, 1280)
SIZE: ViewportSize = {"width": 1280, "height": 900}
SHOTS = "BROWSER_SHOTS"
PATIENCE_MILLISECONDS = 60_000  # of a page that has to share its processor
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
        root = debian_packages.unpacked_with_dependencies(PACKAGE)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"the tests of the pages need a Chromium: install one (apt-get install {PACKAGE}), or set TEST_BROWSER to "
            f"its path. Debian's packages cannot be had: {error}"
        ) from error
    folders = {str(library.parent) for library in root.glob("**/*-linux-gnu/**/lib*.so*")}
    return Program(str(root / f"usr/lib/chromium/{PACKAGE}"), {"LD_LIBRARY_PATH": ":".join(sorted(folders))})


@contextmanager
def running() -> Iterator[Browser]:
    """Run a Chromium without a window."""
    found = program()
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
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

    def renew(self) -> None:
        """Make the tab like a new one: blank, without cookies, light, and of the usual size."""
        self.page.goto("about:blank")
        self.page.context.clear_cookies()
        self.page.emulate_media(media="screen", color_scheme="light", reduced_motion="no-preference")
        self.page.set_viewport_size(SIZE)
        self.messages.clear()

    def faults(self, *, status: int = 200) -> list[str]:
        """Return what is wrong with the page as it is now: accessibility, messages of the console, its width.

        The console has a message of a response that is no success; the one of *status* is expected.
        """
        return [*self.violations(), *self.unexpected(status), *self.too_wide(), *self.squeezed()]

    def unexpected(self, status: int = 200) -> list[str]:
        """Return the messages of the console besides those of a response of *status*."""
        return [text for text in self.messages if f"status of {status} " not in text]

    def too_wide(self) -> Iterator[str]:
        """Return that the page moves sideways, if it does."""
        wide, window = self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        if wide > window:
            yield f"the page is {wide} px wide in a window of {window} px"

    def squeezed(self) -> list[str]:
        """Return the elements whose text has no room: one of several words in a column of some letters."""
        found: list[str] = self.page.evaluate(
            """[...document.querySelectorAll('main :is(dd, dt, p, td, th, li)')].filter((one) => one.checkVisibility()
                && !one.closest('.hidden') && one.innerText.length > 24 && one.clientWidth < 48
            ).map((one) => `${one.clientWidth} px for ${one.outerHTML.slice(0, 150)}`)"""
        )
        return found

    def unprintable(self) -> list[str]:
        """Return what is wrong with the page in print: controls, and what paper as wide as the window would cut off."""
        found: list[str] = self.page.evaluate(
            """[...document.querySelectorAll('main *')].filter((one) => one.checkVisibility() && (
                one.matches('button, textarea')
                || one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.hidden')
            )).map((one) => one.outerHTML.slice(0, 150))"""
        )
        return found

    def shoot(self, name: str) -> None:
        """Keep a picture of the whole page below ``$BROWSER_SHOTS``, if that is set."""
        folder = os.environ.get(SHOTS)
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)

    def violations(self) -> Iterator[str]:
        """Return what axe finds."""
        options: dict[str, Any] = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
        for violation in Axe().run(self.page, options=options).response["violations"]:
            nodes: Sequence[Mapping[str, Any]] = violation["nodes"]
            yield f"{violation['id']}: {[node['html'][:150] for node in nodes[:3]]}"


@contextmanager
def tab(browser: Browser, **options: Any) -> Iterator[Tab]:
    """Open a tab with its own cookies; *options* are those of playwright's ``new_context``."""
    context: BrowserContext = browser.new_context(**{"viewport": SIZE, **options})
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    opened = Tab(context.new_page())
    opened.page.on(
        "console", lambda said: opened.messages.append(said.text) if said.type in {"error", "warning"} else None
    )
    opened.page.on("pageerror", lambda error: opened.messages.append(str(error)))
    try:
        yield opened
    finally:
        context.close()
