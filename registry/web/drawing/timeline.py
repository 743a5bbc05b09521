"""Layout of the timeline of tenures.

Production is above, one lane as a rule; several versions may hold it at once in lifecycle ``open``. Staging is below. A
tenure that finds no free lane is left out of the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

WIDTH = 960.0
GUTTER, MARGIN = 84.0, 8.0  # left of the lanes, where their names are, and right of them
LANE, GAP, MARKS = 22.0, 4.0, 12.0  # heights: of a bar, between two lanes, and above the lanes of a stage for its marks
AXIS = 20.0
LANES = 5  # of a stage, at most
THIN = 2.0  # a bar that is narrower gets a mark above it
LABELLED = 28.0  # a bar that is narrower has no room for its version
_TICKS = 4
_LEAST = timedelta(seconds=1)
_MONTHS, _DAYS = timedelta(days=400), timedelta(days=2)


class Span(Protocol):
    """The fields of a tenure that the timeline needs."""

    @property
    def stage(self) -> str: ...
    @property
    def since(self) -> datetime: ...
    @property
    def until(self) -> datetime | None: ...
    @property
    def kind(self) -> str: ...


S = TypeVar("S", bound=Span)


@dataclass(frozen=True, slots=True)
class Bar(Generic[S]):
    """The bar of a tenure. ``mark`` is the place of a mark above it: of one that is thin, or that a rollback began."""

    tenure: S
    x: float
    y: float
    width: float
    height: float
    mark: float | None

    @property
    def by_rollback(self) -> bool:
        return self.tenure.kind == "rollback"

    @property
    def open(self) -> bool:
        return self.tenure.until is None

    @property
    def labelled(self) -> bool:
        return self.width >= LABELLED

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 2)

    @property
    def triangle(self) -> str:
        """The corners of the mark, as SVG takes them; "" without one."""
        if self.mark is None:
            return ""
        top = self.y - MARKS + 2
        return f"{self.mark - 4:.2f},{top:.2f} {self.mark + 4:.2f},{top:.2f} {self.mark:.2f},{self.y - 2:.2f}"


@dataclass(frozen=True, slots=True)
class Label:
    """A text and its place: the name of a stage, or a date of the axis."""

    text: str
    x: float
    y: float
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Timeline(Generic[S]):
    """The timeline. ``left_out`` is the number of tenures in the window that only the table has."""

    width: float
    height: float
    bars: Sequence[Bar[S]]
    names: Sequence[Label]
    dates: Sequence[Label]
    left_out: int


def draw(tenures: Iterable[S], *, start: datetime, end: datetime) -> Timeline[S]:
    """Draw the tenures of production and staging between *start* and *end*, the present."""
    end = max(end, start + _LEAST)
    shown = [one for one in tenures if one.since <= end and (one.until is None or one.until >= start)]
    bars: list[Bar[S]] = []
    names, left_out, top = [], 0, 0.0
    for stage in ("production", "staging"):
        lanes, without = _packed([one for one in shown if one.stage == stage], end)
        left_out += without
        names.append(Label(stage, 0, top + MARKS + LANE * 0.7))
        for place, lane in enumerate(lanes or [[]]):
            y = top + MARKS + place * (LANE + MARKS)
            bars += [_bar(one, y, start, end) for one in lane]
        top += max(1, len(lanes)) * (LANE + MARKS) + GAP
    return Timeline(WIDTH, top + AXIS, bars, names, _dates(start, end, top + AXIS * 0.7), left_out)


def beginning(tenures: Iterable[Span], *, end: datetime) -> datetime:
    """Return when the first of the tenures began; *end* without any."""
    return min((one.since for one in tenures), default=end)


def _packed(tenures: Sequence[S], end: datetime) -> tuple[list[list[S]], int]:
    """Put the tenures into lanes without overlap, the latest entrants first, and count those that find none.

    Each lane is in the order of time.
    """
    lanes: list[list[S]] = []
    left_out = 0
    for one in sorted(tenures, key=lambda tenure: (tenure.since, tenure.until or end), reverse=True):
        free = next((lane for lane in lanes if (one.until or end) <= lane[-1].since), None)
        if free is not None:
            free.append(one)
        elif len(lanes) < LANES:
            lanes.append([one])
        else:
            left_out += 1
    return [lane[::-1] for lane in lanes], left_out


def _bar(tenure: S, y: float, start: datetime, end: datetime) -> Bar[S]:
    left, right = (_along(moment, start, end) for moment in (tenure.since, tenure.until or end))
    width = round(right - left, 2)
    marked = width < THIN or (tenure.kind == "rollback" and tenure.since >= start)
    return Bar(tenure, left, y, width, LANE, min(left, WIDTH - MARGIN) if marked else None)


def _along(moment: datetime, start: datetime, end: datetime) -> float:
    share = (min(max(moment, start), end) - start) / (end - start)
    return round(GUTTER + share * (WIDTH - GUTTER - MARGIN), 2)


def _dates(start: datetime, end: datetime, y: float) -> list[Label]:
    span = end - start
    form = "%b %Y" if span > _MONTHS else "%d %b" if span > _DAYS else "%d %b %H:%M"
    anchors = ["start", *["middle"] * (_TICKS - 1), "end"]
    moments = (start + span * place / _TICKS for place in range(_TICKS + 1))
    return [
        Label(f"{moment:{form}}", _along(moment, start, end), y, anchor)
        for moment, anchor in zip(moments, anchors, strict=True)
    ]
