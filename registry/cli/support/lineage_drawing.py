"""Drawings of the lineage graph: a tree for terminals, and the languages of Graphviz and Mermaid.

Edges that were asserted after the registration are dashed, with the account and the date.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry.client.types import GraphEdgeView, GraphNodeView, GraphView

_SHORT = 12  # hex digits of a digest or a commit that are shown
_SHAPES = {"version": "box", "dataset": "cylinder", "model": "box3d", "job": "component"}


def tree(graph: GraphView) -> Iterator[str]:
    """Yield the lines of a tree: first what the version was made from, then what was made from it.

    A node that has several ways to it has its own branches at the first one.
    """
    yield _label(graph["nodes"][0])
    drawn = {0}
    yield from _branches(graph, 0, "", drawn, upwards=True)
    if below := [edge for edge in graph["edges"] if edge["target"] == 0]:
        yield "made from it:"
        for edge in below:
            yield from _branch(graph, edge, "", drawn, upwards=False, is_last=edge is below[-1])
    if graph["cut"]:
        cut = ", ".join(_label(graph["nodes"][place]) for place in graph["cut"])
        left_out = f"at least {graph['more']} more nodes" if graph["more"] else "edges"
        yield f"{left_out} are left out; ask about: {cut}"


def dot(graph: GraphView) -> Iterator[str]:
    """Yield the lines of a document in the language of Graphviz."""
    yield "digraph lineage {"
    yield "  rankdir=LR;"
    for node in graph["nodes"]:
        label, shape = json.dumps(_label(node), ensure_ascii=False), _SHAPES.get(node["kind"], "ellipse")
        yield f"  n{node['id']} [label={label}, shape={shape}];"
    for edge in graph["edges"]:
        label = json.dumps("\n".join([_relation(edge), *_assertion(edge)]), ensure_ascii=False)
        style = ", style=dashed" if edge["asserted_later"] else ""
        yield f"  n{edge['source']} -> n{edge['target']} [label={label}{style}];"
    yield "}"


def mermaid(graph: GraphView) -> Iterator[str]:
    """Yield the lines of a flowchart in the language of Mermaid."""
    yield "flowchart LR"
    for node in graph["nodes"]:
        yield f'  n{node["id"]}["{_entities(_label(node))}"]'
    for edge in graph["edges"]:
        label = "<br>".join(map(_entities, [_relation(edge), *_assertion(edge)]))
        yield f'  n{edge["source"]} {"-.->" if edge["asserted_later"] else "-->"}|"{label}"| n{edge["target"]}'


def _branches(graph: GraphView, place: int, indent: str, drawn: set[int], *, upwards: bool) -> Iterator[str]:
    near, _ = ("source", "target") if upwards else ("target", "source")
    edges = [edge for edge in graph["edges"] if edge[near] == place]  # type: ignore[literal-required]  # one of its keys
    for edge in edges:
        yield from _branch(graph, edge, indent, drawn, upwards=upwards, is_last=edge is edges[-1])


def _branch(
    graph: GraphView, edge: GraphEdgeView, indent: str, drawn: set[int], *, upwards: bool, is_last: bool
) -> Iterator[str]:
    place = edge["target"] if upwards else edge["source"]
    is_new = place not in drawn
    drawn.add(place)
    later = "".join(f" [{text}]" for text in _assertion(edge))
    seen = "" if is_new else " (see above)"
    yield f"{indent}{'└─' if is_last else '├─'} {_relation(edge)}: {_label(graph['nodes'][place])}{later}{seen}"
    if is_new:
        yield from _branches(graph, place, indent + ("   " if is_last else "│  "), drawn, upwards=upwards)


def _label(node: GraphNodeView) -> str:
    stage = f" {node['stage']}" if node["stage"] not in (None, "none") else ""
    state = f" ({node['state']})" if node["state"] not in (None, "ready") else ""
    kind = "" if node["kind"] == "version" else f"{node['kind']} "
    digest = f" {_begin(node['digests'][0])}" if node["digests"] and node["digests"][0] != node["name"] else ""
    commit = node["facts"].get("commit")
    commit = f" at {commit[:_SHORT]}" if commit and commit != node["name"] else ""
    return f"{kind}{node['name']}{digest}{commit}{stage}{state}"


def _begin(digest: str) -> str:
    algorithm, _, rest = digest.partition(":")
    return f"{algorithm}:{rest[:_SHORT]}"


def _relation(edge: GraphEdgeView) -> str:
    return edge["kind"].replace("_", " ") + (f" ({edge['role']})" if edge["role"] else "")


def _assertion(edge: GraphEdgeView) -> Iterator[str]:
    """Yield who asserted an edge and when, if that was after the registration."""
    if edge["asserted_later"] and edge["asserted_at"]:
        yield f"asserted by {edge['asserted_by'] or 'an erased account'}, {edge['asserted_at'][:10]}"


def _entities(text: str) -> str:
    """Return the text with what has a meaning in Mermaid as numbered entities."""
    return "".join(one if one.isalnum() or one in " .:/-_@()" else f"#{ord(one)};" for one in text)
