"""The picture of a metric: in its box, whatever the values."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from registry.web.drawing.plot import DOTS, HEIGHT, TICKS, WIDTH, PlotValue, plot

VALUES = st.lists(st.none() | st.floats(), max_size=130)


@given(VALUES)
@example([])
@example([0.5])
@example([math.nan])
@example([math.inf, 1.0, -math.inf])
@example([0.5, 0.5])
@example([1.7e308, -1.7e308])
@example([5e-324, 0.0])
@example([None, 1.0, None, 2.0, 3.0])
def test_everything_is_in_the_box_in_the_order_of_the_versions(values: list[float | None]) -> None:
    points = [
        PlotValue(number, value, "production" if number % 7 == 0 else None) for number, value in enumerate(values, 1)
    ]

    drawn = plot(points)

    there = [value for value in values if value is not None and math.isfinite(value)]
    assert drawn.missing == len(values) - len(there)
    coordinates = [tuple(map(float, pair.split(","))) for line in drawn.lines for pair in line.split()]
    coordinates += [(dot.x, dot.y) for dot in drawn.dots] + [(1, tick.at) for tick in drawn.values]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in coordinates)
    assert [dot.x for dot in drawn.dots] == sorted(dot.x for dot in drawn.dots)
    assert len(drawn.dots) == (len(there) if len(values) <= DOTS else sum(dot.mark is not None for dot in drawn.dots))
    assert sorted(drawn.dots, key=lambda dot: dot.value) == sorted(drawn.dots, key=lambda dot: (-dot.y, dot.value))
    assert len(drawn.versions) <= TICKS
    assert bool(drawn.lines) == bool(there)


def test_a_gap_divides_the_line_and_a_version_between_gaps_is_a_point() -> None:
    drawn = plot([PlotValue(number, value) for number, value in enumerate([1.0, 2.0, None, 3.0, math.nan, 4.0], 1)])

    assert [len(line.split()) for line in drawn.lines] == [2, 2, 2]
    assert len({*drawn.lines[1].split()}) == 1
    assert [tick.text for tick in drawn.versions] == ["v1", "v2", "v3", "v4", "v5", "v6"]
    assert [tick.text for tick in drawn.values] == ["1", "2.5", "4"]


def test_values_on_different_data_are_not_joined() -> None:
    data = ["train", "train", "test", "test", None, "test", "test"]
    drawn = plot([PlotValue(number, None if one is None else 1.0, None, one) for number, one in enumerate(data, 1)])

    assert [len({*line.split()}) for line in drawn.lines] == [2, 2, 2]
    assert [dot.data for dot in drawn.dots] == ["train", "train", "test", "test", "test", "test"]
