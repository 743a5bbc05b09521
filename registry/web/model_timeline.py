"""The timeline of stages and its rows, for the page of a model."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property

from registry.db import times
from registry.db.records import TenureRecord
from registry.domain.stages import Stage
from registry.services.stages import past
from registry.web.drawing import timeline
from registry.web.drawing.timeline import Timeline
from registry.web.text import stage_words

ROWS, DRAWN = 30, 200


class ModelTimeline:
    """The tenures of production and staging in a window of time, drawn and as rows."""

    WINDOWS: Mapping[str, tuple[str, timedelta | None]] = {
        "30d": ("30 days", timedelta(days=30)),
        "1y": ("1 year", timedelta(days=365)),
        "all": ("all", None),
    }
    ended = staticmethod(stage_words.tenure_end)
    started = stage_words.STARTED

    def __init__(self, model: str, window: str | None) -> None:
        self.model = model
        self._wanted = window

    @property
    def window(self) -> str:
        """Return the window that is shown: by default a year, or all where that is shorter."""
        year_ago = times.now() - timedelta(days=365)
        return self._wanted or ("1y" if timeline.beginning(self.tenures, end=times.now()) < year_ago else "all")

    @cached_property
    def tenures(self) -> list[TenureRecord]:
        """Return the tenures of the window, newest first: of each stage the latest DRAWN."""
        return past.latest(self.model, Stage.PRODUCTION, Stage.STAGING, each=DRAWN)

    @cached_property
    def drawn(self) -> Timeline[TenureRecord]:
        now, span = times.now(), self.WINDOWS[self.window][1]
        start = timeline.beginning(self.tenures, end=now) if span is None else now - span
        return timeline.draw(self.tenures, start=start, end=now)

    @property
    def rows(self) -> list[TenureRecord]:
        """Return the tenures of the window for the table, newest first, at most ROWS."""
        span = self.WINDOWS[self.window][1]
        start = None if span is None else times.now() - span
        shown = [one for one in self.tenures if start is None or one.until is None or one.until >= start]
        return shown[:ROWS]
