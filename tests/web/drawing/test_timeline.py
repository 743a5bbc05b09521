"""The picture of tenures, for tenures of every kind and number."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from registry.web.drawing import timeline
from registry.web.drawing.timeline import Bar, Timeline

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 11, 25, tzinfo=UTC)


@dataclass(frozen=True)
class Held:
    since: datetime
    until: datetime | None
    stage: str = "production"
    kind: str = "promote"


INSTANTS = st.datetimes(datetime(2025, 6, 1), datetime(2026, 11, 25), timezones=st.just(UTC))  # noqa: DTZ001 -- given one
SPANS = st.builds(
    lambda begin, length, stage, kind: Held(begin, None if length is None else min(begin + length, END), stage, kind),
    INSTANTS,
    st.none() | st.just(timedelta()) | st.timedeltas(timedelta(microseconds=1), timedelta(days=400)),
    st.sampled_from(["production", "staging"]),
    st.sampled_from(["promote", "rollback"]),
)


def corners(drawn: Timeline[Held]) -> list[tuple[float, float]]:
    """Every coordinate of the picture."""
    found = [
        (place, y) for bar in drawn.bars for place in (bar.x, bar.x + bar.width) for y in (bar.y, bar.y + bar.height)
    ]
    found += [(label.x, label.y) for label in (*drawn.names, *drawn.dates)]
    for bar in drawn.bars:
        found += [tuple(map(float, point.split(","))) for point in bar.triangle.split()]  # type: ignore[misc]
    return found


def lanes(drawn: Timeline[Held]) -> list[list[Bar[Held]]]:
    """The bars of each lane in the order in which they are drawn."""
    by_height: defaultdict[float, list[Bar[Held]]] = defaultdict(list)
    for bar in drawn.bars:
        by_height[bar.y].append(bar)
    return list(by_height.values())


@given(st.lists(SPANS, max_size=40), st.sampled_from([START, END, END - timedelta(microseconds=1)]))
@example([], START)
@example([Held(END, END)] * 3, END)
@example([Held(START, END, "staging")] * 9, START)
def test_the_picture_is_whole(tenures: Sequence[Held], start: datetime) -> None:
    drawn = timeline.draw(tenures, start=start, end=END)

    for x, y in corners(drawn):
        assert math.isfinite(x), "no NaN"
        assert -0.01 <= x <= drawn.width + 0.01
        assert 0 <= y <= drawn.height
    for lane in lanes(drawn):
        assert len({bar.tenure.stage for bar in lane}) == 1
        for first, then in itertools.pairwise(lane):
            assert first.tenure.since <= then.tenure.since
            assert first.x + first.width <= then.x + 0.02, "bars of a lane overlap"
    for stage in ("production", "staging"):
        assert len([lane for lane in lanes(drawn) if lane[0].tenure.stage == stage]) <= timeline.LANES
    visible = [one for one in tenures if one.until is None or one.until >= start]
    assert len(drawn.bars) + drawn.left_out == len(visible)
    for bar in drawn.bars:
        assert bar.width >= 0
        assert bar.mark is not None or bar.width >= timeline.THIN, "a thin bar without a mark is not seen"
        assert not bar.by_rollback or bar.mark is not None or bar.tenure.since < start


def test_twelve_bad_minutes_in_four_months_are_seen() -> None:
    bad = END - timedelta(days=30)
    good = Held(START, bad)
    drawn = timeline.draw(
        [good, Held(bad, bad + timedelta(minutes=12)), Held(bad + timedelta(minutes=12), None, kind="rollback")],
        start=END - timedelta(days=120),
        end=END,
    )

    (lane,) = lanes(drawn)
    assert [bar.mark is not None for bar in lane] == [False, True, True]
    assert [bar.by_rollback for bar in lane] == [False, False, True]
    assert lane[1].width < timeline.THIN
    assert (lane[2].open, lane[2].labelled) == (True, True)


def test_of_more_staging_versions_than_lanes_the_latest_entrants_are_drawn() -> None:
    tenures = [Held(START + timedelta(days=day), None, "staging") for day in range(8)]

    drawn = timeline.draw(tenures, start=timeline.beginning(tenures, end=END), end=END)

    assert {bar.tenure.since for bar in drawn.bars} == {one.since for one in tenures[3:]}
    assert drawn.left_out == 3
