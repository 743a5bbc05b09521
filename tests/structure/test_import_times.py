"""No module of the tests reads a clock when it is imported: its tests run up to ten minutes later."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests

ROOT = Path(tests.__file__).parent
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "monotonic_ns"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what Python evaluates when it imports the module: of a function, decorators and defaults alone."""
    yield node
    children: Iterator[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, FUNCTIONS):
        defaults = [default for default in (*node.args.defaults, *node.args.kw_defaults) if default]
        children = iter([*defaults, *getattr(node, "decorator_list", [])])
    for child in children:
        yield from run_at_import(child)


def readings_of_a_clock(source: str) -> list[str]:
    """Return the calls by which *source* reads a clock at import, each with its line."""
    calls = (node for node in run_at_import(ast.parse(source)) if isinstance(node, ast.Call))
    return [
        f"{call.lineno}: {ast.unparse(call)}"
        for call in calls
        if (isinstance(call.func, ast.Attribute) and call.func.attr in CLOCKS)
        or (isinstance(call.func, ast.Name) and call.func.id in CLOCKS)
    ]


@pytest.mark.parametrize(
    "source",
    [
        "LATER = datetime.now(UTC) + timedelta(minutes=5)",
        "class Token:\n    at = time.time()",
        "@pytest.mark.parametrize('at', [clock.now()])\ndef test(at): ...",
        "def signed(*, at=now()): ...",
        "signed = lambda at=time.time(): at",
    ],
)
def test_a_clock_that_is_read_at_import_is_found(source: str) -> None:
    assert len(readings_of_a_clock(source)) == 1


def test_a_clock_that_is_read_when_a_function_runs_is_fine() -> None:
    assert readings_of_a_clock("NOW = clock.now\ndef test():\n    def inner(): ...\n    return datetime.now(UTC)") == []


def test_no_test_reads_a_clock_at_import() -> None:
    readings = [
        f"{path.relative_to(ROOT)}:{reading}"
        for path in sorted(ROOT.rglob("*.py"))
        if path.name != "__main__.py"  # runs as soon as it is imported
        for reading in readings_of_a_clock(path.read_text())
    ]

    remedy = "Read the clock in the test or in a fixture, or write the time down:"
    assert not readings, "\n".join([remedy, *readings])
