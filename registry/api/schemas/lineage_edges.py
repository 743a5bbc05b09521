"""Lineage edges on the wire: those that are added later, and what was stated about one."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load, validate

from registry.api.schemas.lineage import BaseModelBody, DataBody, DatasetBody, ParentBody
from registry.domain.lineage import DataJob, Dataset, Derivation, EdgeKind, NodeKind, StatementVerb
from registry.http.fields import Flag, Instant, Strict, Text, View, about, one_of, output, reason
from registry.rules import lineage_limits
from registry.services.lineage.additions import DataLineage, VersionLineage


def _list(schema: type[Strict], text: str) -> fields.List[Any]:
    return fields.List(
        fields.Nested(schema), validate=validate.Length(max=lineage_limits.DATASETS), metadata=about(text)
    )


class LineageAdditionBody(Strict):
    """What was learned of a version since it was registered: at least one of the four lists."""

    used = _list(DatasetBody, "The data that it was trained or measured on.")
    evaluated_on = _list(DataBody, "The data that it was evaluated on later.")
    parents = _list(ParentBody, "The versions that it derives from.")
    base_models = _list(BaseModelBody, "The models outside of this registry that it derives from.")
    reason = reason()

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        because = data.pop("reason", None)
        return {"additions": VersionLineage(**{name: tuple(items) for name, items in data.items()}), "reason": because}


class JobBody(Strict):
    """The job that made a dataset from others."""

    namespace = Text(
        required=True,
        least=1,
        most=lineage_limits.REPO_LENGTH,
        metadata=about("The namespace of its name: the scheduler or the project, like `airflow-production`."),
    )
    name = Text(
        required=True, least=1, most=lineage_limits.REPO_LENGTH, metadata=about("Its name, like `clean.payments`.")
    )
    url = Text(most=lineage_limits.URI_LENGTH, allow_none=True, metadata=about("A page about it."))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> DataJob:
        return DataJob(**data)


class DataLineageBody(Strict):
    """What a dataset is a part of, what it was made from, and by which job: at least one of the three."""

    dataset = fields.Nested(DataBody, required=True, metadata=about("The dataset."))
    part_of = _list(DataBody, "The datasets that it is a part of, as a split or a partition is.")
    transformed_from = _list(DataBody, "The datasets that it was made from.")
    job = fields.Nested(JobBody, metadata=about("The job that made it."))
    reinstate = Flag(
        load_default=True,
        metadata=about("Whether retracted edges are reinstated; programs that state edges again send `false`."),
    )
    reason = reason()

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        because = data.pop("reason", None)
        dataset: Dataset = data["dataset"]
        lists = {name: tuple(data.get(name, ())) for name in ("part_of", "transformed_from")}
        added = DataLineage(dataset, **lists, job=data.get("job"), reinstate=data["reinstate"])
        return {"data": added, "reason": because}


class EdgeStateBody(Strict):
    """Whether an edge is left out of answers."""

    retracted = Flag(required=True, metadata=about("`true` retracts the edge, `false` reinstates it."))
    reason = reason(required=True)


class EdgeEndView(View):
    """A node at an end of an edge."""

    kind = fields.String(**output(f"The kind: {one_of(NodeKind)}; later releases may add others."))
    name = fields.String(**output("Its name, for people."))
    model = fields.String(**output("The name of the model, of a version.", null=True))
    version = fields.Integer(**output("The number of the version.", null=True))
    digests = fields.List(fields.String(), **output("The digests that it is found by."))


class EdgeStatementView(View):
    """A statement about an edge."""

    statement = fields.String(attribute="verb", **output(f"The statement: {one_of(StatementVerb)}."))
    at = Instant(**output("When it was made."))
    actor = fields.String(**output("The name of the account; null where it was erased.", null=True))
    entry = fields.String(**output("The id of its audit entry.", null=True))


class LineageEdgeView(View):
    """An edge of the lineage with everything that was stated about it."""

    id = fields.Integer(**output("Its id."))
    kind = fields.String(
        **output(f"The relation of the source to the target: {one_of(EdgeKind)}; later releases may add others.")
    )
    role = fields.String(
        **output(
            f"What a dataset was used for, or how a version was made from a model ({one_of(Derivation)}).", null=True
        )
    )
    source = fields.Nested(EdgeEndView, **output("What it starts at."))
    target = fields.Nested(EdgeEndView, **output("What it leads to."))
    retracted = fields.Boolean(attribute="is_retracted", **output("Whether answers leave it out."))
    statements = fields.List(
        fields.Nested(EdgeStatementView), **output("The statements about it; the first one added it.")
    )


class LineageChangeView(View):
    """The edges that the request named, as they are now."""

    changed = fields.Boolean(**output("Whether the request changed something; edges that are in force stay."))
    entry = fields.String(**output("The id of the audit entry of the change; null without one.", null=True))
    edges = fields.List(fields.Nested(LineageEdgeView), **output("The edges."))
