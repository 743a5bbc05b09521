"""The page of settings has a row for each variable that is read, as the variable is declared."""

from __future__ import annotations

import re

from registry.config import CLIENT_SETTINGS, Settings, declarations, documentation
from tests.docs.pages import DOCS


def test_the_rows_of_the_page_are_those_of_the_declarations() -> None:
    rows = re.findall(r"^\| `REGISTRY_.*$", (DOCS / "settings.md").read_text(), re.MULTILINE)

    assert rows == [*documentation(declarations(Settings)), *documentation(CLIENT_SETTINGS)]
