"""Docstrings as the OpenAPI document has them."""

from __future__ import annotations

import inspect


def markdown(documented: type) -> str:
    """Return the class's own docstring, its literals in Markdown; empty without one."""
    return inspect.cleandoc(vars(documented).get("__doc__") or "").replace("``", "`")
