"""The table of a model's versions: newest first, at most ``ROWS`` at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from registry.db.records import Page as Listed
from registry.domain.stages import Stage
from registry.http import cursors
from registry.services.catalog import versions
from registry.web import version_rows
from registry.web.addresses import url_for
from registry.web.metrics_over_versions import DEFAULT_LAST
from registry.web.version_rows import VersionRow

ROWS = 50
MOST_METRICS = 3


class VersionTable:
    """One page of the versions of a model, in one stage or in all; ``metric`` names the first column of metrics."""

    def __init__(
        self, model: str, *, stage: str | None, cursor: str | None, metric: str | None, last: int, dataset: str
    ) -> None:
        self.model, self.stage, self.metric = model, stage, metric
        self._cursor = cursor
        shown_last = None if last == DEFAULT_LAST else last
        self._kept = {"model": model, "metric": metric, "last": shown_last, "dataset": dataset or None}

    @cached_property
    def page(self) -> Listed[Any]:
        """Return the versions as :mod:`version_rows` renders them."""
        after, rendering = cursors.position(self._cursor), version_rows.rendering(self.model)
        return versions.list_(self.model, stage=self.stage, after=after, limit=ROWS, rendering=rendering)

    @cached_property
    def rows(self) -> Sequence[VersionRow]:
        """Return the rows of the table."""
        return version_rows.rows(self.page.items)

    @cached_property
    def metrics(self) -> Sequence[str]:
        """Return the metrics that have a column: the requested one, then by name."""
        names = sorted(set().union(*(row.metrics for row in self.rows)), key=lambda name: (name != self.metric, name))
        return names[:MOST_METRICS]

    @property
    def filters(self) -> Sequence[tuple[str, str, bool]]:
        """Return the text and address of each choice of a stage, and whether it is the present one."""
        stages = (Stage.PRODUCTION, Stage.STAGING, Stage.NONE, Stage.ARCHIVED)
        return [(stage or "all", self.address(stage=stage), stage == self.stage) for stage in (None, *stages)]

    @property
    def older(self) -> str | None:
        """Return the address of the next page."""
        cursor = cursors.of(self.page.next_after)
        return cursor and self.address(stage=self.stage, cursor=cursor)

    def address(self, **query: str | None) -> str:
        """Return the address of the table with another query; the chart of the metric stays the same."""
        return url_for("model", **{**self._kept, **query}, _anchor="versions")
