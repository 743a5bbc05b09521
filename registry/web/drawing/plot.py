"""A metric over versions as a line: values in, coordinates out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

WIDTH, HEIGHT = 720.0, 200.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 16.0, 14.0, 26.0
DOTS = 100  # versions up to which each has a dot that leads to it
TICKS = 6  # of versions


@dataclass(frozen=True, slots=True)
class PlotValue:
    """The value of a version; None, or a number that is not finite, is a gap. ``mark`` is the stage of a holder."""

    number: int
    value: float | None
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class PlotDot:
    """A version in the picture."""

    x: float
    y: float
    number: int
    value: float
    mark: str | None


@dataclass(frozen=True, slots=True)
class PlotTick:
    """A place of an axis, with its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Coordinates in a box of ``WIDTH`` by ``HEIGHT``.

    ``lines`` are the points of each run of versions without a gap, as SVG writes them. ``dots`` are all versions, or
    the marked ones alone where there are many.
    """

    lines: Sequence[str]
    dots: Sequence[PlotDot]
    values: Sequence[PlotTick]
    versions: Sequence[PlotTick]
    missing: int


def plot(points: Sequence[PlotValue]) -> Plot:
    """Return the picture of versions in the order of their numbers, oldest first; the lowest value is at the bottom."""
    finite = [point.value for point in points if point.value is not None and math.isfinite(point.value)]
    if not finite:
        return Plot((), (), (), (), len(points))
    low, high = min(finite), max(finite)
    dots = list(_dots(points, low, high))
    is_linked = len(points) <= DOTS
    return Plot(
        lines=[_polyline(run) for run in _runs(points, dots)],
        dots=[dot for dot in dots if is_linked or dot.mark is not None],
        values=[PlotTick(_y(value, low, high), text) for value, text in _value_ticks(low, high)],
        versions=list(_version_ticks(points)),
        missing=len(points) - len(dots),
    )


def _dots(points: Sequence[PlotValue], low: float, high: float) -> Iterator[PlotDot]:
    for place, point in enumerate(points):
        if point.value is not None and math.isfinite(point.value):
            x, y = _x(place, len(points)), _y(point.value, low, high)
            yield PlotDot(x, y, point.number, point.value, point.mark)


def _runs(points: Sequence[PlotValue], dots: Sequence[PlotDot]) -> Iterator[list[PlotDot]]:
    """Yield the dots between gaps."""
    at = {dot.number: dot for dot in dots}
    for is_there, run in groupby(points, lambda point: point.number in at):
        if is_there:
            yield [at[point.number] for point in run]


def _polyline(run: Sequence[PlotDot]) -> str:
    """Return the points of a line; a version between two gaps is a line to itself, which is drawn as a point."""
    ends = [*run, run[0]] if len(run) == 1 else run
    return " ".join(f"{dot.x:g},{dot.y:g}" for dot in ends)


def _x(place: int, count: int) -> float:
    share = place / (count - 1) if count > 1 else 0.5
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, low: float, high: float) -> float:
    # Halves: the distance of the two largest floats is infinite.
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.5
    return round(HEIGHT - BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM), 1)


def _value_ticks(low: float, high: float) -> Iterable[tuple[float, str]]:
    middle = low / 2 + high / 2
    texts = {f"{value:.4g}": value for value in (low, middle, high)}
    return [(value, text) for text, value in texts.items()]


def _version_ticks(points: Sequence[PlotValue]) -> Iterator[PlotTick]:
    """Yield at most TICKS versions, the oldest and the newest among them."""
    last = len(points) - 1
    places = {round(last * share / (TICKS - 1)) for share in range(TICKS)}
    for place in sorted(places):
        yield PlotTick(_x(place, len(points)), f"v{points[place].number}")
