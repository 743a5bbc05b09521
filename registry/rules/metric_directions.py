"""Directions of metrics: whether the higher or the lower value is the better one, by the name of the metric."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum


class MetricDirection(StrEnum):
    """``max``: the highest value is the best one. ``min``: the lowest is."""

    MAX = "max"
    MIN = "min"


class Verdict(StrEnum):
    """The judgement of a value against another one of the same metric."""

    BETTER = "better"
    WORSE = "worse"


_HIGHER = frozenset({
    "acc", "accuracy", "ap", "auc", "auprc", "auroc", "bleu", "dice", "f1", "f2", "fbeta", "fscore", "gini", "iou",
    "jaccard", "kappa", "map", "mcc", "meteor", "miou", "mrr", "ndcg", "npv", "ppv", "precision", "psnr", "r2",
    "recall", "rouge", "sensitivity", "silhouette", "specificity", "ssim", "throughput", "tnr", "tpr",
})  # fmt: skip
_LOWER = frozenset({
    "brier", "cer", "crossentropy", "ece", "eer", "err", "error", "fid", "fnr", "fpr", "latency", "logloss", "loss",
    "mae", "mape", "mse", "msle", "nll", "perplexity", "ppl", "rmse", "rmsle", "smape", "wer",
})  # fmt: skip
# The last two parts of names whose last part alone has no direction, or another one.
_PAIRS: Mapping[tuple[str, ...], MetricDirection] = {
    ("average", "precision"): MetricDirection.MAX,
    ("cross", "entropy"): MetricDirection.MIN,
    ("error", "rate"): MetricDirection.MIN,
    ("explained", "variance"): MetricDirection.MAX,
    ("hit", "rate"): MetricDirection.MAX,
}
_NEGATED = frozenset({"neg", "negative"})  # scikit-learn: neg_mean_squared_error
# Parts at the end that do not decide: scikit-learn's "score", units and quantiles of times.
_AFTER = frozenset({"score", "ms", "us", "ns", "s", "seconds", "p50", "p90", "p95", "p99"})
_PARTS = re.compile(r"[a-z0-9]+")
_CUTOFF = re.compile(r"@[0-9k]+\Z")  # recall@10, ndcg@k


def direction(metric: str) -> MetricDirection | None:
    """Return the direction of a metric by the end of its name, as of ``val.auc`` or ``test_rmse``; None: unknown."""
    parts = _PARTS.findall(_CUTOFF.sub("", metric.lower()))
    while len(parts) > 1 and parts[-1] in _AFTER:
        parts.pop()
    found = _PAIRS.get(tuple(parts[-2:]))
    if found is None and parts:
        found = MetricDirection.MAX if parts[-1] in _HIGHER else MetricDirection.MIN if parts[-1] in _LOWER else None
    if found is not None and _NEGATED.intersection(parts):
        return MetricDirection.MIN if found is MetricDirection.MAX else MetricDirection.MAX
    return found


def verdict(metric: str, difference: float) -> Verdict | None:
    """Return the judgement of a value that is *difference* more than another one; None: equal, or not known."""
    known = direction(metric)
    if known is None or not difference:
        return None
    return Verdict.BETTER if (difference > 0) is (known is MetricDirection.MAX) else Verdict.WORSE
