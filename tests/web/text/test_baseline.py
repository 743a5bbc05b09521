"""Values of a version against those of another: differences only where the data is the same."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

from registry.db.records import EvaluationRecord
from registry.web.text.baseline import MetricLine, ParamLine, metric_lines, param_lines


def version(metrics: dict[str, float], params: dict[str, str] | None = None, **on: str) -> Any:
    evaluations = [EvaluationRecord(name, metrics[name], digest, f"{digest}.csv", "") for name, digest in on.items()]
    return SimpleNamespace(metrics=metrics, params=params or {}, evaluations=evaluations)


def test_metrics_have_a_difference_on_the_same_data_only() -> None:
    own = version({"auc": 0.75, "f1": 0.5, "loss": math.nan, "new": 1.0}, auc="a", f1="a")
    other = version({"auc": 0.5, "f1": 0.25, "loss": 1.0, "old": 2.0}, auc="a", f1="b")

    assert metric_lines(own, other)[:2] == [
        MetricLine("auc", 0.75, 0.5, 0.25, "a.csv", on_other_data=False),
        MetricLine("f1", 0.5, 0.25, None, "a.csv", on_other_data=True),
    ]
    assert [(line.name, line.value is None, line.difference) for line in metric_lines(own, other)[2:]] == [
        ("loss", False, None), ("new", False, None), ("old", True, None),
    ]  # fmt: skip
    assert metric_lines(own, None)[0] == MetricLine("auc", 0.75, None, None, "a.csv", on_other_data=False)


def test_parameters_that_differ_come_first() -> None:
    own, other = version({}, {"a": "1", "b": "2", "d": ""}), version({}, {"a": "1", "b": "3", "c": "x"})

    assert param_lines(own, other) == [
        ParamLine("b", "2", "3", differs=True),
        ParamLine("c", None, "x", differs=True),
        ParamLine("d", "", None, differs=True),
        ParamLine("a", "1", "1", differs=False),
    ]
    assert [line.differs for line in param_lines(own, None)] == [False] * 3
