"""Versions, their files and their metrics on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load, validate

from registry.api.schemas.break_glass import break_glass
from registry.api.schemas.evaluations import EvaluationBody, EvaluationView
from registry.api.schemas.hold_notices import holds_of
from registry.api.schemas.lineage import (
    BaseModelBody,
    CodeBody,
    DatasetBody,
    EnvironmentBody,
    LineageView,
    ParentBody,
    RunBody,
)
from registry.api.schemas.paging import LIMITED, PageQuery, field_names_in_query, listed, page_of
from registry.domain.evaluations import identified
from registry.domain.lineage import Snapshot
from registry.domain.manifest import File
from registry.domain.registrations import Delivery, Origin, Registration
from registry.domain.stages import Stage
from registry.domain.states import VersionState
from registry.http.fields import (
    SHA256,
    UUID,
    Address,
    Base64,
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
    about,
    labels,
    measurements,
    one_of,
    output,
    reason,
)
from registry.rules import inline_bytes, lineage_limits, names, paths
from registry.rules.manifest import MOST_FILES
from registry.rules.metric_directions import MetricDirection

MEDIA_TYPE = r"^[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}$"
FILES_LIMIT = 1000
LINK_LENGTH = 2048
IMPORTED_MOST = 10**9  # what another registry can make the last number: as many again are left below int4's end
UPLOADS_LIMIT = 500
ORIGIN = ("source", "run_link", "logged_model")
DELIVERY = frozenset({"contents", "uploads", "create_model"})  # no facts of the version


class FileBody(Strict):
    """One line of a manifest. Its bytes were uploaded before."""

    path = Text(
        required=True,
        least=1,
        most=paths.PATH_BYTES,
        rule=paths.problem,
        metadata=about("The path of the file in the version, relative, with `/`."),
    )
    size = WholeNumber(required=True, metadata=about("Its size in bytes."))
    sha256 = fields.String(
        required=True,
        validate=Pattern(SHA256, error="must be 64 lower-case hex digits"),
        metadata=about("The SHA-256 of its bytes, as 64 lower-case hex digits."),
    )
    media_type = fields.String(
        validate=Pattern(MEDIA_TYPE, error="must be like application/json"),
        metadata=about("Its media type; by default, application/octet-stream."),
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> File:
        return File(**data)


def _client_said(what: str) -> dict[str, Any]:
    return about(f"{what} that an MLflow client gave: kept, never opened.")


class VersionBody(Strict):
    """A registration. All but description, tags, aliases, metrics and stage is fixed by it."""

    INCIDENTAL = DELIVERY

    files = Listed(
        fields.Nested(FileBody),
        least=0,
        most=MOST_FILES,
        required=True,
        metadata=about(
            "The files, whose bytes were uploaded before, or come in `contents`. None for a prompt of MLflow: its "
            "`source` is `dummy-source` or `prompt-template`, its text the tag `mlflow.prompt.text`."
        ),
    )
    description = Text(metadata=about("What this version is."))
    tags = labels(metadata=about("Tags by key."))
    params = labels(
        longest=lineage_limits.PARAM_LENGTH, metadata=about("Parameters by name, in addition to those of the run.")
    )
    metrics = measurements(metadata=about("Metrics by name, of data that is not named; `evaluations` name theirs."))
    evaluations = fields.List(
        fields.Nested(EvaluationBody),
        validate=validate.Length(max=lineage_limits.EVALUATIONS),
        metadata=about("Metrics that were measured on a dataset."),
    )
    framework = Text(least=1, most=64, allow_none=True, metadata=about("The framework, like `sklearn`."))
    signature = Document(allow_none=True, metadata=about("The inputs and outputs of the model, of any form."))
    run = fields.Nested(RunBody, allow_none=True, metadata=about("The execution that produced it."))
    code = fields.Nested(CodeBody, allow_none=True, metadata=about("The code that it was built from."))
    environment = fields.Nested(
        EnvironmentBody, allow_none=True, metadata=about("The environment that it was trained in.")
    )
    datasets = fields.List(
        fields.Nested(DatasetBody),
        validate=validate.Length(max=lineage_limits.DATASETS),
        metadata=about("The data that it was trained or measured on."),
    )
    parents = fields.List(
        fields.Nested(ParentBody),
        validate=validate.Length(max=100),
        metadata=about("The versions that it derives from."),
    )
    base_models = fields.List(
        fields.Nested(BaseModelBody),
        validate=validate.Length(max=100),
        metadata=about("The models outside of this registry that it derives from."),
    )
    aliases = fields.List(
        Text(least=1, most=255, rule=names.alias_problem),
        validate=validate.Length(max=20),
        metadata=about("The aliases that point at it once it is ready."),
    )
    source = Text(least=1, most=LINK_LENGTH, allow_none=True, metadata=_client_said("The source"))
    run_link = Text(least=1, most=LINK_LENGTH, allow_none=True, metadata=_client_said("The link to the run"))
    logged_model = Text(least=1, most=64, allow_none=True, metadata=_client_said("The id of the logged model"))
    anew = Flag(metadata=about("A new number even where the same files of the same run have one."))
    update = Flag(
        metadata=about(
            "Where the same files of the same run have a version, add what may be added to it: metrics, tags, aliases "
            "and the description. Without it, facts that differ are refused (409 facts_differ)."
        )
    )
    number = WholeNumber(
        least=1,
        most=IMPORTED_MOST,
        allow_none=True,
        metadata=about("The number that it had in another registry. Needs the permission version:import."),
    )
    claimed = Document(
        allow_none=True,
        metadata=about("Facts from the registry that it comes from. Needs the permission version:import."),
    )

    contents = fields.Dict(
        keys=fields.String(validate=Pattern(SHA256, error="must be 64 lower-case hex digits")),
        values=Base64(),
        validate=validate.Length(max=inline_bytes.MOST_FILES),
        metadata=about(
            f"The bytes of small files, in base64, by their SHA-256: {inline_bytes.MOST_FILES} files and together "
            f"{inline_bytes.MOST_BYTES} bytes at most, or as `REGISTRY_INLINE_BYTES` says. They are verified and "
            "stored first. Needs the permission file:upload."
        ),
    )
    uploads = Listed(
        fields.String(validate=Pattern(UUID, error="must be the id of an upload")),
        least=0,
        most=UPLOADS_LIMIT,
        metadata=about(
            "The ids of uploads whose bytes were sent: they are completed first. Needs the permission file:upload."
        ),
    )
    create_model = Flag(
        metadata=about(
            "Create the model where there is none. Needs the permission model:create then. If the registration is "
            "refused, no model is created."
        )
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Registration:
        data["delivery"] = Delivery(**{name: data.pop(name) for name in DELIVERY & data.keys()})
        parts = {name: data.pop(name, None) for name in ("run", "code", "environment")}
        snapshot = Snapshot(
            **parts,
            datasets=tuple(data.pop("datasets", ())),
            parents=tuple(dict.fromkeys(data.pop("parents", ()))),
            base_models=tuple(dict.fromkeys(data.pop("base_models", ()))),
        )
        data["aliases"] = tuple(dict.fromkeys(data.pop("aliases", ())))
        declared = [(dataset.name, dataset.digests) for dataset in snapshot.datasets]
        data["evaluations"] = tuple(identified(one, declared) for one in data.pop("evaluations", ()))
        origin = Origin(**{name: data.pop(name, None) for name in ORIGIN})
        return Registration(lineage=snapshot, origin=origin, **data)


class VersionPatchBody(Strict):
    """Changes of a version; fields that are left out stay."""

    description = Text(metadata=about("What this version is; replaces the text."))
    tags = labels(removable=True, metadata=about("Sets each tag; null removes it."))
    reason = reason()


class FilesQuery(PageQuery):
    """Filter of files, and the form of the list."""

    limit = QueryNumber(load_default=50, validate=validate.Range(1, FILES_LIMIT), metadata=LIMITED)
    signed = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata=about("`true`: give each file a signed URL. Needs the permission file:download."),
    )


class VersionView(View):
    """The version."""

    VERSIONED = True

    model = fields.String(**output("The name of the model."))
    number = fields.Integer(**output("The number of the version, never used again under this name."))
    state = fields.String(
        **output(
            "`pending`: its bytes are not verified yet; `ready`, `failed` or `deleted`; `unverified`: its files are "
            "elsewhere and were never verified here."
        )
    )
    state_reason = fields.String(**output("Why it is in this state.", null=True))
    stage = fields.String(**output(f"{one_of(Stage)}."))
    rolled_back = fields.Boolean(**output("Whether its last time in production ended by a rollback."))
    break_glass = break_glass()
    manifest_digest = fields.String(
        **output("The digest of the manifest, `sha256:…`; null while the files are not known.", null=True)
    )
    file_count = fields.Integer(**output("How many files it has."))
    size = fields.Integer(**output("Their size in bytes, together."))
    damaged = fields.Boolean(
        **output("Whether stored bytes of a file were found to be missing or corrupt; the list of files names it.")
    )
    description = fields.String(**output("What this version is."))
    tags = fields.Dict(keys=fields.String(), values=fields.String(), **output("Tags by key."))
    aliases = fields.List(fields.String(), **output("The aliases that point at it."))
    holds = holds_of("it")
    params = fields.Dict(keys=fields.String(), values=fields.String(), **output("Parameters by name."))
    metrics = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        **output("The latest value of each metric, on any data as a whole."),
    )
    evaluations = fields.List(
        fields.Nested(EvaluationView),
        **output(
            "The metrics that were measured on a named dataset: the latest value on each and on each slice of it, the "
            "last recorded one last."
        ),
    )
    framework = fields.String(**output("The framework.", null=True))
    signature = fields.Dict(**output("The inputs and outputs of the model.", null=True))
    lineage = fields.Nested(LineageView, **output("Where it came from."))
    run_state = fields.String(
        **output(
            "`unfinished`: the run was not known to have ended when the lineage was recorded, and what it logs later "
            "is added when it has; `finished`: that was added; `abandoned`: its end was not seen, the history says "
            "why. Null: no tracking server is asked about the run again.",
            null=True,
        )
    )
    source = fields.String(**output("The source that an MLflow client, or an import, named.", null=True))
    claimed = fields.Dict(**output("Facts from the registry that it comes from.", null=True))
    created_at = Instant(**output("When it was registered."))
    created_by = fields.String(**output("The name of the account that registered it."))
    updated_at = Instant(**output("When it last changed."))
    deleted_at = Instant(**output("When it was deleted.", null=True))
    purged_at = Instant(**output("When its bytes were given up.", null=True))


class PurgeBody(Strict):
    """Reason to purge the bytes of a version."""

    reason = reason(required=True)
    now = Flag(metadata=about("Before the time for which deleted versions are kept; the audit entry records it."))


class RegisteredView(View):
    """The registered version.

    Without a run, a registration means the version with the same files and the same lineage.
    """

    VERSIONED = True

    created = fields.Boolean(**output("False where the same files of the same run were registered before."))
    updated = fields.List(fields.String(), **output("The facts that were added to an existing version."))
    version = fields.Nested(VersionView, **output("The version."))


class FileView(View):
    """A file of a version."""

    path = fields.String(**output("The path of the file in the version."))
    size = fields.Integer(**output("Its size in bytes."))
    sha256 = fields.String(**output("The SHA-256 of its bytes, in hex."))
    media_type = fields.String(**output("Its media type."))
    damage = fields.String(
        **output("What is wrong with its stored bytes: `missing` or `corrupt`. Null: nothing that is known.", null=True)
    )
    format = fields.String(
        **output("Its format by its content, such as `safetensors`. Null: not recognised yet.", null=True)
    )
    executes_code = fields.String(
        **output("Whether loading it can execute code: `yes`, `no` or `unknown`. Null: not recognised yet.", null=True)
    )
    url = Address(metadata=about("With `signed=true`: a URL that serves the bytes for a while, with Range."))


class VersionsQuery(PageQuery):
    """Filter of versions, and the fields to show."""

    stage = fields.String(
        validate=Choice([stage.value for stage in Stage]), metadata=about("Only versions in this stage.")
    )
    state = fields.String(
        validate=Choice([state.value for state in VersionState]), metadata=about("Only versions in this state.")
    )
    field_names = field_names_in_query(VersionView)


class BestView(View):
    """What the best versions were asked by."""

    metric = fields.String(**output("The name of the metric."))
    direction = fields.String(
        validate=Choice([*MetricDirection]), **output("`max`: the highest value is the best; `min`: the lowest is.")
    )
    digests = fields.List(fields.String(), **output("The digests of the dataset under which versions have the metric."))
    slice = fields.String(**output("The slice of the dataset; empty: the whole."))


_ListedVersion = listed(VersionView, "ListedVersionView")
VersionPage = page_of(_ListedVersion, "VersionPage")
FoundVersionPage = page_of(
    _ListedVersion,
    "FoundVersionPage",
    warnings=fields.List(
        fields.String(), **output("On the first page: the keys of the order whose values are on several datasets.")
    ),
    best=fields.Nested(BestView, **output("With `best`: what the versions are ordered by; else null.", null=True)),
)
FilePage = page_of(FileView, "FilePage")
