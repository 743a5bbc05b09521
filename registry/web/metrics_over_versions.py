"""The latest values of metrics over the versions of a model, and their charts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from registry.db.records import MeasuredVersionRecord
from registry.domain.stages import SERVING
from registry.domain.states import VersionState
from registry.services.catalog import metric_series
from registry.web.drawing.plot import Plot, PlotValue, plot
from registry.web.text import metric_words

LASTS = (20, 200, 1000)  # versions of a picture
DEFAULT_LAST = 200
PICTURES = 6  # metrics at once
MARKED = {stage.value: stage.value for stage in SERVING}


class MetricPicture:
    """The latest values of one metric in the latest versions of a model, as a chart. Deleted versions are omitted.

    Without a *key* it is the first metric by name.
    """

    def __init__(self, model: str, key: str | None, last: int) -> None:
        self.model = model
        self.last = last
        self._key = key

    @cached_property
    def known(self) -> Sequence[str]:
        """Return the metrics of the latest versions by name."""
        return metric_series.metric_keys(self.model)

    @property
    def key(self) -> str | None:
        """Return the metric; None where no version has one."""
        return self._key or next(iter(self.known), None)

    @cached_property
    def points(self) -> Sequence[PlotValue]:
        """Return the value of each version, oldest first."""
        rows = metric_series.values(self.model, self.key or "", limit=self.last)
        return [PlotValue(number, value, MARKED.get(stage)) for number, stage, value in reversed(rows)]

    @cached_property
    def drawn(self) -> Plot:
        return plot(self.points)

    @property
    def words(self) -> str:
        return metric_words.described(self.key or "", [point.value for point in self.points])


class MetricsOverVersions:
    """The latest values of some metrics in the latest versions of a model, without deleted ones, and their charts."""

    def __init__(self, model: str, keys: Sequence[str], last: int, most: int = PICTURES) -> None:
        self.model = model
        self.last = last
        self._wanted = list(dict.fromkeys(keys))
        self._most = most

    @cached_property
    def known(self) -> Sequence[str]:
        """Return the metrics of the latest versions by name."""
        return metric_series.metric_keys(self.model)

    @cached_property
    def keys(self) -> Sequence[str]:
        """Return the metrics that are shown: those of the request, else the first by name."""
        return self._wanted[: self._most] or self.known[:1]

    @cached_property
    def versions(self) -> Sequence[MeasuredVersionRecord]:
        """Return the versions, oldest first."""
        listed = metric_series.series(self.model, self.keys, limit=self.last).items
        return [version for version in reversed(listed) if version.state != VersionState.DELETED]

    @cached_property
    def rows(self) -> Sequence[tuple[MeasuredVersionRecord, Mapping[str, float]]]:
        """Return the versions, newest first, each with its values."""
        return [(one, {point.key: point.value for point in one.points}) for one in reversed(self.versions)]

    def values(self, key: str) -> Sequence[float | None]:
        """Return the value of each version, oldest first."""
        return [held.get(key) for _, held in reversed(self.rows)]

    def picture(self, key: str) -> Plot:
        held = zip(self.versions, self.values(key), strict=True)
        return plot([PlotValue(one.number, value, MARKED.get(one.stage)) for one, value in held])

    def words(self, key: str) -> str:
        return metric_words.described(key, self.values(key))

    def data(self) -> Mapping[str, Any]:
        """Return the series for the script of the page: JSON has no NaN."""
        series = [
            {"label": key, "values": [value if value is not None and math.isfinite(value) else None
                                      for value in self.values(key)]}
            for key in self.keys
        ]  # fmt: skip
        return {"versions": [version.number for version in self.versions], "series": series}
