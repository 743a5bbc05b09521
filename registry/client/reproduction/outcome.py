"""The comparison of what a run made with what was registered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.client.reproduction.recipe import MEASURED
from registry.rules.lineage_limits import ENTRIES

_KEY_LENGTH = 250


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """A metric as it was registered and as the run measured it."""

    name: str
    registered: float
    measured: float
    is_same: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is the same, and what differs: paths of files, and the metrics that both have."""

    same_files: Sequence[str]
    other_files: Sequence[str]
    missing_files: Sequence[str]
    metrics: Sequence[MetricDifference]

    @property
    def is_reproduced(self) -> bool:
        """Whether all files are the same, or else all metrics that both have, at least one."""
        if self.same_files and not (self.other_files or self.missing_files):
            return True
        return bool(self.metrics) and all(one.is_same for one in self.metrics)

    def evaluation(self) -> dict[str, float]:
        """Return the metrics that record the outcome with the version, at most as many as one evaluation has."""
        measured = {f"{MEASURED}.{one.name}"[:_KEY_LENGTH]: one.measured for one in self.metrics[: ENTRIES - 2]}
        total = len(self.same_files) + len(self.other_files) + len(self.missing_files)
        files = {f"{MEASURED}.same_files": len(self.same_files) / total} if total else {}
        return {MEASURED: float(self.is_reproduced), **files, **measured}

    def document(self) -> dict[str, Any]:
        """Return the outcome as JSON has it."""
        return {
            "reproduced": self.is_reproduced,
            "files": {
                "same": list(self.same_files), "differ": list(self.other_files), "missing": list(self.missing_files),
            },
            "metrics": [
                {"name": one.name, "registered": one.registered, "measured": one.measured, "same": one.is_same}
                for one in self.metrics
            ],
        }  # fmt: skip


def compare(
    registered_files: Mapping[str, str],
    files: Mapping[str, str],
    registered_metrics: Mapping[str, float],
    metrics: Mapping[str, float],
    *,
    tolerance: float,
) -> Outcome:
    """Return what differs; *tolerance* is relative to the registered value of a metric."""
    common = registered_files.keys() & files.keys()
    return Outcome(
        same_files=sorted(path for path in common if registered_files[path] == files[path]),
        other_files=sorted(path for path in common if registered_files[path] != files[path]),
        missing_files=sorted(registered_files.keys() - files.keys()),
        metrics=[
            MetricDifference(name, value, metrics[name], _is_within(value, metrics[name], tolerance))
            for name, value in sorted(registered_metrics.items())
            if math.isfinite(metrics.get(name, math.nan))
        ],
    )


def _is_within(registered: float, measured: float, tolerance: float) -> bool:
    return abs(measured - registered) <= tolerance * abs(registered)
