"""Layout of a lineage graph in columns, from left to right: data, code and environment, run, version, derived versions.

Values in, coordinates out. The same graph has the same picture in every process. The layout is Sugiyama's, without
dummy nodes: cycles are cut, nodes are put in columns by the longest path, and ordered by the mean of their neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from registry.domain.lineage import EdgeKind, NodeKind

BOX_WIDTH, BOX_HEIGHT = 180, 38
GAP_X, GAP_Y = 56, 14
MARGIN = 28
MOST_LETTERS = 24
MOST_NODES = 100
_SWEEPS = 6
_DIGEST = len("sha256:") + 12
_OF_RUN = (EdgeKind.USED.value, EdgeKind.BUILT_FROM.value, EdgeKind.RAN_IN.value)

Edges = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A node to draw: its kind and name."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Box:
    """The box of a node by its place in the graph; ``label`` fits in it."""

    place: int
    kind: str
    label: str
    x: int
    y: int
    width: int = BOX_WIDTH
    height: int = BOX_HEIGHT


@dataclass(frozen=True, slots=True)
class Arrow:
    """A curve from the right side of one box to the left side of another: two ends with their control points.

    ``edges`` has the places of the edges that it shows, in the order in which they were given.
    """

    source: int
    target: int
    points: tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]
    edges: Sequence[int]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing of ``width`` by ``height`` units, which contains all nodes and edges."""

    width: int
    height: int
    boxes: Sequence[Box]
    arrows: Sequence[Arrow]


def draw(nodes: Sequence[DrawnNode], edges: Iterable[tuple[int, int, str]]) -> Drawing:
    """Return the drawing of at most the first 100 nodes; *edges* are recorded as (source, target, kind)."""
    shown = nodes[:MOST_NODES]
    passing = _flow(shown, edges)
    flow = [*passing]
    columns = _untangled(_ranked(len(shown), _without_cycles(len(shown), flow)), flow)
    tallest = max(map(len, columns), default=0)
    height = 2 * MARGIN + tallest * (BOX_HEIGHT + GAP_Y) - GAP_Y if tallest else 2 * MARGIN
    boxes: dict[int, Box] = {}
    for number, column in enumerate(columns):
        x = MARGIN + number * (BOX_WIDTH + GAP_X)
        top = (height - len(column) * (BOX_HEIGHT + GAP_Y) + GAP_Y) // 2
        for row, place in enumerate(column):
            node = shown[place]
            boxes[place] = Box(place, node.kind, _label(node.name), x, top + row * (BOX_HEIGHT + GAP_Y))
    width = 2 * MARGIN + max(len(columns) * (BOX_WIDTH + GAP_X) - GAP_X, 0)
    arrows = [_arrow(boxes[source], boxes[target], shows) for (source, target), shows in passing.items()]
    return Drawing(width, height, [boxes[place] for place in sorted(boxes)], arrows)


def _flow(nodes: Sequence[DrawnNode], edges: Iterable[tuple[int, int, str]]) -> Mapping[tuple[int, int], Sequence[int]]:
    """Return the arrows from inputs to outputs, each with the places of its edges.

    Inputs of a version pass through its run. Edges of nodes that are not drawn are left out.
    """
    drawn = [
        (place, source, target, kind)
        for place, (source, target, kind) in enumerate(edges)
        if min(source, target) >= 0 and max(source, target) < len(nodes) and source != target
    ]
    runs = {
        source: target
        for _, source, target, kind in drawn
        if kind == EdgeKind.PRODUCED_BY.value and nodes[target].kind == NodeKind.RUN.value
    }
    flow: dict[tuple[int, int], list[int]] = {}
    for place, source, target, kind in drawn:
        end = runs.get(source, source) if kind in _OF_RUN else source
        if target != end:
            flow.setdefault((target, end), []).append(place)
    return flow


def _without_cycles(count: int, edges: Edges) -> Edges:
    """Return the edges without those that close a cycle."""
    following = _neighbours(edges)
    kept: list[tuple[int, int]] = []
    state = [0] * count  # 1: on the way, 2: done
    for start in range(count):
        if state[start]:
            continue
        state[start] = 1
        way = [(start, iter(following.get(start, ())))]
        while way:
            node, rest = way[-1]
            after = next(rest, None)
            if after is None:
                state[node] = 2
                way.pop()
            elif state[after] != 1:
                kept.append((node, after))
                if not state[after]:
                    state[after] = 1
                    way.append((after, iter(following.get(after, ()))))
    return kept


def _ranked(count: int, edges: Edges) -> list[list[int]]:
    """Return the nodes in columns: each to the right of its predecessors, inputs next to their successors."""
    before, following = _neighbours((target, source) for source, target in edges), _neighbours(edges)
    waiting = [len(before.get(node, ())) for node in range(count)]
    column = [0] * count
    ready = [node for node in range(count) if not waiting[node]]
    for node in ready:
        for after in following.get(node, ()):
            column[after] = max(column[after], column[node] + 1)
            waiting[after] -= 1
            if not waiting[after]:
                ready.append(after)
    for node in range(count):
        if node not in before and node in following:
            column[node] = min(column[after] for after in following[node]) - 1
    columns: list[list[int]] = [[] for _ in range(max(column, default=-1) + 1)]
    for node in range(count):
        columns[column[node]].append(node)
    return columns


def _untangled(columns: list[list[int]], edges: Edges) -> list[list[int]]:
    """Return the columns, each in the order of the mean places of the neighbours in the others."""
    before, following = _neighbours((target, source) for source, target in edges), _neighbours(edges)
    place = {node: row for column in columns for row, node in enumerate(column)}
    for sweep in range(_SWEEPS):
        neighbours = following if sweep % 2 else before
        for column in reversed(columns) if sweep % 2 else columns:
            column.sort(key=lambda node: (_mean(place, neighbours.get(node, ()), place[node]), node))
            place.update({node: row for row, node in enumerate(column)})
    return columns


def _mean(place: Mapping[int, int], nodes: Sequence[int], otherwise: int) -> float:
    return sum(place[node] for node in nodes) / len(nodes) if nodes else otherwise


def _neighbours(edges: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for source, target in edges:
        found.setdefault(source, []).append(target)
    return found


def _arrow(source: Box, target: Box, edges: Sequence[int]) -> Arrow:
    start = (source.x + source.width, source.y + source.height // 2)
    end = (target.x, target.y + target.height // 2)
    bend = GAP_X // 2  # not wider than the margin: an arrow back, in a cycle, stays inside
    points = (start, (start[0] + bend, start[1]), (end[0] - bend, end[1]), end)
    return Arrow(source.place, target.place, points, edges)


def _label(name: str) -> str:
    """Return a name for a box: of one that is too long, the beginning and the end. The box cuts wide letters off."""
    if name.startswith("sha256:"):
        return name[:_DIGEST]
    name = name.removeprefix("https://")
    if len(name) <= MOST_LETTERS:
        return name
    return f"{name[: MOST_LETTERS - 8]}…{name[-7:]}"
