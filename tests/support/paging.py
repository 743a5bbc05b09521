"""Read lists page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.api import Api
from tests.support.replies import expect


def walk(
    api: Api, path: str, *, limit: int, between: Callable[[], Any] = lambda: None, pages: int = 1000
) -> list[dict[str, Any]]:
    """Every item of the list at *path*, in pages of *limit*; *between* is called after each page but the last."""
    items: list[dict[str, Any]] = []
    mark = "&" if "?" in path else "?"
    where = f"{path}{mark}limit={limit}"
    for _ in range(pages):
        page = expect(200, api.get(where))
        assert len(page["items"]) <= limit
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        assert len(page["items"]) == limit
        between()
        where = f"{path}{mark}limit={limit}&cursor={page['next_cursor']}"
    raise AssertionError(f"{path} has no end")
