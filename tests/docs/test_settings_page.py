"""The page of settings lists every variable that is read."""

from __future__ import annotations

import re

from registry.config import CLIENT_VARIABLES, VARIABLES
from tests.docs.pages import DOCS


def test_every_setting_is_on_the_page() -> None:
    rows = re.findall(r"^\| `(REGISTRY_[A-Z0-9_]+)` \|", (DOCS / "settings.md").read_text(), re.MULTILINE)

    assert sorted(rows) == sorted(VARIABLES | CLIENT_VARIABLES)
