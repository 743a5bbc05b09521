"""Layout of the line chart of a metric over versions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

WIDTH, HEIGHT = 720.0, 200.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 28.0, 14.0, 26.0
DOTS = 100  # versions up to which each has a dot that leads to it
TICKS = 6  # of versions


class PlotValue(NamedTuple):
    """The value of a version; None, or a number that is not finite, is a gap. ``mark`` is the stage of a holder.

    ``data`` names what it was measured on, where the values of the picture are not all of the same data.
    """

    number: int
    value: float | None
    mark: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class PlotDot:
    """A version in the chart."""

    x: float
    y: float
    number: int
    value: float
    mark: str | None
    data: str | None


@dataclass(frozen=True, slots=True)
class PlotTick:
    """A tick of an axis, with its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Coordinates in a box of ``WIDTH`` by ``HEIGHT``.

    ``lines`` are the points of each run of versions without a gap and on the same data, as SVG writes them. ``dots``
    are all versions, or the marked ones alone where there are many.
    """

    lines: Sequence[str]
    dots: Sequence[PlotDot]
    values: Sequence[PlotTick]
    versions: Sequence[PlotTick]
    missing: int


def plot(points: Sequence[PlotValue]) -> Plot:
    """Return the chart of versions, oldest first; the lowest value is at the bottom."""
    finite = [point.value for point in points if point.value is not None and math.isfinite(point.value)]
    if not finite:
        return Plot((), (), (), (), len(points))
    low, high = min(finite), max(finite)
    is_linked = len(points) <= DOTS
    step = (WIDTH - LEFT - RIGHT) / max(len(points) - 1, 1)
    start = LEFT if len(points) > 1 else (LEFT + WIDTH - RIGHT) / 2
    lines: list[list[str]] = [[]]
    dots: list[PlotDot] = []
    last_data = None
    for place, (number, value, mark, data) in enumerate(points):
        if value is None or not math.isfinite(value):
            lines.append([])
            continue
        x, y = start + place * step, _y(value, low, high)
        if data != last_data:
            lines.append([])
            last_data = data
        lines[-1].append(f"{x:.1f},{y:.1f}")
        if is_linked or mark is not None:
            dots.append(PlotDot(round(x, 1), round(y, 1), number, value, mark, data))
    return Plot(
        # A version between two gaps is a line to itself, which is drawn as a point.
        lines=[" ".join(line if len(line) > 1 else line * 2) for line in lines if line],
        dots=dots,
        values=[PlotTick(round(_y(value, low, high), 1), text) for value, text in _value_ticks(low, high)],
        versions=[
            PlotTick(round(start + place * step, 1), f"v{points[place].number}") for place in _ticked(len(points))
        ],
        missing=len(points) - len(finite),
    )


def _y(value: float, low: float, high: float) -> float:
    # Halves: the distance of the two largest floats is infinite.
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.5
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _value_ticks(low: float, high: float) -> Iterable[tuple[float, str]]:
    middle = low / 2 + high / 2
    texts = {f"{value:.4g}": value for value in (low, middle, high)}
    return [(value, text) for text, value in texts.items()]


def _ticked(count: int) -> Sequence[int]:
    """Return the places of at most TICKS versions, the oldest and the newest among them."""
    return sorted({round((count - 1) * share / (TICKS - 1)) for share in range(TICKS)})
