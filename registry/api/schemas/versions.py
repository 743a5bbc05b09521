"""Versions, their files and their metrics on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from marshmallow import fields, post_load, validate

from registry.api.schemas.fields import (
    SHA256,
    Address,
    Choice,
    Document,
    Flag,
    Instant,
    Listed,
    Pattern,
    QueryNumber,
    Strict,
    Text,
    View,
    WholeNumber,
    labels,
    measurements,
    reason,
)
from registry.api.schemas.lineage import (
    CodeBody,
    DatasetBody,
    EnvironmentBody,
    LineageView,
    ParentBody,
    RunBody,
)
from registry.api.schemas.paging import PageQuery, page_of
from registry.domain import names
from registry.domain.evaluations import Evaluation, identified
from registry.domain.lineage import Dataset, Snapshot
from registry.domain.manifest import File
from registry.domain.registrations import Origin, Registration
from registry.domain.stages import Stage, State
from registry.rules import digests, paths
from registry.rules.manifest import MOST_FILES

MEDIA_TYPE = r"^[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}$"
FILES_LIMIT = 1000
EVALUATIONS_MOST = 100
LINK_LENGTH = 2048
IMPORTED_MOST = 10**9  # what another registry can make the last number: as many again are left below int4's end
ORIGIN = ("source", "run_link", "logged_model")


class FileBody(Strict):
    """One line of a manifest. Its bytes were uploaded before."""

    path = Text(required=True, least=1, most=paths.PATH_BYTES, rule=paths.problem)
    size = WholeNumber(required=True)
    sha256 = fields.String(required=True, validate=Pattern(SHA256, error="must be 64 lower-case hex digits"))
    media_type = fields.String(validate=Pattern(MEDIA_TYPE, error="must be like application/json"))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> File:
        return File(**data)


class EvaluationBody(Strict):
    """Values that were measured together. The dataset is identified by its digest.

    Without one, ``dataset_name`` names a dataset of the version's lineage.
    """

    metrics = measurements(least=1, required=True)
    step = WholeNumber(least=-(2**53) + 1, allow_none=True, metadata={"description": "The training step."})
    dataset_digest = Text(least=1, most=160, rule=digests.problem, allow_none=True,
                          metadata={"description": "The data that they were measured on."})  # fmt: skip
    dataset_name = Text(least=1, most=500, allow_none=True, metadata={"description": "What people call that data."})

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Evaluation:
        return Evaluation(**data)


class VersionBody(Strict):
    """A registration. All but description, tags, aliases and stage is frozen by it.

    ``source``, ``run_link`` and ``logged_model`` are what an MLflow client says of where it came from: kept, and never
    opened. ``number`` and ``claimed`` are for versions that come from another registry, and need ``version:import``.
    """

    files = Listed(fields.Nested(FileBody), most=MOST_FILES, required=True)
    description = Text()
    tags = labels()
    params = labels(longest=6000)
    metrics = measurements(metadata={"description": "Those without a dataset; evaluations name theirs."})
    evaluations = fields.List(fields.Nested(EvaluationBody), validate=validate.Length(max=EVALUATIONS_MOST))
    framework = Text(least=1, most=64, allow_none=True)
    signature = Document(allow_none=True)
    run = fields.Nested(RunBody, allow_none=True)
    code = fields.Nested(CodeBody, allow_none=True)
    environment = fields.Nested(EnvironmentBody, allow_none=True)
    datasets = fields.List(fields.Nested(DatasetBody), validate=validate.Length(max=100))
    parents = fields.List(fields.Nested(ParentBody), validate=validate.Length(max=100))
    aliases = fields.List(Text(least=1, most=255, rule=names.alias_problem), validate=validate.Length(max=20))
    source = Text(least=1, most=LINK_LENGTH, allow_none=True)
    run_link = Text(least=1, most=LINK_LENGTH, allow_none=True)
    logged_model = Text(least=1, most=64, allow_none=True)
    anew = Flag(metadata={"description": "A new number even where the same files of the same run have one."})
    update = Flag(
        metadata={
            "description": "Where the same files of the same run have a version, add what may be added to it: metrics, "
            "tags, aliases and the description. Without it, facts that differ are refused (409 facts_differ)."
        }
    )
    number = WholeNumber(least=1, most=IMPORTED_MOST, allow_none=True,
                         metadata={"description": "The one that it had elsewhere."})  # fmt: skip
    claimed = Document(allow_none=True, metadata={"description": "What that registry said of it."})

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Registration:
        parts = {name: data.pop(name, None) for name in ("run", "code", "environment")}
        snapshot = Snapshot(
            **parts, datasets=tuple(data.pop("datasets", ())), parents=tuple(dict.fromkeys(data.pop("parents", ())))
        )
        data["aliases"] = tuple(dict.fromkeys(data.pop("aliases", ())))
        data["evaluations"] = evaluations_of(data.pop("evaluations", ()), snapshot.datasets)
        origin = Origin(**{name: data.pop(name, None) for name in ORIGIN})
        return Registration(lineage=snapshot, origin=origin, **data)


def evaluations_of(sent: Iterable[Evaluation], datasets: Iterable[Dataset]) -> tuple[Evaluation, ...]:
    """The evaluations with their datasets as the registration names them. Raises Invalid for a name that none has."""
    found = [(dataset.name, dataset.digests) for dataset in datasets]
    return tuple(identified(one, found) for one in sent)


class VersionPatchBody(Strict):
    description = Text()
    tags = labels(removable=True, metadata={"description": "Sets each tag; null removes it."})
    reason = reason()


class VersionsQuery(PageQuery):
    stage = fields.String(validate=Choice([stage.value for stage in Stage]))
    state = fields.String(validate=Choice([state.value for state in State]))


class FilesQuery(PageQuery):
    limit = QueryNumber(load_default=50, validate=validate.Range(1, FILES_LIMIT))
    signed = fields.Boolean(truthy={"true"}, falsy={"false"}, load_default=False,
                            metadata={"description": "Give each file a URL to download it from."})  # fmt: skip


class EvaluationView(View):
    """The latest value of a metric on one dataset; on data that was not named where ``dataset_digest`` is null."""

    metric = fields.String(required=True)
    value = fields.Float(required=True)
    dataset_digest = fields.String(required=True, allow_none=True)
    dataset_name = fields.String(required=True, allow_none=True)


class VersionView(View):
    model = fields.String(required=True)
    number = fields.Integer(required=True)
    state = fields.String(required=True, metadata={"description": "pending, ready, failed or deleted"})
    state_reason = fields.String(required=True, allow_none=True)
    stage = fields.String(required=True)
    rolled_back = fields.Boolean(required=True)
    manifest_digest = fields.String(required=True, allow_none=True)
    file_count = fields.Integer(required=True)
    size = fields.Integer(required=True, metadata={"description": "bytes"})
    description = fields.String(required=True)
    tags = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    aliases = fields.List(fields.String(), required=True)
    params = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    metrics = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        required=True,
        metadata={"description": "The latest value of each, whatever the data."},
    )
    evaluations = fields.List(
        fields.Nested(EvaluationView),
        required=True,
        metadata={
            "description": "The metrics that were measured on a named dataset: the latest value on each, the last "
            "recorded one last."
        },
    )
    framework = fields.String(required=True, allow_none=True)
    signature = fields.Dict(required=True, allow_none=True)
    lineage = fields.Nested(LineageView, required=True)
    source = fields.String(required=True, allow_none=True, metadata={"description": "as an MLflow client named it"})
    claimed = fields.Dict(
        required=True, allow_none=True, metadata={"description": "what the registry it came from said"}
    )
    created_at = Instant(required=True)
    created_by = fields.String(required=True)
    updated_at = Instant(required=True)
    deleted_at = Instant(required=True, allow_none=True)
    purged_at = Instant(required=True, allow_none=True, metadata={"description": "when its bytes were given up"})


class PurgeBody(Strict):
    reason = reason(required=True)
    now = Flag(
        metadata={"description": "Purge before the time for which deleted versions are kept; the entry records it."}
    )


class RegisteredView(View):
    """``created`` is false when the same files of the same run were registered before.

    Without a run, the same files with the same lineage are.
    """

    created = fields.Boolean(required=True)
    updated = fields.List(
        fields.String(), required=True, metadata={"description": "the facts that were added to the version"}
    )
    version = fields.Nested(VersionView, required=True)


class FileView(View):
    """``url`` is there when signed addresses were asked for: it serves the bytes for a while, with Range."""

    path = fields.String(required=True)
    size = fields.Integer(required=True)
    sha256 = fields.String(required=True)
    media_type = fields.String(required=True)
    url = Address()


class MetricView(View):
    key = fields.String(required=True)
    value = fields.Float(required=True)
    step = fields.Integer(required=True, allow_none=True)
    dataset_digest = fields.String(required=True, allow_none=True)
    dataset_name = fields.String(required=True, allow_none=True)
    recorded_at = Instant(required=True)
    recorded_by = fields.String(required=True)


VersionPage = page_of(VersionView, "VersionPage")
FoundVersionPage = page_of(
    VersionView,
    "FoundVersionPage",
    warnings=fields.List(
        fields.String(),
        required=True,
        metadata={"description": "On the first page: the keys of the order whose values are on several datasets."},
    ),
)
FilePage = page_of(FileView, "FilePage")
MetricPage = page_of(MetricView, "MetricPage")
