"""Addresses of pages: those of the API without ``/api/v1``, and the header by which a registry announces its pages."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

HEADER = "X-Registry-Pages"
PRESENT = "yes"


def model(name: str) -> str:
    """Return the path of a model's page."""
    return f"/models/{quote(name, safe='')}"


def version(name: str, number: int) -> str:
    """Return the path of a version's page."""
    return f"{model(name)}/versions/{number}"


def alias(name: str, text: str) -> str:
    """Return the path of an alias's page."""
    return f"{model(name)}/aliases/{quote(text, safe='')}"


def comparison(references: Iterable[object]) -> str:
    """Return the path of the page that compares versions."""
    return "/compare?" + "&".join(f"v={quote(str(reference), safe='')}" for reference in references)
