"""Read lists page by page, and count the SQL statements that a request needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import event

from registry.db.session import db
from tests.support.api import Api, expect


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


@contextmanager
def counting(app: Flask) -> Iterator[list[str]]:
    """Yield the list that takes the text of each SQL statement of the block."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
