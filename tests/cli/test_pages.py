"""The pages of the web interface from the command line: their addresses on a terminal, and in the browser."""

from __future__ import annotations

import json
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.cli.conftest import CommandLine, Place
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.web_server import serving

pytestmark = pytest.mark.share(16)
NAME = '50% "off" #1?'
QUOTED = "50%25%20%22off%22%20%231%3F"


@pytest.fixture
def url(
    app: Flask, database: Database, registry: RegistryBuilder, place: Place, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    for stage in ("production", "staging"):
        registry.model(NAME).version(stage)
    with serving(app) as url:
        monkeypatch.setenv("REGISTRY_URL", url)
        monkeypatch.setenv("REGISTRY_TOKEN", database.tokens["all"])
        yield url


def pages(text: str, url: str) -> list[str]:
    """The addresses of pages among the lines."""
    return [line.removeprefix(f"page {url}") for line in text.splitlines() if line.startswith("page ")]


def test_a_command_that_names_a_model_or_a_version_says_its_page_on_a_terminal(
    url: str, terminal: CommandLine, run_cli: CommandLine
) -> None:
    model, version = f"/models/{QUOTED}", f"/models/{QUOTED}/versions/"
    for arguments, page in [
        (["show", NAME], model),
        (["show", f"{NAME}:1"], f"{version}1"),
        (["show", f"{NAME}#production"], f"{version}1"),
        (["history", f"{NAME}:2"], f"{version}2"),
        (["promote", f"{NAME}:2", "--to", "production", "--reason", "AUC"], f"{version}2"),
        (["rollback", NAME, "--reason", "latency"], f"{version}1"),
        (["alias", "set", f"{NAME}@champion", "2"], f"{version}2"),
        (["alias", "list", NAME], model),
        (["version", "list", NAME], model),
        (["compare", f"{NAME}:1", f"{NAME}:2"], f"/compare?v={QUOTED}%3A1&v={QUOTED}%3A2"),
        (["tag", "set", f"{NAME}:2", "a=b"], f"{version}2"),
        (["model", "edit", NAME, "--description", "scores"], model),
    ]:  # fmt: skip
        done = terminal(*arguments)
        assert done.code == 0, f"{arguments}: {done.err}"
        assert (pages(done.err, url), pages(done.out, url)) == ([page], []), arguments
    for arguments in (["show", NAME, "--json"], ["model", "list"], ["show", "absent"], ["whoami"]):
        assert pages(terminal(*arguments).err, url) == [], arguments
    assert pages(run_cli("show", NAME).err, url) == []


def test_open_prints_the_address_and_opens_a_browser(
    url: str, run_cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/opened\n')
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{program} %s")
    monkeypatch.setattr(webbrowser, "_tryorder", None)  # else the first program of the process is kept
    run_cli("alias", "set", f"{NAME}@champion", "2")
    for reference, page in [
        (NAME, f"/models/{QUOTED}"), (f"{NAME}:1", f"/models/{QUOTED}/versions/1"), ("", "/"),
        (f"{NAME}@champion", f"/models/{QUOTED}/versions/2"), (f"{NAME}#staging", f"/models/{QUOTED}/versions/2"),
    ]:  # fmt: skip
        done = run_cli("open", *([reference] if reference else []))
        # The registry is in this process, and logs to the same stdout.
        assert (done.code, done.out.splitlines()[-1]) == (0, f"{url}{page}"), done.err
        assert (tmp_path / "opened").read_text().splitlines()[-1] == f"{url}{page}"
    before = (tmp_path / "opened").read_text()

    printed = run_cli("open", f"{NAME}:2", "--print", "--json")

    assert json.loads(printed.out.splitlines()[-1]) == {"page": f"{url}/models/{QUOTED}/versions/2", "opened": False}
    assert [run_cli("open", name).code for name in (f"{NAME}:9", "absent", f"{NAME}@gone")] == [4, 4, 4]
    assert (tmp_path / "opened").read_text() == before


def test_a_registry_without_pages_has_no_addresses_of_them(
    url: str, terminal: CommandLine, database: Database, make_settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    app = create_app(make_settings(database.url, web=False))
    with serving(app) as bare:
        monkeypatch.setenv("REGISTRY_URL", bare)
        shown, opened = terminal("show", NAME), terminal("open", NAME)

    assert (shown.code, pages(shown.err, bare)) == (0, [])
    assert (opened.code, "has no pages" in " ".join(opened.err.split())) == (1, True)
    with app.app_context():
        db.engine.dispose()
