"""The lineage graph on the wire: the graph around a version, and the versions that depend on something."""

from __future__ import annotations

import hashlib
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from registry.api.schemas.lineage import LineageView
from registry.api.schemas.paging import PageQuery, page_of
from registry.domain.lineage import DatasetRole, EdgeKind, NodeKind
from registry.domain.lineage_exports.facts import ExportFormat
from registry.domain.stages import Stage
from registry.http.fields import Choice, Instant, QueryNumber, Strict, Text, View, about, one_of, output
from registry.rules import lineage_limits, names
from registry.services.lineage import graph, impact
from registry.services.lineage.graph import Direction
from registry.services.lineage.impact import Sought, SoughtKind


class GraphNodeView(View):
    """A node of the lineage graph."""

    id = fields.Integer(**output("Its place in `nodes`, counted from 0; the version asked about is 0."))
    kind = fields.String(**output(f"The kind: {one_of(NodeKind)}; later releases may add others."))
    name = fields.String(**output("Its name, for people."))
    model = fields.String(**output("The name of the model, of a version.", null=True))
    version = fields.Integer(**output("The number of the version.", null=True))
    stage = fields.String(**output("The stage of the version now.", null=True))
    state = fields.String(**output("The state of the version now.", null=True))
    digests = fields.List(fields.String(), **output("The digests that it is found by."))
    facts = fields.Dict(
        keys=fields.String(),
        **output("Further recorded facts, by kind: for example `commit` of code, `uri` of a dataset, `url` of a run."),
    )


class GraphEdgeView(View):
    """An edge of the lineage graph."""

    edge = fields.Integer(
        **output(
            "The id of the edge, for `GET /lineage/edges/{edge}`; null where data is a part of what is at its address.",
            null=True,
        )
    )
    source = fields.Integer(**output("The `id` of the node that it starts at."))
    target = fields.Integer(**output("The `id` of the node that it leads to."))
    kind = fields.String(
        **output(f"The relation of the source to the target: {one_of(EdgeKind)}; later releases may add others.")
    )
    role = fields.String(
        **output("The role of a dataset, or how a version was made from a parent or a base model.", null=True)
    )
    asserted_by = fields.String(**output("The name of the account that recorded it last.", null=True))
    asserted_at = Instant(**output("When it was recorded; null where `edge` is.", null=True))
    asserted_later = fields.Boolean(
        **output("Whether it was added or reinstated after the registration, which did not record it.")
    )


class GraphView(View):
    """The inputs of a version, and the versions derived from it."""

    depth = fields.Integer(**output("The number of steps from the version, in both directions."))
    nodes = fields.List(fields.Nested(GraphNodeView), **output(f"At most {graph.MOST_NODES} nodes, the nearest first."))
    edges = fields.List(fields.Nested(GraphEdgeView), **output("The edges between these nodes."))
    more = fields.Integer(
        **output("The number of nodes that were found and left out; what is behind them is not counted.")
    )
    cut = fields.List(
        fields.Integer(),
        **output("The `id` of each node with edges that are left out: ask about that version, or that data."),
    )


class VersionLineageView(View):
    """The lineage of the version."""

    VERSIONED = True

    model = fields.String(**output("The name of the model."))
    number = fields.Integer(**output("The number of the version."))
    lineage = fields.Nested(LineageView, **output("Where it came from."))
    graph = fields.Nested(GraphView, metadata=about("The graph around it, with `depth`."))


