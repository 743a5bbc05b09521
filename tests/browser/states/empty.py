"""States of a registry in which nothing is yet."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.states.state import State, Visit


def _at(path: str) -> Callable[[Visit], None]:
    return lambda visit: visit.open(path)


STATES = [
    State("the first page", _at("/"), "No model yet. Register the first:"),
    State("no models", _at("/models"), "No model yet."),
    State("no deleted models", _at("/models?deleted=true"), "No model is deleted."),
    State("no versions", _at("/search/versions"), "No version yet."),
    State("no inventory", _at("/inventory"), "No version is in production."),
    State("no changes", _at("/changes"), "Nothing has changed yet."),
    State("no entries", _at("/audit?until=2001-01-01"), "No entry matches."),
    State("no tokens of the account", _at("/me"), "No API token acts as this account."),
    State("a status without workers", _at("/status"), "No worker is alive."),
]
