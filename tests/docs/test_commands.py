"""Every command, option and path of the API that a page shows exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.api.description import document
from tests.cli.test_help import EVERY
from tests.docs.pages import PAGES, name

_CODE = re.compile(r"^```(?:sh|console)\n(.*?)^```|`(registry [^`]+)`", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:\w+=\S+ )*registry ([a-z-]+(?: [a-z-]+)*)(.*)")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_PATH = re.compile(r"(?<!registry)/api/v1(/[\w{}/-]+)")
OF_ALL = {"--help", "--debug"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_on_a_page_exist_with_their_options(page: Path) -> None:
    wrong = [line for line in lines(page.read_text()) if not exists(line)]

    assert wrong == []


def test_paths_of_the_api_on_the_pages_exist() -> None:
    operations = [re.sub(r"\{\w+\}", "[^/]+", path) for path in document()["paths"]]
    addresses = {path for page in PAGES for path in _PATH.findall(page.read_text())}

    assert addresses
    assert [path for path in addresses if not any(re.fullmatch(one, f"/api/v1{path}") for one in operations)] == []


def lines(text: str) -> Iterator[str]:
    """Yield each command line of *text*, without what is in quotes and after a ``#``."""
    for block, inline in _CODE.findall(text):
        for line in block.replace("\\\n", " ").splitlines() or [inline]:
            if _COMMAND.match(plain := " ".join(_QUOTED.sub("", line).partition(" #")[0].split())):
                yield plain


def exists(line: str) -> bool:
    match = _COMMAND.match(line)
    assert match is not None
    words = match[1].split()
    prefixes = (" ".join(words[:count]) for count in range(len(words), 0, -1))
    command = next((EVERY[prefix] for prefix in prefixes if prefix in EVERY), None)
    options = (
        {option for param in command.params for option in (*param.opts, *param.secondary_opts)} if command else set()
    )
    return set(words) <= OF_ALL or (command is not None and set(_OPTION.findall(line)) <= options | OF_ALL)
