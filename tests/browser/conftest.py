"""One Chromium and two tabs for each process of the suite, and one server for each module."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.browser.states.site import Site
from tests.support import browser as browsers
from tests.support.api import Api
from tests.support.browser import Tab, tab
from tests.support.databases import Database
from tests.support.ports import free_port
from tests.support.registry_builder import RegistryBuilder, in_process
from tests.support.registry_identity import claim
from tests.support.web_server import serving
from tests.web.conftest import client_of


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with browsers.running() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def scripted_tab(chromium: Browser) -> Iterator[Tab]:
    with tab(chromium) as scripted:
        yield scripted


@pytest.fixture(scope="session")
def plain_tab(chromium: Browser) -> Iterator[Tab]:
    with tab(chromium, java_script_enabled=False) as plain:
        yield plain


@pytest.fixture
def scripted(scripted_tab: Tab) -> Tab:
    """A tab with JavaScript. To open a new one takes longer than most pages."""
    scripted_tab.renew()
    return scripted_tab


@pytest.fixture
def plain(plain_tab: Tab) -> Tab:
    """A tab without JavaScript."""
    plain_tab.renew()
    return plain_tab


@pytest.fixture(scope="session")
def make_served_app(
    databases: Callable[[str], Database], make_settings: Callable[..., Settings]
) -> Callable[[bool], Flask]:
    """The app over SQLite, with or without a login."""
    return functools.cache(lambda dev: create_app(make_settings(databases("sqlite").url, dev=dev)))


@pytest.fixture(scope="module")
def empty(databases: Callable[[str], Database], storage_root: Path) -> Database:
    """An empty database with the tokens of every role."""
    database = databases("sqlite")
    database.reset()
    claim(storage_root)
    return database


@pytest.fixture(scope="module")
def dev_served(make_served_app: Callable[[bool], Flask], empty: Database) -> Iterator[Flask]:
    """The app without a login, over an empty database."""
    yield from _disposed(make_served_app(True))


@pytest.fixture(scope="module")
def served(make_served_app: Callable[[bool], Flask], empty: Database) -> Iterator[Flask]:
    """The app with a login, over an empty database."""
    yield from _disposed(make_served_app(False))


@pytest.fixture(scope="module")
def built(dev_served: Flask) -> RegistryBuilder:
    """The builder of what the pages without a login show."""
    return in_process(Api(client_of(dev_served), None, "http://localhost"))


@pytest.fixture(scope="module")
def address(dev_served: Flask) -> Iterator[str]:
    """The address of the interface without a login."""
    with serving(dev_served.wsgi_app) as address:
        yield address


@pytest.fixture(scope="module")
def guarded(served: Flask) -> Iterator[str]:
    """The address of the interface with a login."""
    with serving(served.wsgi_app) as address:
        yield address.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="session")
def away(make_settings: Callable[..., Settings]) -> Iterator[Callable[[], str]]:
    """Return the address of a registry whose database is away, which is served from the first call on."""
    with ExitStack() as stack:

        @functools.cache
        def address() -> str:
            app = create_app(make_settings(f"postgresql://nobody@127.0.0.1:{free_port()}/none", dev=True))
            stack.callback(_dispose, app)
            return stack.enter_context(serving(app.wsgi_app))

        yield address


@pytest.fixture(scope="module")
def site(
    built: RegistryBuilder, address: str, guarded: str, dev_served: Flask, served: Flask, empty: Database,
    storage_root: Path, away: Callable[[], str],
) -> Site:  # fmt: skip
    return Site(
        built,
        address,
        guarded,
        dev_app=dev_served,
        app=served,
        tokens=empty.tokens,
        storage_root=storage_root,
        away=away,
    )


def _disposed(app: Flask) -> Iterator[Flask]:
    yield app
    _dispose(app)


def _dispose(app: Flask) -> None:
    with app.app_context():
        db.engine.dispose()
