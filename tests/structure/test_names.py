"""Names of functions and classes that would lead a reader to the wrong place."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import registry

PACKAGE = Path(registry.__file__).parent
CLIENT = {"cli", "client", "plugin"}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def definitions() -> tuple[tuple[Path, Definition], ...]:
    """Return the functions and classes of every module, with the module's path below the package."""
    return tuple(
        (path.relative_to(PACKAGE), node)
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, Definition)
    )


def repeated(pairs: Iterator[tuple[str, Path]], least: int) -> dict[str, list[str]]:
    """Return the names that stand in *least* modules or more, with those modules."""
    modules = defaultdict(list)
    for name, path in pairs:
        modules[name].append(str(path))
    return {name: paths for name, paths in modules.items() if len(paths) >= least}


def test_no_private_name_stands_in_three_modules() -> None:
    private = ((node.name, path) for path, node in definitions() if node.name.startswith("_"))

    assert repeated(private, 3) == {}, "write it inline, or make it public where it belongs"


def test_a_class_name_exists_once_in_the_server() -> None:
    classes = (
        (node.name, path)
        for path, node in definitions()
        if isinstance(node, ast.ClassDef) and path.parts[0] not in CLIENT
    )

    assert repeated(classes, 2) == {}


def test_a_class_name_exists_once_in_the_client() -> None:
    classes = (
        (node.name, path) for path, node in definitions() if isinstance(node, ast.ClassDef) and path.parts[0] in CLIENT
    )

    assert repeated(classes, 2) == {}
