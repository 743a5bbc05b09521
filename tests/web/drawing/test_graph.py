"""The picture of a lineage graph: inside its frame, the same each time, and drawn whatever the edges are."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from registry.domain.lineage import EdgeKind, NodeKind
from registry.web.drawing import graph
from registry.web.drawing.graph import Drawing, DrawnNode

KINDS = st.sampled_from([*map(str, NodeKind), "future"])
NODES = st.lists(st.builds(DrawnNode, KINDS, st.text(max_size=80)), max_size=130)
EDGES = st.lists(
    st.tuples(st.integers(-1, 130), st.integers(0, 130), st.sampled_from([*map(str, EdgeKind), "future"])), max_size=400
)


def column_of(drawing: Drawing, place: int) -> int:
    return next(box.x for box in drawing.boxes if box.place == place)


@given(NODES, EDGES)
def test_everything_is_inside_the_frame_and_no_two_boxes_touch(
    nodes: list[DrawnNode], edges: list[tuple[int, int, str]]
) -> None:
    drawing = graph.draw(nodes, edges)

    assert [box.place for box in drawing.boxes] == list(range(min(len(nodes), 100)))
    for box in drawing.boxes:
        assert 0 <= box.x <= box.x + box.width <= drawing.width
        assert 0 <= box.y <= box.y + box.height <= drawing.height
        assert len(box.label) <= graph.MOST_LETTERS
    for first, second in combinations(drawing.boxes, 2):
        assert first.x != second.x or abs(first.y - second.y) >= graph.BOX_HEIGHT
    for arrow in drawing.arrows:
        for x, y in arrow.points:
            assert 0 <= x <= drawing.width
            assert 0 <= y <= drawing.height
        assert arrow.source != arrow.target
    shown = [place for arrow in drawing.arrows for place in arrow.edges]
    most = len(drawing.boxes)
    drawn = [place for place, (source, target, _) in enumerate(edges) if 0 <= source < most and target < most]
    assert sorted(shown) == [place for place in drawn if edges[place][0] != edges[place][1]]
    assert graph.draw(nodes, edges) == drawing


@given(st.permutations(range(8)), st.integers(0, 7))
def test_arrows_lead_to_the_right_where_nothing_goes_round_in_circles(order: list[int], cut: int) -> None:
    nodes = [DrawnNode("version", str(place)) for place in range(8)]
    edges = [(order[later], order[earlier], "derived_from") for earlier, later in combinations(range(8), 2)]

    drawing = graph.draw(nodes, edges[cut:])

    for arrow in drawing.arrows:
        assert column_of(drawing, arrow.source) < column_of(drawing, arrow.target)


def test_circles_and_dense_graphs_are_drawn() -> None:
    nodes = [DrawnNode("version", str(place)) for place in range(100)]
    everything = [(source, target, "derived_from") for source in range(100) for target in range(100)]

    drawing = graph.draw(nodes, everything)

    assert len(drawing.arrows) == 100 * 99


def test_inputs_stand_before_the_run_and_the_run_before_the_version() -> None:
    kinds = ["version", "run", "dataset", "code", "environment", "version"]
    edges = [(0, 1, "produced_by"), (0, 2, "used"), (0, 3, "built_from"), (0, 4, "ran_in"), (5, 0, "derived_from")]

    drawing = graph.draw([DrawnNode(kind, kind) for kind in kinds], edges)
    without_run = graph.draw([DrawnNode("version", "v"), DrawnNode("dataset", "d")], [(0, 1, "used")])

    columns = [column_of(drawing, place) for place in range(6)]
    assert columns[2] == columns[3] == columns[4] < columns[1] < columns[0] < columns[5]
    assert column_of(without_run, 1) < column_of(without_run, 0)
    assert graph.draw([], []).boxes == []