class LineageQuery(Strict):
    """How much of the graph to show."""

    depth = QueryNumber(
        validate=validate.Range(1, graph.DEEPEST),
        metadata=about("Add the graph of so many steps from the version. Such a response has no ETag."),
    )
    direction = fields.String(
        validate=Choice([direction.value for direction in Direction]),
        metadata=about("`up`: what the version was made from; `down`: what was made from it. By default, both."),
    )

    @post_load
    def _name_direction(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return data | {"direction": Direction(data.get("direction", Direction.BOTH))}


class LineageExportQuery(Strict):
    """The format of the document."""

    format = fields.String(
        required=True,
        validate=Choice([form.value for form in ExportFormat]),
        metadata=about("The format of the document.", example=ExportFormat.CYCLONEDX_1_7.value),
    )

    @post_load
    def _name_format(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"format": ExportFormat(data["format"])}


class ImpactQuery(PageQuery):
    """What the versions depend on, which is exactly one of five, and the versions to list."""

    digest = Text(
        least=1,
        most=lineage_limits.SOUGHT_DIGESTS * 161,
        metadata=about(
            "A digest of the data, like `sha256:…`; without an algorithm, its length decides. Several of the same "
            f"data, at most {lineage_limits.SOUGHT_DIGESTS}, have spaces between them: a file has an MD5 in DVC, and "
            "a SHA-256 elsewhere.",
            example=f"sha256:{hashlib.sha256(b'payments').hexdigest()}",
        ),
    )
    dataset = Text(
        least=1,
        most=lineage_limits.URI_LENGTH,
        metadata=about("The name of a dataset, exactly, or the address of data, like `s3://bucket/raw.parquet`."),
    )
    version = Text(
        least=3, most=names.MODEL_NAME_LENGTH + 11, metadata=about("A version, as MODEL:NUMBER, like `fraud:3`.")
    )
    code = Text(least=1, most=lineage_limits.ID_LENGTH, metadata=about("A commit, of which seven digits are enough."))
    model = Text(
        least=1,
        most=lineage_limits.URI_LENGTH,
        metadata=about("The URI of a base model; without a revision, of all its revisions."),
    )
    stage = fields.String(
        validate=Choice([stage.value for stage in Stage]), metadata=about("Only versions that are in this stage.")
    )
    as_of = Instant(
        metadata=about(
            "Stages at this instant instead of now; versions registered later are left out. The lineage is what is "
            "known now."
        )
    )
    format = fields.String(
        validate=Choice(["csv"]),
        metadata=about("A file with all versions instead of a page: `cursor` and `limit` are not used."),
    )

    @validates_schema
    def _require_one(self, data: dict[str, Any], **_: Any) -> None:
        if sum(kind.value in data for kind in SoughtKind) != 1:
            raise ValidationError(f"give exactly one of {', '.join(SoughtKind)}", "digest")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        (kind,) = (kind for kind in SoughtKind if kind.value in data)
        sought = Sought(kind, data.pop(kind.value))
        return data | {"sought": sought, "stage": Stage(data["stage"]) if "stage" in data else None}


class UseView(View):
    """How a version used data."""

    dataset = fields.String(**output("The name of the dataset, as it was registered."))
    role = fields.String(**output(f"Its role for the version: {one_of(DatasetRole)}."))


class SpanView(View):
    """A span of time."""

    since = Instant(**output("When it began."))
    until = Instant(**output("When it ended; null if it has not.", null=True))


class PathStepView(View):
    """A node on the way from what was asked about to the version."""

    kind = fields.String(**output(f"The kind: {one_of(NodeKind)}; later releases may add others."))
    name = fields.String(**output("Its name, for people."))
    relation = fields.String(**output("The relation between this node and the one before it.", null=True))
    role = fields.String(**output("The role of that relation.", null=True))


class AffectedView(View):
    """A version that depends on what was asked about."""

    model = fields.String(**output("The name of its model."))
    number = fields.Integer(**output("Its number."))
    stage = fields.String(**output("Its stage, now or at the instant asked about."))
    state = fields.String(**output("Its state now; deleted versions are listed too."))
    uses = fields.List(fields.Nested(UseView), **output("How it used the data itself; empty where it did not."))
    path = fields.List(fields.Nested(PathStepView), **output("The shortest way to the version."))
    production = fields.Nested(SpanView, **output("Its latest time in production; null if it never was.", null=True))
    tenures = fields.List(
        fields.Nested(SpanView), **output(f"Its times in production, newest first; {impact.MOST_TENURES} at most.")
    )
    created_at = Instant(**output("When it was registered."))


AffectedPage = page_of(AffectedView, "AffectedPage")
