"""The table of file formats has each one, with what loading it executes."""

from __future__ import annotations

import re

from registry.rules import file_format_names
from tests.docs.pages import DOCS

EXECUTES = {
    **dict.fromkeys(file_format_names.DATA, "no"),
    **dict.fromkeys(file_format_names.CONTAINERS, "as its content"),
    **dict.fromkeys(file_format_names.CODE, "yes"),
    **dict.fromkeys(file_format_names.UNDECIDED, "unknown"),
}


def test_each_format_is_in_the_table() -> None:
    section = (DOCS / "files.md").read_text().partition("## Formats by content\n")[2].partition("\n## ")[0]

    assert dict(re.findall(r"^\| `(\w+)` \| .* \| ([a-z ]+) \|$", section, re.MULTILINE)) == EXECUTES
