"""The rooms of the service layer: what other packages may use of each."""

from __future__ import annotations

import ast
import importlib
from functools import cache
from pathlib import Path

import pytest

import registry.services

SOURCES = Path(registry.services.__file__).parents[1]
ROOMS = sorted(path.parent.name for path in (SOURCES / "services").glob("*/__init__.py"))


@cache
def imports() -> dict[str, dict[str, set[str]]]:
    """Return the parts of each room that modules outside of it import, each with those modules."""
    parts: dict[str, dict[str, set[str]]] = {room: {} for room in ROOMS}
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("registry.services."):
                continue
            room, *inner = str(node.module).split(".")[2:]
            if room not in parts or SOURCES / "services" / room in path.parents:
                continue
            for name in inner[:1] or [alias.name for alias in node.names]:
                parts[room].setdefault(name, set()).add(str(path.relative_to(SOURCES)))
    return parts


@pytest.mark.parametrize("room", ROOMS)
def test_other_packages_import_only_the_public_names_of_a_room(room: str) -> None:
    public = set(importlib.import_module(f"registry.services.{room}").__all__)

    private = {name: where for name, where in imports()[room].items() if name not in public}

    assert private == {}, f"add these to registry/services/{room}/__init__.py, or import something public"
