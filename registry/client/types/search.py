"""Completion of filters."""

from __future__ import annotations

from typing import TypedDict


class SuggestionView(TypedDict):
    text: str
    kind: str


class CompletionView(TypedDict):
    """Each of the items replaces the characters ``start`` to ``end`` of the filter."""

    start: int
    end: int
    items: list[SuggestionView]
