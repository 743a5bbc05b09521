"""Pytest plugin: run a share of each test's variants, and report how many were left out.

Every test runs over one database, chosen by its name, and in its first variant. Of the other variants (the second
database, stores, clients, faults) one in n runs, the same ones in each run. ``SHARES`` and ``PAIRS`` set n for a
directory, the mark ``share(n)`` for a module or a test; ``share(1)`` runs all. ``share(0)`` leaves out the first
variant too: of a test that is long, beside others of its kind that always run.

A test that tries many cases in a loop takes its share of them from the fixture ``some_of``.

A test file or a test that is named on the command line runs in all its variants, and so does what ``-k`` or ``--lf``
selects. ``--every-variant`` runs all variants of all tests.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

import pytest

SHARES = {
    "faults": 96,
    **dict.fromkeys(("api", "deploy", "migrations", "mlflow", "races", "services", "storage"), 12),
    **dict.fromkeys(("cli", "client"), 6),
}
"""Of the variants after the first, one in n runs."""
PAIRS = {"api": 32, "services": 32, "db": 32, "mlflow": 32, "web": 32, "tampering": 8}
"""Of the tests that have one variant for each database, one in n runs over both."""
BOTH = ("statements", "state_machine", "search")
"""Words in the names of files whose tests always run over both: the answers depend on the database."""

_LEFT_OUT = pytest.StashKey[int]()
T = TypeVar("T")


class SomeOf(Protocol):
    """Returns, in order, one of every *n* consecutive cases, the same ones in each run; all where all variants run.

    Its place among the *n* varies. So a list of many texts at each address leaves out no text and no address.
    """

    def __call__(self, cases: Iterable[T], n: int) -> list[T]: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-variant", action="store_true", help="run all variants of all tests, not a share of them")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the variants outside of the share, which depends on the names of the tests and not on their files."""
    if _runs_everything(config):
        return
    seen: set[str] = set()
    chosen, left_out = [], []
    for item in items:
        test = item.nodeid.partition("[")[0]
        if _is_asked_for(item):
            chosen.append(item)
        elif _is_left_out(item):
            left_out.append(item)
        elif _is_chosen_of_its_pair(item) and (test not in seen or _is_in_share(item)):
            chosen.append(item)
            seen.add(test)
        else:
            left_out.append(item)
    config.hook.pytest_deselected(items=left_out)
    config.stash[_LEFT_OUT] = len(left_out)
    items[:] = chosen


@pytest.fixture
def some_of(request: pytest.FixtureRequest) -> SomeOf:
    """The share of the cases that a test tries in a loop."""
    if _runs_everything(request.config) or _is_asked_for(request.node):
        return lambda cases, n: list(cases)
    return one_of_each


def one_of_each(cases: Iterable[T], n: int) -> list[T]:
    """Return one of every *n* consecutive cases; see ``SomeOf``."""
    whole = list(cases)
    runs = [whole[start : start + n] for start in range(0, len(whole), n)]
    return [run[_number(str(index)) % len(run)] for index, run in enumerate(runs)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the number to the process that prints the summary, if this is one of its workers."""
    worker_output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if worker_output is not None:
        worker_output["left_out"] = session.config.stash.get(_LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Keep the number that a worker sent; each worker collects the same tests."""
    if left_out := getattr(node, "workeroutput", {}).get("left_out", 0):
        node.config.stash[_LEFT_OUT] = left_out


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if left_out := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(
            f"{left_out} further variants of the tests were left out. "
            "Run all of them with --every-variant, or those of one file or test by naming it."
        )


def _runs_everything(config: pytest.Config) -> bool:
    return bool(
        config.getoption("every_variant") or config.getoption("keyword") or config.getoption("lf", default=False)
    )


def _is_asked_for(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None or item.session.isinitpath(item.path)


def _is_left_out(item: pytest.Item) -> bool:
    return _share(item, 1) == 0


def _is_chosen_of_its_pair(item: pytest.Item) -> bool:
    kind = getattr(item, "callspec", None) and item.callspec.params.get("database")  # type: ignore[attr-defined]  # asked for above
    if kind not in {"sqlite", "postgresql"}:
        return True
    usual = 1 if any(word in item.path.name for word in BOTH) else _of_directory(item, PAIRS)
    number = _number(item.name.replace(kind, "*"))
    return number // 2 % _share(item, usual) == 0 or ("sqlite", "postgresql")[number % 2] == kind


def _is_in_share(item: pytest.Item) -> bool:
    """Return whether a variant after the first runs. Where ``PAIRS`` decides over databases, nothing else does."""
    is_pair = getattr(item, "callspec", None) and item.callspec.params.keys() == {"database"}  # type: ignore[attr-defined]  # asked for
    if is_pair and _of_directory(item, PAIRS) > 1:
        return True
    return _number(item.name) % _share(item, _of_directory(item, SHARES)) == 0


def _of_directory(item: pytest.Item, numbers: Mapping[str, int]) -> int:
    """Return the number of the innermost directory that has one."""
    directories = item.nodeid.partition("::")[0].split("/")[-2::-1]
    return next((numbers[name] for name in directories if name in numbers), 1)


def _share(item: pytest.Item, usual: int) -> int:
    mark = item.get_closest_marker("share")
    return int(mark.args[0]) if mark else usual


def _number(text: str) -> int:
    """Return the same number for the same text in every process and run."""
    return zlib.crc32(text.encode())
