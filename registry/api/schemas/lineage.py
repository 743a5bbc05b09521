"""Lineage on the wire: the same shapes in and out."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from registry.api.schemas.fields import (
    Choice,
    Document,
    Flag,
    Instant,
    Strict,
    Text,
    View,
    WholeNumber,
    labels,
    measurements,
    version_number,
)
from registry.domain import names
from registry.domain.lineage import Code, Dataset, DatasetRole, Environment, Parent, Run
from registry.rules import digests

REPO_LENGTH = 512  # it names a node of the graph: PostgreSQL indexes no text of more than 2,700 bytes
ROLES = Choice([role.value for role in DatasetRole])


def _digest(**kwargs: Any) -> Text:
    return Text(least=1, most=160, rule=digests.problem, **kwargs)


class RunBody(Strict):
    """The execution that produced the version."""

    system = Text(required=True, least=1, most=64, rule=names.tag_key_problem)
    id = Text(required=True, least=1, most=255)
    url = Text(most=2048, allow_none=True)
    params = labels(longest=6000)  # as in MLflow
    metrics = measurements()
    unmeasured = fields.Dict(
        keys=Text(least=1, most=names.TAG_KEY_LENGTH),
        values=fields.String(validate=Choice(["NaN", "Infinity", "-Infinity"])),
        validate=validate.Length(max=1000),
        metadata={"description": "the metrics that are no finite number"},
    )
    tags = labels(longest=8000)  # as in MLflow
    triggered_by = Text(
        least=1, most=255, allow_none=True, metadata={"description": "login or name of the person who started it"}
    )
    started_at = Instant(allow_none=True)
    finished_at = Instant(allow_none=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Run:
        return Run(**data)


class CodeBody(Strict):
    repo = Text(required=True, least=1, most=REPO_LENGTH)
    commit = Text(most=255, allow_none=True)
    branch = Text(least=1, most=255, allow_none=True)
    path = Text(most=1024, allow_none=True)
    dirty = Flag(allow_none=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Code:
        return Code(**data)


class EnvironmentBody(Strict):
    """At least one of its parts."""

    python = Text(most=64, allow_none=True)
    lock_digest = _digest(allow_none=True)
    image_digest = _digest(allow_none=True)

    @validates_schema
    def _say_something(self, data: dict[str, Any], **_: Any) -> None:
        if not any(data.values()):
            raise ValidationError("must say one of python, lock_digest, image_digest")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Environment:
        return Environment(**data)


class DatasetBody(Strict):
    name = Text(required=True, least=1, most=255)
    digests = fields.List(_digest(), required=True, validate=validate.Length(1, 8))
    uri = Text(most=2048, allow_none=True)
    role = fields.String(validate=ROLES)
    rows = WholeNumber(allow_none=True)
    schema = Document(allow_none=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Dataset:
        digests = tuple(data.pop("digests"))
        return Dataset(digests=digests, role=DatasetRole(data.pop("role", DatasetRole.OTHER)), **data)


class ParentBody(Strict):
    """A version that this one derives from."""

    model = Text(required=True, least=1, most=255)
    version = version_number(required=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Parent:
        return Parent(**data)


class RunView(View):
    system = fields.String(required=True)
    id = fields.String(required=True)
    url = fields.String(required=True, allow_none=True)
    params = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    metrics = fields.Dict(keys=fields.String(), values=fields.Float(), required=True)
    unmeasured = fields.Dict(keys=fields.String(), values=fields.String(), required=True, dump_default=dict)
    tags = fields.Dict(keys=fields.String(), values=fields.String(), required=True, dump_default=dict)
    triggered_by = fields.String(required=True, allow_none=True, dump_default=None)
    started_at = fields.String(required=True, allow_none=True)
    finished_at = fields.String(required=True, allow_none=True)


class CodeView(View):
    repo = fields.String(required=True)
    commit = fields.String(required=True, allow_none=True)
    branch = fields.String(required=True, allow_none=True, dump_default=None)
    path = fields.String(required=True, allow_none=True)
    dirty = fields.Boolean(required=True, allow_none=True)


class EnvironmentView(View):
    python = fields.String(required=True, allow_none=True)
    lock_digest = fields.String(required=True, allow_none=True)
    image_digest = fields.String(required=True, allow_none=True)


class DatasetView(View):
    name = fields.String(required=True)
    digests = fields.List(fields.String(), required=True)
    uri = fields.String(required=True, allow_none=True)
    role = fields.String(required=True)
    rows = fields.Integer(required=True, allow_none=True)
    schema = fields.Dict(required=True, allow_none=True)


class ParentView(View):
    model = fields.String(required=True)
    version = fields.Integer(required=True)


class LineageView(View):
    """Everything as it was when the version was registered."""

    run = fields.Nested(RunView, required=True, allow_none=True)
    code = fields.Nested(CodeView, required=True, allow_none=True)
    environment = fields.Nested(EnvironmentView, required=True, allow_none=True)
    datasets = fields.List(fields.Nested(DatasetView), required=True)
    parents = fields.List(fields.Nested(ParentView), required=True)


class VersionLineageView(View):
    model = fields.String(required=True)
    number = fields.Integer(required=True)
    lineage = fields.Nested(LineageView, required=True)
