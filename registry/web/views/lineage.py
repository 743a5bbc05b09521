"""The lineage of a version, as a graph and as a list, and the versions that used a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from flask import Response
from marshmallow import fields, validate
from werkzeug import Response as BaseResponse

from registry.db import times
from registry.db.records import EdgeRecord, VersionRecord
from registry.domain.access import Permission
from registry.domain.errors import Conflict, Invalid, NotFound
from registry.domain.lineage import NodeKind
from registry.domain.lineage_exports.facts import ExportFormat
from registry.domain.stages import Stage
from registry.http import cursors
from registry.http.access import requires
from registry.http.csv_files import csv_file
from registry.rules.lineage_limits import URI_LENGTH
from registry.services.catalog import versions
from registry.services.lineage import graph, impact
from registry.services.lineage.graph import GraphEdge, GraphNode
from registry.services.lineage.impact import Sought, SoughtKind
from registry.web import forms
from registry.web.addresses import api_path, command, has_page, url_for
from registry.web.blueprint import blueprint
from registry.web.drawing import graph as drawing
from registry.web.errors import refusal_of
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.text import lineage_words
from registry.web.views.versions import VersionTab

ROWS = 50
DEEPEST, MOST_NODES = 3, 100  # of a picture that can be read
EXPORTS = {
    ExportFormat.OPENLINEAGE: "OpenLineage",
    ExportFormat.PROV: "PROV-JSON",
    ExportFormat.CYCLONEDX_1_6: "CycloneDX 1.6",
    ExportFormat.CYCLONEDX_1_7: "CycloneDX 1.7",
}
KINDS = {
    SoughtKind.DIGEST: "digest of data or a model",
    SoughtKind.DATASET: "name or address of a dataset",
    SoughtKind.VERSION: "version",
    SoughtKind.CODE: "commit",
    SoughtKind.MODEL: "URI of a base model",
}


class LineageWebQuery(forms.WebQuery):
    """The depth of the graph, and whether retracted edges are listed."""

    depth = fields.Integer(load_default=1, validate=validate.Range(1, DEEPEST))
    retracted = fields.String(load_default="", validate=validate.OneOf(["", "1"]))


class ImpactWebQuery(forms.WebQuery):
    """What the versions depend on, and the versions to list.

    Links name it as the API does; the form sends its kind and its text.
    """

    digest = fields.String(load_default="")
    dataset = fields.String(load_default="")
    version = fields.String(load_default="")
    code = fields.String(load_default="")
    model = fields.String(load_default="")
    by = fields.String(load_default="", validate=validate.OneOf(["", *(kind.value for kind in SoughtKind)]))
    text = fields.String(load_default="", validate=validate.Length(max=URI_LENGTH))
    stage = fields.String(load_default="", validate=validate.OneOf(["", *(stage.value for stage in Stage)]))
    cursor = fields.String(load_default=None)
    format = fields.String(load_default="")


class LineagePage(VersionTab):
    """The lineage of a version."""

    template = "lineage.html"
    tab = "lineage"

    def __init__(self, version: VersionRecord, depth: int, *, shows_retracted: bool) -> None:
        super().__init__(version, Crumb("Lineage"))
        self.depth = depth
        self.depths = range(1, DEEPEST + 1)
        self.shows_retracted = shows_retracted
        self.traced = graph.around(
            version.model, version.number, depth, most=MOST_NODES, with_retracted=shows_retracted
        )
        self.api = api_path("models", version.model, "versions", version.number, "lineage", depth=depth)
        self.command = command("registry", "lineage", "show", self.reference, "--depth", depth)

    @property
    def exports(self) -> Mapping[str, str]:
        """Return the API path of the lineage in each format of another system, by the name of the format."""
        path = ("models", self.version.model, "versions", self.version.number, "lineage", "export")
        return {text: api_path(*path, format=form) for form, text in EXPORTS.items()}

    @property
    def nodes(self) -> Sequence[GraphNode]:
        """Return the nodes of the graph; the first is the version itself."""
        return self.traced.graph.nodes

    @property
    def edges(self) -> Sequence[GraphEdge]:
        return self.traced.graph.edges

    def shown_at(self, depth: int, *, retracted: bool | None = None) -> str:
        """Return the address of the page with other options."""
        is_shown = self.shows_retracted if retracted is None else retracted
        return url_for("lineage", depth=depth, retracted=1 if is_shown else None, **self.place)

    @cached_property
    def picture(self) -> drawing.Drawing:
        """Return the drawing of the graph."""
        nodes = [drawing.DrawnNode(node.kind, node.name) for node in self.nodes]
        return drawing.draw(nodes, [(edge.source, edge.target, edge.kind) for edge in self.edges])

    def arrow_text(self, arrow: drawing.Arrow) -> str:
        """Return the edges that an arrow shows, in words."""
        return "; ".join(map(self._edge_text, (self.edges[place] for place in arrow.edges)))

    def is_later(self, arrow: drawing.Arrow) -> bool:
        """Return whether an arrow shows only edges that were asserted after the registration."""
        return all(self.edges[place].asserted_later for place in arrow.edges)

    @property
    def has_later(self) -> bool:
        """Return whether an edge was asserted after the registration."""
        return any(edge.asserted_later for edge in self.edges)

    @cached_property
    def tree(self) -> Mapping[int, Sequence[tuple[GraphEdge, GraphNode]]]:
        """Return the origins of each version, by the id of its node, without the versions derived from this one."""
        found: dict[int, list[tuple[GraphEdge, GraphNode]]] = {}
        below = {node.id for node in self.derived}
        for edge in self.edges:
            if edge.source in below:
                continue
            found.setdefault(edge.source, []).append((edge, self.nodes[edge.target]))
        return found

    @cached_property
    def derived(self) -> Sequence[GraphNode]:
        """Return the versions that derive from this one, directly or not."""
        below: dict[int, None] = {0: None}
        for node in below_in_order(self.edges, below):
            below[node] = None
        return [self.nodes[node] for node in below if node]

    def edges_from(self, node: GraphNode) -> Sequence[tuple[GraphEdge, GraphNode]]:
        """Return the edges that start at a node, with their targets."""
        return [(edge, self.nodes[edge.target]) for edge in self.edges if edge.source == node.id]

    def named_first(self, edge: GraphEdge) -> bool:
        """Return whether the edge is the first that leads to its target: there the list has the target's address."""
        return next(one for one in self.edges if one.target == edge.target) is edge

    def relation(self, edge: GraphEdge | EdgeRecord) -> str:
        """Return the relation of an edge in words."""
        return lineage_words.relation(edge.kind, edge.role)

    def assertion(self, edge: GraphEdge) -> str:
        """Return who asserted an edge after the registration, and when."""
        return lineage_words.asserted(edge, now=times.now())

    def latest(self, edge: EdgeRecord) -> str:
        """Return the latest statement about an edge in words."""
        return lineage_words.latest(edge, now=times.now())

    def _edge_text(self, edge: GraphEdge) -> str:
        source, target = self.nodes[edge.source].name, self.nodes[edge.target].name
        assertion = self.assertion(edge)
        return f"{source} {self.relation(edge)} {target}{f', {assertion}' if assertion else ''}"

    def address_of(self, node: GraphNode) -> str:
        """Return the address of a node: that of the version, of the uses of the dataset, or of a line of the list."""
        if node.kind == NodeKind.VERSION and has_page("version"):
            return url_for("version", model=node.model, number=node.version)
        if node.kind in {NodeKind.DATASET, NodeKind.MODEL} and node.digests:
            return url_for("impact", digest=node.digests[0])
        if node.kind == NodeKind.MODEL:
            return url_for("impact", model=node.name)
        return f"#node-{node.id}"


