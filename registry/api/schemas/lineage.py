"""Lineage on the wire: the same shapes in and out."""

from __future__ import annotations

import hashlib
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from registry.api.schemas.paging import PageQuery, page_of
from registry.domain.lineage import (
    BaseModel,
    Code,
    Dataset,
    DatasetRole,
    Derivation,
    EdgeKind,
    Environment,
    NodeKind,
    Parent,
    Run,
)
from registry.domain.stages import Stage
from registry.http.fields import (
    Choice,
    Document,
    Flag,
    Instant,
    QueryNumber,
    Strict,
    Text,
    View,
    WholeNumber,
    about,
    labels,
    measurements,
    one_of,
    output,
    version_number,
)
from registry.rules import digests, lineage_limits, names
from registry.services.lineage import graph

ROLES = Choice([role.value for role in DatasetRole])
DERIVATIONS = Choice([relation.value for relation in Derivation])


def _digest_field(**kwargs: Any) -> Text:
    return Text(least=1, most=160, rule=digests.problem, **kwargs)


class RunBody(Strict):
    """The execution that produced the version."""

    system = Text(
        required=True,
        least=1,
        most=64,
        rule=names.tag_key_problem,
        metadata=about("The system that ran it, like `mlflow` or `github`."),
    )
    id = Text(
        required=True, least=1, most=lineage_limits.ID_LENGTH, metadata=about("The id of the run in that system.")
    )
    url = Text(most=lineage_limits.URI_LENGTH, allow_none=True, metadata=about("A page about the run."))
    params = labels(longest=lineage_limits.PARAM_LENGTH, metadata=about("Its parameters by name."))
    metrics = measurements(metadata=about("The metrics that it logged, by name."))
    unmeasured = fields.Dict(
        keys=Text(least=1, most=names.TAG_KEY_LENGTH),
        values=fields.String(validate=Choice(["NaN", "Infinity", "-Infinity"])),
        validate=validate.Length(max=lineage_limits.ENTRIES),
        metadata=about("The metrics that are no finite number, by name."),
    )
    tags = labels(longest=lineage_limits.RUN_TAG_LENGTH, metadata=about("Its tags by key."))
    triggered_by = Text(
        least=1,
        most=lineage_limits.ID_LENGTH,
        allow_none=True,
        metadata=about("The login or the name of the person who started it."),
    )
    started_at = Instant(allow_none=True, metadata=about("When it started."))
    finished_at = Instant(allow_none=True, metadata=about("When it finished."))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Run:
        return Run(**data)


class CodeBody(Strict):
    """The code that the version was built from: at least a repository or a path."""

    repo = Text(
        least=1,
        most=lineage_limits.REPO_LENGTH,
        allow_none=True,
        metadata=about("The address or the name of the repository; null where a script is known by its path only."),
    )
    commit = Text(most=lineage_limits.ID_LENGTH, allow_none=True, metadata=about("The id of the commit."))
    branch = Text(least=1, most=lineage_limits.ID_LENGTH, allow_none=True, metadata=about("The branch."))
    path = Text(
        most=lineage_limits.PATH_LENGTH,
        allow_none=True,
        metadata=about("The path in the repository; without one, of the script as the run named it."),
    )
    dirty = Flag(allow_none=True, metadata=about("Whether the checkout had changes that were not committed."))

    @validates_schema
    def _say_where(self, data: dict[str, Any], **_: Any) -> None:
        if not (data.get("repo") or data.get("path")):
            raise ValidationError("must have repo or path")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Code:
        return Code(**data)


class EnvironmentBody(Strict):
    """The environment that the version was trained in: at least one of these."""

    python = Text(most=64, allow_none=True, metadata=about("The version of Python."))
    lock_digest = _digest_field(allow_none=True, metadata=about("The digest of the lock file."))
    image_digest = _digest_field(allow_none=True, metadata=about("The digest of the container image."))

    @validates_schema
    def _say_something(self, data: dict[str, Any], **_: Any) -> None:
        if not any(data.values()):
            raise ValidationError("must have one of python, lock_digest, image_digest")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Environment:
        return Environment(**data)


