"""A part of a statement that is always the same, so that SQLAlchemy's cache key for it is its name.

Otherwise each execution walks the whole expression to find out that it was compiled before.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal


class Fixed(ColumnElement[Any]):
    """*expression*, which has no bound values. *name* must identify it among all fixed parts."""

    __visit_name__ = "registry_fixed"
    _traverse_internals = [("name", InternalTraversal.dp_string)]  # noqa: RUF012 -- SQLAlchemy declares it so
    inherit_cache = True

    def __init__(self, name: str, expression: ColumnElement[Any]) -> None:
        self.name = name
        self.inner = expression
        self.type = expression.type


@compiles(Fixed)
def _compile(element: Fixed, compiler: Any, **options: Any) -> str:
    return f"({compiler.process(element.inner, **options)})"
