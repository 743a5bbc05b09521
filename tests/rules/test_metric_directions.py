"""Directions of metrics by their names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.rules.metric_directions import MetricDirection, Verdict, direction, verdict


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("auc", "val.auc", "Test_F1", "roc_auc_score", "recall@10", "R2", "explained_variance", "eval/accuracy",
          "neg_mean_squared_error", "neg-log-loss"), MetricDirection.MAX),
        (("loss", "test_rmse", "log_loss", "val.cross_entropy", "latency_p95_ms", "error_rate", "word/WER",
          "mean_absolute_error"), MetricDirection.MIN),
        (("", "score", "rows", "auc_std", "aucx", "lossless", "rate", "ms", "@10"), None),
    ],
)  # fmt: skip
def test_the_end_of_a_name_decides(names: tuple[str, ...], expected: MetricDirection | None) -> None:
    assert {name: direction(name) for name in names} == dict.fromkeys(names, expected)


@settings(max_examples=30)
@given(st.floats(allow_nan=False, allow_infinity=False), st.text("abc_", max_size=8))
def test_a_difference_is_better_in_the_direction_of_its_metric(difference: float, prefix: str) -> None:
    higher, lower = verdict("val.auc", difference), verdict(f"{prefix}.rmse", difference)

    assert verdict("rows", difference) is None
    assert {higher, lower} == ({Verdict.BETTER, Verdict.WORSE} if difference else {None})
    assert (higher is Verdict.BETTER) is (difference > 0)