class ImpactPage(WebPage):
    """The versions that depend on data, a version, code or a base model."""

    template = "impact.html"
    title = "Impact"

    def __init__(self, query: Mapping[str, Any]) -> None:
        self.kinds, self.stages = KINDS, [stage.value for stage in Stage]
        self.stage = query["stage"]
        self.crumbs = (Crumb("Models", url_for("models")), Crumb("Impact"))
        self.kind = next((kind for kind in SoughtKind if query[kind.value]), SoughtKind(query["by"] or "digest"))
        self.typed = (query[self.kind.value] or query["text"]).strip()
        self.is_found = False
        self.items: Sequence[impact.AffectedVersion] = ()
        self.following: str | None = None
        if self.typed:
            self._read(cursors.position(query["cursor"]))

    @property
    def sought(self) -> Sought:
        """Return what was asked about."""
        return Sought(self.kind, self.typed)

    @property
    def options(self) -> Mapping[str, Any]:
        """Return which of the versions are listed."""
        return {"stage": Stage(self.stage) if self.stage else None}

    def _read(self, after: Sequence[Any] | None) -> None:
        try:
            found = impact.impact(self.sought, **self.options, after=after, limit=ROWS)
        except (Invalid, NotFound, Conflict) as error:
            self.refusal, self.errors = refusal_of(error), error.extras.get("errors", {})
            return
        self.items, self.is_found = found.items, True
        cursor = cursors.of(found.next_after)
        self.following = cursor and self._address(cursor=cursor)
        named = {self.kind.value: self.typed}
        self.api = api_path("lineage", "impact", **named, stage=self.stage or None)
        arguments = [self.typed] if self.kind is SoughtKind.DIGEST else [f"--{self.kind}", self.typed]
        self.command = command("registry", "impact", *arguments, *(("--stage", self.stage) if self.stage else ()))

    @property
    def csv(self) -> str:
        """Return the address of the file with all versions."""
        return self._address(format="csv")

    @property
    def status(self) -> int:
        """Return the status of the response."""
        return self.refusal.status if self.refusal else 200

    def _address(self, **others: Any) -> str:
        return url_for("impact", **{self.kind.value: self.typed}, stage=self.stage or None, **others)


def below_in_order(edges: Sequence[GraphEdge], reached: Mapping[int, Any]) -> Sequence[int]:
    """Return the nodes that derive from those *reached*, the nearest first."""
    found = [*reached]
    for node in found:
        children = [edge.source for edge in edges if edge.kind == "derived_from" and edge.target == node]
        found += [child for child in dict.fromkeys(children) if child not in found]
    return found


@blueprint.get("/models/<model:model>/versions/<number:number>/lineage")
@requires(Permission.MODEL_READ)
def lineage(model: str, number: int) -> Response:
    query = forms.query(LineageWebQuery)
    shown = LineagePage(versions.describe(model, number), query["depth"], shows_retracted=query["retracted"] != "")
    return page(shown)


@blueprint.get("/lineage/impact", endpoint="impact")
@requires(Permission.MODEL_READ)
def impact_page() -> BaseResponse:
    query = forms.query(ImpactWebQuery)
    shown = ImpactPage(query)
    if query["format"] == "csv" and shown.is_found:
        return csv_file("impact", impact.COLUMNS, impact.table(shown.sought, **shown.options))
    return page(shown, status=shown.status)
