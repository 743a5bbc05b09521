"""The table of addresses in the documentation of the web interface has the address of every page."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask import Flask

from tests.docs.pages import DOCS

NOT_PAGES = {"web.asset", "web.complete", "web.twin"}  # files, and JSON
EXAMPLES = {"model": "fraud", "number": "7", "alias": "champion"}
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def documented(rule: str) -> str:
    """Return the address of a route as the table writes it: with the examples, other parameters in braces."""
    return _PARAMETER.sub(lambda found: EXAMPLES.get(found[1], "{" + found[1] + "}"), rule)


def test_the_table_has_the_address_of_every_page_and_no_other(apps: Callable[[str], Flask]) -> None:
    rules = apps("sqlite").url_map.iter_rules()
    pages = {rule.rule for rule in rules if rule.endpoint.startswith("web.") and "GET" in (rule.methods or ())}
    others = {rule.rule for endpoint in NOT_PAGES for rule in apps("sqlite").url_map.iter_rules(endpoint)}

    section = (DOCS / "web.md").read_text().partition("\n## Addresses\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`/.*?) \|", section, re.MULTILINE)
    addresses = [address.partition("?")[0] for cell in cells for address in re.findall(r"`([^`]+)`", cell)]

    assert sorted(addresses) == sorted(map(documented, pages - others))
