"""The latest values of metrics over the versions of a model, and their charts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from registry.db.records import MeasuredVersionRecord
from registry.domain.stages import SERVING
from registry.domain.states import VersionState
from registry.services.catalog import metric_series
from registry.services.catalog.metric_series import MeasuredData
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

    def __init__(self, model: str, key: str | None, last: int, dataset: str | None = None) -> None:
        self.model = model
        self.last = last
        self.dataset = dataset
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
    def datasets(self) -> Sequence[tuple[str, str]]:
        """Return the datasets to choose from, each with its words."""
        return dataset_choices(metric_series.data(self.model, [self.key or ""]), self.dataset)

    @cached_property
    def points(self) -> Sequence[PlotValue]:
        """Return the value of each version, oldest first."""
        rows = metric_series.values(self.model, self.key or "", dataset=self.dataset, limit=self.last)[::-1]
        data = metric_words.told_apart([
            None if row.value is None else metric_words.data_of(row.dataset_digest, row.dataset_name) for row in rows
        ])  # fmt: skip
        return [
            PlotValue(row.number, row.value, MARKED.get(row.stage), one) for row, one in zip(rows, data, strict=True)
        ]

    @cached_property
    def drawn(self) -> Plot:
        return plot(self.points)

    @property
    def words(self) -> str:
        values, data = ([getattr(point, name) for point in self.points] for name in ("value", "data"))
        return metric_words.described(self.key or "", values, data)


class MetricsOverVersions:
    """The latest values of some metrics in the latest versions of a model, without deleted ones, and their charts."""

    def __init__(self, model: str, keys: Sequence[str], last: int, dataset: str | None = None, part: str = "") -> None:
        self.model = model
        self.last = last
        self.dataset = dataset
        self.part = part
        self._wanted = list(dict.fromkeys(keys))

    @cached_property
    def known(self) -> Sequence[str]:
        """Return the metrics of the latest versions by name."""
        return metric_series.metric_keys(self.model)

    @cached_property
    def keys(self) -> Sequence[str]:
        """Return the metrics that are shown: those of the request, else the first by name."""
        return self._wanted[:PICTURES] or self.known[:1]

    @cached_property
    def versions(self) -> Sequence[MeasuredVersionRecord]:
        """Return the versions, oldest first."""
        series = metric_series.series(self.model, self.keys, dataset=self.dataset, slice=self.part, limit=self.last)
        listed = series.items
        return [version for version in reversed(listed) if version.state != VersionState.DELETED]

    @cached_property
    def rows(self) -> Sequence[tuple[MeasuredVersionRecord, Mapping[str, float]]]:
        """Return the versions, newest first, each with its values."""
        return [(one, {point.key: point.value for point in one.points}) for one in reversed(self.versions)]

    def values(self, key: str) -> Sequence[float | None]:
        """Return the value of each version, oldest first."""
        return [held.get(key) for _, held in reversed(self.rows)]

    @cached_property
    def datasets(self) -> Sequence[tuple[str, str]]:
        """Return the datasets to choose from, each with its words."""
        return dataset_choices(self._data, self.dataset)

    @property
    def slices(self) -> Sequence[str]:
        """Return the slices to choose from."""
        return list(dict.fromkeys([*self._data.slices, *([self.part] if self.part else [])]))

    @cached_property
    def _data(self) -> MeasuredData:
        return metric_series.data(self.model, self.keys)

    def data_of(self, key: str) -> Sequence[str | None]:
        """Return the words for the data of each version's value, oldest first; None where all are on the same."""
        points = [next((one for one in version.points if one.key == key), None) for version in self.versions]
        return metric_words.told_apart(
            [metric_words.data_of(one.dataset_digest, one.dataset_name, one.slice) if one else None for one in points]
        )

    def picture(self, key: str) -> Plot:
        held = zip(self.versions, self.values(key), self.data_of(key), strict=True)
        return plot([PlotValue(one.number, value, MARKED.get(one.stage), data) for one, value, data in held])

    def words(self, key: str) -> str:
        return metric_words.described(key, self.values(key), self.data_of(key))

    def data(self) -> Mapping[str, Any]:
        """Return the series for the script of the page, one for each metric and its data: JSON has no NaN."""
        return {"versions": [version.number for version in self.versions], "series": list(self._lines())}

    def _lines(self) -> Iterator[Mapping[str, Any]]:
        for scale, key in enumerate(self.keys):
            values, data = self.values(key), self.data_of(key)
            for name in dict.fromkeys(one for one in data if one) or [None]:
                line = [
                    value if value is not None and math.isfinite(value) and one == name else None
                    for value, one in zip(values, data, strict=True)
                ]
                yield {"label": f"{key} on {name}" if name else key, "scale": scale, "values": line}


def dataset_choices(data: MeasuredData, chosen: str | None) -> Sequence[tuple[str, str]]:
    """Return the known datasets, each with its words, and the chosen one."""
    known = {digest: metric_words.data_of(digest, name) for digest, name in data.datasets}
    if chosen is not None:
        known.setdefault(chosen, metric_words.data_of(chosen, None))
    return list(known.items())
