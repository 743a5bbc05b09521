"""The table of a model's versions: newest first, at most ``ROWS`` at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from registry.db.records import LineageRecord
from registry.db.records import Page as Listed
from registry.domain.stages import Stage
from registry.http import cursors
from registry.rules.references import Reference
from registry.services.catalog import versions
from registry.web.addresses import url_for
from registry.web.metrics_over_versions import DEFAULT_LAST

ROWS = 50
MOST_METRICS = 3
FIELDS = (
    "number", "state", "stage", "rolled_back", "damaged", "manifest_digest", "aliases", "metrics", "lineage",
    "created_at", "created_by",
)  # fmt: skip


class VersionTable:
    """One page of the versions of a model, in one stage or in all; ``metric`` names the first column of metrics."""

    def __init__(self, model: str, *, stage: str | None, cursor: str | None, metric: str | None, last: int) -> None:
        self.model, self.stage, self.metric = model, stage, metric
        self._cursor = cursor
        self._kept = {"model": model, "metric": metric, "last": None if last == DEFAULT_LAST else last}

    @cached_property
    def page(self) -> Listed[Any]:
        """Return the rows, with the fields of FIELDS."""
        after = cursors.position(self._cursor)
        return versions.list_(self.model, stage=self.stage, after=after, limit=ROWS, field_names=FIELDS)

    @cached_property
    def metrics(self) -> Sequence[str]:
        """Return the metrics that have a column: the one that was asked for, then by name."""
        names = sorted(
            {name for row in self.page.items for name in row["metrics"]}, key=lambda name: (name != self.metric, name)
        )
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

    def reference(self, row: Mapping[str, Any]) -> str:
        """Return the reference of a version for a comparison."""
        return str(Reference(self.model, version=row["number"]))

    @cached_property
    def _version_prefix(self) -> str:
        return url_for("version", model=self.model, number=1).removesuffix("1")

    def version_address(self, number: int) -> str:
        """Return the address of the page of a version; Flask makes one address for all rows."""
        return f"{self._version_prefix}{number}"

    def notes(self, row: Mapping[str, Any]) -> Sequence[str]:
        """Return the gaps in the lineage of a version."""
        lineage: LineageRecord = row["lineage"]
        notes = []
        if lineage.code and lineage.code.get("dirty"):
            notes.append("uncommitted")
        if not lineage.datasets:
            notes.append("no data recorded")
        return notes

    def origin(self, row: Mapping[str, Any]) -> str:
        """Return the commit and the run, in short."""
        lineage: LineageRecord = row["lineage"]
        commit = ((lineage.code or {}).get("commit") or "")[:8]
        run = f"run {lineage.run['id'][:24]}" if lineage.run else ""
        return " · ".join(part for part in (commit, run) if part)
