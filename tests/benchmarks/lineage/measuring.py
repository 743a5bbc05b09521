"""Rounds of questions to two catalogues by turns, and the plans and the memory of those to the large one."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from flask import Flask

from registry.db.session import db, transaction
from tests.benchmarks.lineage.questions import Asker, Question
from tests.benchmarks.memory.cases import Case
from tests.benchmarks.memory.measuring import forked
from tests.support.statement_counting import noting_statements

WIDTH = 220


@dataclass
class Series:
    """Seconds that a question took of each catalogue, in rounds that ran by turns."""

    name: str
    small: list[float] = field(default_factory=list)
    large: list[float] = field(default_factory=list)
    grown: int = 0

    @property
    def ratio(self) -> float:
        return percentile(self.large, 0.95) / percentile(self.small, 0.95)


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return the value below which a *share* of them is."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[round(share * 100) - 1]


def measure(asked: Sequence[Question], small: Asker, large: Asker, *, rounds: int) -> Iterator[Series]:
    """Ask each question, of another part in each round, and yield what it took."""
    for question in asked:
        series, chance = Series(question.name), random.Random(question.name)
        for number in range(-2, rounds):  # the first two warm up
            for asker, seconds in ((small, series.small), (large, series.large)):
                path = question.path(asker.catalogue, chance)
                begun = time.perf_counter()
                answer = asker.ask(path)
                if number >= 0:
                    seconds.append(time.perf_counter() - begun)
                question.check(asker.catalogue, answer)
        yield series


def growth(app: Flask, token: str, path: str) -> int:
    """Return by how many bytes a process grows that answers the request."""
    with app.app_context():
        db.engine.dispose()
    status, grown = forked(app, Case("GET", path), token)
    if status != 200:
        raise RuntimeError(f"{path}: {status}")
    return grown


def plans(app: Flask, ask: Callable[[], Any]) -> Iterator[str]:
    """Yield each different statement that *ask* sends, how often it is sent, and its plan."""
    with noting_statements(app) as statements:
        ask()
    yield f"  {len(statements)} statements"
    texts: dict[str, list[Any]] = {}
    for text, values in statements:
        texts.setdefault(_without_lists(text), []).append((text, values))
    for text, sent in texts.items():
        if not text.lstrip().startswith(("SELECT", "WITH")):
            continue
        yield f"  {len(sent)} × {text[:WIDTH]}"
        longest, values = max(sent, key=lambda one: len(one[0]))
        yield from (f"      {line}" for line in _plan(app, longest, values))


def _without_lists(text: str) -> str:
    """Return the text on one line, without the parameters of its lists: they are many."""
    return " ".join(text.split()).replace(", ?", "")


def _plan(app: Flask, text: str, values: Any) -> list[str]:
    with app.app_context(), transaction() as session:
        driver: Any = session.connection().connection.driver_connection
        if session.get_bind().dialect.name == "sqlite":
            return [str(row[3]) for row in driver.execute(f"EXPLAIN QUERY PLAN {text}", values)]
        explain = f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, SUMMARY OFF) {text}"
        return [str(row[0])[:WIDTH] for row in psycopg.RawCursor(driver).execute(explain.encode(), values)]