class DatasetBody(Strict):
    """Data that the version was trained or measured on."""

    name = Text(
        required=True,
        least=1,
        most=lineage_limits.DATASET_NAME_LENGTH,
        metadata=about("The name of the data, for people."),
    )
    digests = fields.List(
        _digest_field(),
        required=True,
        validate=validate.Length(1, 8),
        metadata=about("Digests of the data, like `sha256:…` or `md5:…`: any of them identifies it."),
    )
    uri = Text(most=lineage_limits.URI_LENGTH, allow_none=True, metadata=about("Where the data is."))
    role = fields.String(validate=ROLES, metadata=about("Its role for the version; by default, `other`."))
    rows = WholeNumber(allow_none=True, metadata=about("How many rows it has."))
    schema = Document(allow_none=True, metadata=about("A description of its columns, of any form."))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Dataset:
        digests = tuple(data.pop("digests"))
        return Dataset(digests=digests, role=DatasetRole(data.pop("role", DatasetRole.OTHER)), **data)


def _relation_field() -> fields.String:
    return fields.String(validate=DERIVATIONS, allow_none=True, metadata=about("How the version was made from it."))


def _with_derivation(data: dict[str, Any]) -> dict[str, Any]:
    relation = data.get("relation")
    return data | {"relation": Derivation(relation) if relation else None}


class ParentBody(Strict):
    """A version that this one derives from."""

    model = Text(required=True, least=1, most=names.MODEL_NAME_LENGTH, metadata=about("The name of its model."))
    version = version_number(required=True, metadata=about("Its number."))
    relation = _relation_field()

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Parent:
        return Parent(**_with_derivation(data))


class BaseModelBody(Strict):
    """A model outside of this registry that the version derives from: its URI, its digests, or both."""

    uri = Text(
        least=1,
        most=lineage_limits.URI_LENGTH,
        allow_none=True,
        metadata=about("Where the model is, with its revision, like `hf://org/name@0a1b2c`."),
    )
    digests = fields.List(
        _digest_field(),
        validate=validate.Length(max=8),
        metadata=about("Digests of the model: any of them identifies it."),
    )
    relation = _relation_field()

    @validates_schema
    def _name_model(self, data: dict[str, Any], **_: Any) -> None:
        if not (data.get("uri") or data.get("digests")):
            raise ValidationError("must have uri or digests")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> BaseModel:
        return BaseModel(**_with_derivation(data) | {"digests": tuple(data.get("digests", ()))})


class RunView(View):
    """The execution that produced the version."""

    system = fields.String(**output("The system that ran it."))
    id = fields.String(**output("The id of the run in that system."))
    url = fields.String(**output("A page about the run.", null=True))
    params = fields.Dict(keys=fields.String(), values=fields.String(), **output("Its parameters by name."))
    metrics = fields.Dict(keys=fields.String(), values=fields.Float(), **output("The metrics that it logged, by name."))
    unmeasured = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        **output("`NaN`, `Infinity` or `-Infinity` for the metrics that are no finite number.", dump_default=dict),
    )
    tags = fields.Dict(keys=fields.String(), values=fields.String(), **output("Its tags by key.", dump_default=dict))
    triggered_by = fields.String(
        **output("The login or the name of the person who started it.", null=True, dump_default=None)
    )
    stated_by = fields.String(
        metadata=about("The file of the version that names the run, where neither the caller nor the system does.")
    )
    started_at = fields.String(**output("When it started.", null=True))
    finished_at = fields.String(**output("When it finished.", null=True))


class CodeView(View):
    """The code that the version was built from."""

    repo = fields.String(
        **output("The address or the name of the repository; null where only a path is known.", null=True)
    )
    commit = fields.String(**output("The id of the commit.", null=True))
    branch = fields.String(**output("The branch.", null=True, dump_default=None))
    path = fields.String(
        **output("The path in the repository; without one, of the script as the run named it.", null=True)
    )
    dirty = fields.Boolean(**output("Whether the checkout had changes that were not committed.", null=True))


class EnvironmentView(View):
    """The environment that the version was trained in."""

    python = fields.String(**output("The version of Python.", null=True))
    lock_digest = fields.String(**output("The digest of the lock file.", null=True))
    image_digest = fields.String(**output("The digest of the container image.", null=True))


