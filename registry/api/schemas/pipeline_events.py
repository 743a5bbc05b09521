"""Events of OpenLineage on the wire. Clients add facets: what is not named here may have any value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from marshmallow import EXCLUDE, ValidationError, fields, post_load, validates_schema

from registry.domain.lineage import DataJob
from registry.domain.pipeline_events import (
    MOST_ALIASES,
    MOST_DATASETS,
    EventKind,
    PipelineEvent,
    PlacedData,
    RunTransition,
)
from registry.domain.states import EventEffect
from registry.http.fields import UUID, Choice, Instant, Listed, Pattern, Strict, Text, View, about, one_of, output
from registry.rules import lineage_limits, places


class _EventPart(Strict):
    """A part of an event: other members are not used."""

    class Meta:
        unknown = EXCLUDE


def _name(text: str) -> Text:
    return Text(required=True, least=1, most=lineage_limits.URI_LENGTH, metadata=about(text))


class VersionFacet(_EventPart):
    """The version of the data."""

    version = Text(
        data_key="datasetVersion",
        least=1,
        most=lineage_limits.ID_LENGTH,
        metadata=about("The version: the id of a snapshot, the number of a version of a table, a commit."),
    )


class StorageFacet(_EventPart):
    """How the data is stored."""

    layer = Text(data_key="storageLayer", metadata=about("The kind of the table, like `iceberg` or `delta`."))


class SymlinkIdentifier(_EventPart):
    """Another name of the data."""

    namespace = _name("The namespace.")
    name = _name("The name in the namespace.")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> str:
        return places.address(data["namespace"], data["name"])


class SymlinksFacet(_EventPart):
    """Other names of the data."""

    identifiers = Listed(
        fields.Nested(SymlinkIdentifier), least=0, most=MOST_ALIASES, metadata=about("The other names of the data.")
    )


class DataFacets(_EventPart):
    """Facets of data, of which three are used."""

    version = fields.Nested(VersionFacet, metadata=about("The version of the data."))
    storage = fields.Nested(StorageFacet, metadata=about("How the data is stored."))
    symlinks = fields.Nested(SymlinksFacet, metadata=about("Other names of the data."))


class EventData(_EventPart):
    """Data by its namespace and its name, as OpenLineage names it."""

    namespace = _name("The namespace, like `s3://bucket`.")
    name = _name("The name in the namespace, like `raw/payments.parquet`.")
    facets = fields.Nested(DataFacets, metadata=about("Further facts about it; any other facet is allowed."))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> PlacedData:
        facets = data.get("facets", {})
        return PlacedData(
            places.address(data["namespace"], data["name"]),
            facets.get("version", {}).get("version"),
            facets.get("storage", {}).get("layer"),
            tuple(facets.get("symlinks", {}).get("identifiers", ())),
        )


class EventRun(_EventPart):
    """The run."""

    id = Text(
        data_key="runId",
        required=True,
        least=36,
        most=36,
        validate=[Pattern(f"(?i){UUID}", error="must be a UUID")],
        metadata=about("Its id, a UUID."),
    )
    facets = fields.Dict(keys=fields.String(), metadata=about("Facts about it; not used."))


class EventJob(_EventPart):
    """The job."""

    namespace = _name("The namespace: the scheduler or the project.")
    name = _name("The name in the namespace, like `clean.payments`.")
    facets = fields.Dict(keys=fields.String(), metadata=about("Facts about it; not used."))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> DataJob:
        return DataJob(data["namespace"], data["name"])


def _data(text: str) -> Listed:
    return Listed(fields.Nested(EventData), least=0, most=MOST_DATASETS, allow_none=True, metadata=about(text))


class PipelineEventDocument(_EventPart):
    """An event of OpenLineage: a RunEvent has `run` and `job`, a JobEvent `job` alone, a DatasetEvent `dataset`."""

    state = fields.String(
        data_key="eventType",
        validate=Choice([state.value for state in RunTransition]),
        allow_none=True,
        metadata=about("What happened to the run."),
    )
    at = Instant(data_key="eventTime", required=True, metadata=about("When it happened."))
    producer = _name("The address of the program that sends it.")
    schema_url = Text(
        data_key="schemaURL",
        required=True,
        least=1,
        most=lineage_limits.URI_LENGTH,
        metadata=about("The address of the schema of the event."),
    )
    run = fields.Nested(EventRun, metadata=about("The run."))
    job = fields.Nested(EventJob, metadata=about("The job."))
    dataset = fields.Nested(EventData, metadata=about("The data of a DatasetEvent."))
    inputs = _data("The data that was read.")
    outputs = _data("The data that was written.")

    @validates_schema
    def _require_subject(self, data: dict[str, Any], **_: Any) -> None:
        if "run" in data and "job" not in data:
            raise ValidationError("is missing: an event of a run names its job", "job")
        if data.get("state") and "run" not in data:
            raise ValidationError("is missing: an event with eventType is of a run", "run")
        if not {"job", "dataset"} & data.keys():
            raise ValidationError("is missing: give run and job, job alone, or dataset", "job")

    @post_load(pass_original=True)
    def _make(self, data: dict[str, Any], original: Any, **_: Any) -> dict[str, Any]:
        kind = EventKind.RUN if "run" in data else EventKind.JOB if "job" in data else EventKind.DATASET
        event = PipelineEvent(
            kind,
            json.dumps(original, sort_keys=True, separators=(",", ":")),
            RunTransition(data.get("state") or RunTransition.OTHER),
            data["run"]["id"].lower() if "run" in data else None,
            data.get("job"),
            *_both(data),
        )
        return {"event": event}


def _both(data: dict[str, Any]) -> Sequence[tuple[PlacedData, ...]]:
    return [tuple(data.get(name) or ()) for name in ("inputs", "outputs")]


class PipelineEventView(View):
    """What became of the event."""

    outcome = fields.String(
        attribute="effect",
        **output(
            f"{one_of(EventEffect)}: edges were added, all of its edges were there, or it states none; the same for an "
            "event that is sent again."
        ),
    )
    entry = fields.String(**output("The id of the audit entry; null without one.", null=True))
    edges = fields.Integer(**output("The number of edges that the event states."))
    added = fields.Integer(**output("The number of those that are new."))
    notes = fields.List(fields.String(), **output("What the event does not state, and why."))
