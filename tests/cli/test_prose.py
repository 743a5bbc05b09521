"""Words that no text for users has: help, operations of the API, pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import registry
from tests.cli.test_help import EVERY
from tests.docs.pages import PAGES, name
from tests.support.api import Api

PACKAGE = Path(registry.__file__).parent
REFUSED = re.compile(r"\b(nobody|somebody|whoever|whichever|anew|beside|tells|knows|of (its|their|your) own)\b", re.I)


# Words that the sources must not have, in docstrings, comments and texts.
REFUSED_IN_SOURCES = re.compile(
    r"\b(nobody|somebody|whoever|whichever|afresh|meanwhile|tells|knows|wishes|hopes|of (their|your|our|one's) own)\b",
    re.I,
)


def found_in(text: str) -> list[str]:
    return [text[max(0, word.start() - 40) : word.end() + 40] for word in REFUSED.finditer(text)]


def descriptions(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (part[name] for name in ("summary", "description") if isinstance(part.get(name), str))
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from descriptions(inner)


@pytest.mark.parametrize("name", EVERY)
def test_help_has_standard_words(name: str) -> None:
    options = [param.help or "" for param in EVERY[name].params if isinstance(param, click.Option)]

    assert found_in(" ".join([EVERY[name].help or "", *options])) == []


def test_the_api_is_described_in_standard_words(api: Api) -> None:
    document = api.get("/openapi.json").get_json()

    assert [word for text in descriptions(document) for word in found_in(text)] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_have_standard_words(page: Path) -> None:
    assert found_in(page.read_text()) == []


def test_docstrings_and_comments_have_standard_words() -> None:
    own = [path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".html", ".css", ".js"}]
    sources = sorted(path for path in own if "vendor" not in path.parts)

    assert [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in sources
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if REFUSED_IN_SOURCES.search(line)
    ] == []