class DatasetView(View):
    """Data that the version was trained or measured on."""

    name = fields.String(**output("The name of the data, for people."))
    digests = fields.List(fields.String(), **output("Digests of the data: any of them identifies it."))
    uri = fields.String(**output("Where the data is.", null=True))
    role = fields.String(**output(f"Its role for the version: {one_of(DatasetRole)}."))
    rows = fields.Integer(**output("How many rows it has.", null=True))
    schema = fields.Dict(**output("A description of its columns.", null=True))


_RELATION = f"How the version was made from it: {one_of(Derivation)}; null where this is not recorded."


class ParentView(View):
    """A version that this one derives from."""

    model = fields.String(**output("The name of its model."))
    version = fields.Integer(**output("Its number."))
    relation = fields.String(**output(_RELATION, null=True, dump_default=None))


class BaseModelView(View):
    """A model outside of this registry that the version derives from."""

    uri = fields.String(**output("Where the model is.", null=True))
    digests = fields.List(fields.String(), **output("Digests of the model: any of them identifies it."))
    relation = fields.String(**output(_RELATION, null=True, dump_default=None))


class LineageView(View):
    """Lineage of a version at its registration or, if later, at the end of its run."""

    run = fields.Nested(RunView, **output("The execution that produced it.", null=True))
    code = fields.Nested(CodeView, **output("The code that it was built from.", null=True))
    environment = fields.Nested(EnvironmentView, **output("The environment that it was trained in.", null=True))
    datasets = fields.List(fields.Nested(DatasetView), **output("The data that it was trained or measured on."))
    parents = fields.List(fields.Nested(ParentView), **output("The versions that it derives from."))
    base_models = fields.List(
        fields.Nested(BaseModelView),
        **output("The models outside of this registry that it derives from.", dump_default=list),
    )


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

    source = fields.Integer(**output("The `id` of the node that it starts at."))
    target = fields.Integer(**output("The `id` of the node that it leads to."))
    kind = fields.String(
        **output(f"The relation of the source to the target: {one_of(EdgeKind)}; later releases may add others.")
    )
    role = fields.String(**output("The role of a dataset.", null=True))


class GraphView(View):
    """The inputs of a version, and the versions derived from it."""

    depth = fields.Integer(**output("The number of steps from the version, in both directions."))
    nodes = fields.List(fields.Nested(GraphNodeView), **output(f"At most {graph.MOST_NODES} nodes, the nearest first."))
    edges = fields.List(fields.Nested(GraphEdgeView), **output("The edges between these nodes."))
    more = fields.Integer(**output("The number of nodes that were found and left out; a step finds at most 1,000."))


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


class ImpactQuery(PageQuery):
    """The data, and the versions to list."""

    digest = Text(
        required=True,
        least=1,
        most=160,
        metadata=about(
            "A digest of the data, like `sha256:…`; without an algorithm, its length decides.",
            example=f"sha256:{hashlib.sha256(b'payments').hexdigest()}",
        ),
    )
    stage = fields.String(
        validate=Choice([stage.value for stage in Stage]), metadata=about("Only versions that are in this stage.")
    )
    format = fields.String(
        validate=Choice(["csv"]),
        metadata=about("A file with all versions instead of a page: `cursor` and `limit` are not used."),
    )

    @post_load
    def _name_stage(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return data | {"stage": Stage(data["stage"]) if "stage" in data else None}


class UseView(View):
    """How a version used data."""

    dataset = fields.String(**output("The name of the dataset, as it was registered."))
    role = fields.String(**output(f"Its role for the version: {one_of(DatasetRole)}."))


class SpanView(View):
    """A span of time."""

    since = Instant(**output("When it began."))
    until = Instant(**output("When it ended; null if it has not.", null=True))


class AffectedView(View):
    """A version that used the data."""

    model = fields.String(**output("The name of its model."))
    number = fields.Integer(**output("Its number."))
    stage = fields.String(**output("Its stage now."))
    state = fields.String(**output("Its state now; deleted versions are listed too."))
    uses = fields.List(fields.Nested(UseView), **output("How it used the data."))
    production = fields.Nested(SpanView, **output("Its latest time in production; null if it never was.", null=True))
    created_at = Instant(**output("When it was registered."))


AffectedPage = page_of(
    AffectedView,
    "AffectedPage",
    warnings=fields.List(fields.String(), **output("Notes on the list.", dump_default=list)),
)
