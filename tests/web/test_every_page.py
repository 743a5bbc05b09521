"""What holds for every page, whatever it shows."""

from __future__ import annotations

import json
import shlex
from urllib.parse import unquote, urlsplit

import click
import pytest
from flask import Flask
from flask.testing import FlaskClient

from registry.cli.main import cli
from tests.support.pages import Seen, browse
from tests.support.registry_builder import RegistryBuilder
from tests.web.addresses import NO_PAGES, PAGES
from tests.web.world import ADDRESS, MARKUP, World, build


@pytest.fixture
def world(site: RegistryBuilder) -> World:
    return build(site)


def test_every_page_is_in_the_list(dev_app: Flask) -> None:
    read = {rule.endpoint for rule in dev_app.url_map.iter_rules() if "GET" in (rule.methods or ())}

    assert {endpoint for endpoint in read if endpoint.startswith("web.")} == {*PAGES, *NO_PAGES}


def test_pages_show_hostile_texts_as_texts(world: World, visitor: FlaskClient) -> None:
    """Each page has the markup, the headers and the one heading of every page; see ``tests.support.pages``."""
    for address in PAGES.values():
        seen = browse(visitor, world.fill(address))
        assert "owned" not in {*seen.all("script")}, address
        assert not [element for element in seen.root.iter() if _is_owned(element.attrib)], address
        assert "\u202e" not in _without_fields(seen), address
        assert not seen.all("img"), address


def test_links_lead_to_pages(world: World, visitor: FlaskClient) -> None:
    broken: dict[str, str] = {}
    seen_links: set[str] = set()
    for address in PAGES.values():
        for link in browse(visitor, world.fill(address)).links:
            path = link.partition("#")[0]
            if not path.startswith("/") or path in seen_links:
                continue
            seen_links.add(path)
            response = visitor.get(path, headers={"Accept": "text/html"}, buffered=True)
            if response.status_code >= 400:
                broken[path] = f"{response.status_code}, on {address}"

    assert broken == {}


def test_the_addresses_of_the_api_answer(world: World, visitor: FlaskClient) -> None:
    for address in PAGES.values():
        seen = browse(visitor, world.fill(address))
        for command in _foot(seen, "curl "):
            url = urlsplit(shlex.split(command)[-1])
            reply = visitor.get(f"{url.path}?{url.query}" if url.query else url.path)
            assert reply.status_code == 200, f"{command}: {reply.get_data(as_text=True)[:300]}"
            if reply.is_json:
                json.loads(reply.get_data())


def test_the_commands_are_those_of_the_command_line(world: World, visitor: FlaskClient) -> None:
    for address in PAGES.values():
        for text in _foot(browse(visitor, world.fill(address)), "registry "):
            words = shlex.split(text)[1:]
            command: click.Command | None = cli
            while isinstance(command, click.Group) and words and words[0] in command.commands:
                command = command.get_command(click.Context(command), words.pop(0))
            assert command is not None, text
            command.make_context("registry", words).close()


def test_an_unknown_address_is_a_page_for_browsers_only(visitor: FlaskClient) -> None:
    for path in ("/nothing", "/models/absent", "/models/a/b/c/d"):
        page = browse(visitor, path, status=404)
        assert page.one("h1").text
        assert visitor.get(f"/api/v1{path}", headers={"Accept": "text/html"}).content_type == "application/problem+json"
    assert visitor.get("/nothing").content_type == "application/problem+json"


def _without_fields(seen: Seen) -> str:
    """The text of the page without that of the fields in which it is edited."""
    edited = ["".join(field.itertext()) for field in seen.all("textarea")]
    text = "".join(seen.root.itertext())
    for one in edited:
        text = text.replace(one, "")
    return text


def _foot(seen: Seen, start: str) -> list[str]:
    codes = ["".join(code.itertext()) for foot in seen.all("footer") for code in foot.iter("code")]
    return [code for code in codes if code.startswith(start)]


def _is_owned(attributes: dict[str, str]) -> bool:
    """Return whether a text of a stranger became an address, or part of the markup."""
    led = [attributes.get(name, "") for name in ("href", "src", "action", "formaction", "xlink:href")]
    return any(unquote(value).strip().startswith((ADDRESS[:11], "data:")) or MARKUP in value for value in led)
