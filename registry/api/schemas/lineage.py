"""Lineage on the wire: the same shapes in and out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from registry.domain.lineage import (
    BaseModel,
    Code,
    Dataset,
    DatasetRole,
    Derivation,
    Environment,
    Parent,
    Run,
)
from registry.http.fields import (
    Choice,
    Document,
    Flag,
    Instant,
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
from registry.rules import commands, digests, lineage_limits, names

ROLES = Choice([role.value for role in DatasetRole])
DERIVATIONS = Choice([relation.value for relation in Derivation])


class _DigestText(Text):
    """A digest; DVC's MD5 is one like others."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        return digests.without_tool(super()._deserialize(value, attr, data, **kwargs))


def digest_field(**kwargs: Any) -> Text:
    return _DigestText(least=1, most=160, rule=digests.problem, **kwargs)


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
    stated_by = Text(
        least=1,
        most=lineage_limits.PATH_LENGTH,
        metadata=about("The file of the version that names the run, where no system confirms it, like `MLmodel`."),
    )
    started_at = Instant(allow_none=True, metadata=about("When it started."))
    finished_at = Instant(allow_none=True, metadata=about("When it finished."))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Run:
        return Run(**data)


class CodeBody(Strict):
    """The code that the version was built from: at least a repository, a path or a command."""

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
    command = Text(
        least=1,
        most=lineage_limits.COMMAND_LENGTH,
        rule=commands.problem,
        allow_none=True,
        metadata=about(
            "The command that trains the model, one line for a shell. Its directory is `path`, if that is a directory "
            "of the repository, and otherwise the root. A command that holds a credential is refused."
        ),
    )

    @validates_schema
    def _name_code(self, data: dict[str, Any], **_: Any) -> None:
        if not (data.get("repo") or data.get("path") or data.get("command")):
            raise ValidationError("must have repo, path or command")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Code:
        return Code(**data)


class EnvironmentBody(Strict):
    """The environment that the version was trained in: at least one of these."""

    python = Text(most=64, allow_none=True, metadata=about("The version of Python."))
    lock_digest = digest_field(allow_none=True, metadata=about("The digest of the lock file."))
    image_digest = digest_field(allow_none=True, metadata=about("The digest of the container image."))

    @validates_schema
    def _say_something(self, data: dict[str, Any], **_: Any) -> None:
        if not any(data.values()):
            raise ValidationError("must have one of python, lock_digest, image_digest")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Environment:
        return Environment(**data)


class DataBody(Strict):
    """Named data with its digests."""

    name = Text(
        required=True,
        least=1,
        most=lineage_limits.DATASET_NAME_LENGTH,
        metadata=about("The name of the data, for people."),
    )
    digests = fields.List(
        digest_field(),
        required=True,
        validate=validate.Length(1, lineage_limits.DIGESTS),
        metadata=about("Digests of the data, like `sha256:…` or `md5:…`: any of them identifies it."),
    )
    uri = Text(most=lineage_limits.URI_LENGTH, allow_none=True, metadata=about("Where the data is."))
    rows = WholeNumber(allow_none=True, metadata=about("How many rows it has."))
    schema = Document(allow_none=True, metadata=about("A description of its columns, of any form."))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Dataset:
        digests = tuple(data.pop("digests"))
        return Dataset(digests=digests, role=DatasetRole(data.pop("role", DatasetRole.OTHER)), **data)


class DatasetBody(DataBody):
    """Data that the version was trained or measured on."""

    role = fields.String(validate=ROLES, metadata=about("Its role for the version; by default, `other`."))


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
        digest_field(),
        validate=validate.Length(max=lineage_limits.DIGESTS),
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
    command = fields.String(**output("The command that trains the model.", null=True, dump_default=None))


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
