"""The fault matrix: each row a way to go wrong, the tests that bring it about, and what came of them.

A test says which rows it belongs to (``@pytest.mark.fault("F01")``). How often it injected its fault, when not once,
and how many acknowledged writes it missed afterwards, it tells with ``record_property("injected" or "lost", number)``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest

ROWS = {
    "F01": "kill -9 of a web worker before COMMIT",
    "F02": "kill -9 after COMMIT, before the reply",
    "F03": "kill -9 between the bytes' arrival and their row",
    "F04": "kill -9 during an upload in parts",
    "F05": "kill -9 between joining parts and their row",
    "F06": "32 promotions at once that expect the same holder",
    "F07": "promotions and rollbacks at once",
    "F08": "100 registrations at once in one model",
    "F09": "100 registrations at once with one key",
    "F10": "one key for two bodies",
    "F11": "kill -9 of the master",
    "F12": "SIGTERM under load",
    "F13": "PostgreSQL stopped immediately under load",
    "F14": "PostgreSQL restarted in the middle of a transaction",
    "F15": "connection reset after COMMIT was sent",
    "F16": "PostgreSQL as a black hole",
    "F17": "PostgreSQL 200 ms away",
    "F18": "PostgreSQL read-only",
    "F19": "PostgreSQL's connections exhausted",
    "F20": "deadlock or serialisation failure",
    "F21": "PostgreSQL's disk full",
    "F22": "kill -9 of a sealer at each of its statements",
    "F23": "kill -9 of one of two sealers under load",
    "F24": "no sealer while clients write",
    "F25": "older backup restored under a sealed log",
    "F27": "store down",
    "F28": "store fails a third of the requests",
    "F29": "store hangs in the middle of a body",
    "F30": "store returns a flipped byte",
    "F31": "store truncates a body, with status 200",
    "F32": "object deleted behind the registry's back",
    "F33": "signed address expired, used again, with another body",
    "F34": "collector beside completion of the same bytes",
    "F35": "clock one hour on, one hour back, jumping",
    "F41": "SQLite: EIO, ENOSPC, SIGKILL at its system calls",
    "F42": "SQLite: eight processes write, one reads long",
    "F43": "migration killed midway",
    "F44": "memory or file descriptors used up",
    "F45": "200 connections on which nothing is sent",
    "F46": "200 clients that send a byte now and then",
    "F47": "50 clients that stop in the middle of a body",
    "F48": "readers of archives and files that stop reading",
    "F49": "requests whose framing is malformed",
    "F50": "read replica paused, killed, promoted, replaced",
    "F51": "kill -9 of a server that seals, or that serves beside sealers",
    "F52": "PostgreSQL stopped immediately under two sealers",
    "soak": "mixed load, random kills of server, worker, database",
}
LEFT_OUT = {
    "F26": "signing key missing: tests/services/sealed_log has it, without a process to kill",
    "F36-F38": "there are no webhooks",
    "F39-F40": "there is no identity provider: tokens are the registry's own",
}


@dataclass
class Result:
    """What came of one row: how often the fault was injected, and after how many of them every invariant held."""

    fault: str
    runs: int = 0
    survived: int = 0
    lost: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, test: str, properties: Mapping[str, Any], *, passed: bool) -> None:
        runs = int(properties.get("injected", 1))
        self.runs += runs
        self.survived += runs if passed else 0
        self.lost += int(properties.get("lost", 0))
        if not passed:
            self.failures.append(test)


class Matrix:
    """A pytest plugin that runs the tests of *rows* over and over, until each row has had *runs* injections."""

    def __init__(self, rows: Sequence[str], runs: int) -> None:
        self.results = {row: Result(ROWS[row]) for row in rows}
        self.runs = runs
        self._passed = True
        self._properties: dict[str, Any] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if _rows(item) & set(self.results)]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of pytest's own: row by row, each test by turns."""
        plan = {row: [item for item in session.items if row in _rows(item)] for row in self.results}
        if missing := [row for row, items in plan.items() if not items]:
            raise pytest.UsageError(f"no test brings about {', '.join(missing)}")
        waiting = [(row, item) for row, items in plan.items() for item in items]
        while waiting:
            row, item = waiting.pop(0)
            self._run(row, item, next_item=waiting[0][1] if waiting else None)
            last = not any(other == row for other, _ in waiting)
            if last and self.results[row].runs < self.runs and not self.results[row].failures:
                waiting[:0] = [(row, again) for again in plan[row]]
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._passed &= report.passed
        self._properties |= dict(report.user_properties)

    def _run(self, row: str, item: pytest.Item, *, next_item: pytest.Item | None) -> None:
        self._passed, self._properties = True, {}
        item.user_properties.clear()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)
        self.results[row].add(item.nodeid, self._properties, passed=self._passed)


def table(results: Mapping[str, Result]) -> str:
    """The results as lines of text, and how many runs there were of all."""
    width = max(len(result.fault) for result in results.values())
    lines = [f"row   {'fault':{width}}   runs  survived  lost"]
    for row, found in results.items():
        lines.append(f"{row:5} {found.fault:{width}}  {found.runs:5}  {found.survived:8}  {found.lost:4}")
    total: Counter[str] = Counter()
    for found in results.values():
        total.update({"runs": found.runs, "survived": found.survived, "lost": found.lost})
    lines.append(f"{'all':5} {'':{width}}  {total['runs']:5}  {total['survived']:8}  {total['lost']:4}")
    return "\n".join(lines)


def document(results: Mapping[str, Result]) -> dict[str, Any]:
    """The results for programs."""
    return {"rows": {row: asdict(result) for row, result in results.items()}, "left_out": LEFT_OUT}


def _rows(item: pytest.Item) -> set[str]:
    return {row for mark in item.iter_markers("fault") for row in mark.args}
