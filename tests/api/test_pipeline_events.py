"""Events of OpenLineage: data that is known by its place joins the graph, and leads to versions that used it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from flask import Flask
from openlineage.client import OpenLineageClient, event_v2
from openlineage.client.generated import (
    column_lineage_dataset,
    dataset_version_dataset,
    nominal_time_run,
    output_statistics_output_dataset,
    schema_dataset,
    storage_dataset,
)

from tests.api.test_metrics import counted
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.web_server import serving

EVENTS = "/lineage/events"
RAW, CLEAN, OTHER = (f"sha256:{digit * 64}" for digit in "abc")
BUCKET = "s3://lake"
SILENT = "states no lineage; RUNNING and COMPLETE do"
SYMLINKS = {"identifiers": [{"namespace": "s3://other", "name": f"n{number}"} for number in range(20)]}
NAMES_OF_1001 = [f"{number}" for number in range(1001)]


def event(inputs: Sequence[Any] = ("raw.parquet",), outputs: Sequence[Any] = ("clean.parquet",), **changes: Any) -> Any:
    """An event of the end of a run."""
    return {
        "eventType": "COMPLETE",
        "eventTime": "2026-11-21T12:40:00.120000Z",
        "producer": "https://example.org/airflow",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/definitions/RunEvent",
        "run": {"runId": "0193f0c2-4c5e-7a3b-9d1e-2f6a8b7c5d40"},
        "job": {"namespace": "airflow", "name": "clean"},
        "inputs": [one if isinstance(one, dict) else placed(one) for one in inputs],
        "outputs": [one if isinstance(one, dict) else placed(one) for one in outputs],
        **changes,
    }


def placed(name: str, namespace: str = BUCKET, **facets: Any) -> dict[str, Any]:
    return {"namespace": namespace, "name": name, "facets": facets}


def at_version(name: str, version: str, layer: str = "delta") -> dict[str, Any]:
    return placed(name, version={"datasetVersion": version}, storage={"storageLayer": layer})


def send(api: Api, *args: Any, **changes: Any) -> dict[str, Any]:
    return expect(200, api.post(EVENTS, event(*args, **changes)))


def snapshot(name: str, digest: str, uri: str | None = None) -> dict[str, Any]:
    return {"name": name, "digests": [digest], "uri": uri or f"{BUCKET}/{name}"}


def impact(api: Api, **query: Any) -> list[str]:
    items = expect(200, api.get("/lineage/impact", query_string=query))["items"]
    return [f"{item['model']}:{item['number']}" for item in items]


@pytest.mark.parametrize("order", ["event first", "event last"])
def test_an_event_leads_from_the_raw_data_to_the_versions(api: Api, registry: RegistryBuilder, order: str) -> None:
    if order == "event first":
        send(api)
    registry.model("fraud").version(
        datasets=[snapshot("clean.parquet", CLEAN, "s3a://lake/clean.parquet/?versionId=7")]
    )
    registry.model("elsewhere").version(datasets=[snapshot("raw.parquet", RAW)])
    registry.model("apart").version(datasets=[snapshot("raw.parquet", OTHER)])
    if order == "event last":
        send(api)

    assert impact(api, dataset="s3://lake/raw.parquet") == ["apart:1", "elsewhere:1", "fraud:1"]
    assert impact(api, dataset="s3a://lake/raw.parquet/") == ["apart:1", "elsewhere:1", "fraud:1"]
    assert impact(api, digest=RAW) == ["elsewhere:1", "fraud:1"]  # and not what has other content of the same place
    assert impact(api, digest=CLEAN) == ["fraud:1"]
    graph = expect(200, api.get("/models/fraud/versions/1/lineage", query_string={"depth": 5}))["graph"]
    names = [node["name"] for node in graph["nodes"]]
    found = {(names[one["source"]], one["kind"], names[one["target"]], one["edge"] is None) for one in graph["edges"]}
    assert found >= {
        ("fraud:1", "used", "clean.parquet", False),
        ("clean.parquet", "part_of", "s3://lake/clean.parquet", True),
        ("s3://lake/clean.parquet", "transformed_from", "s3://lake/raw.parquet", False),
        ("s3://lake/clean.parquet", "produced_by", "airflow/clean", False),
    }


def test_an_event_that_is_sent_again_changes_nothing_and_has_the_same_answer(
    api: Api, registry: RegistryBuilder
) -> None:
    first = send(api)
    entries = registry.audit_entry_count()

    again, other_run = send(api), send(api, eventTime="2026-11-22T12:40:00Z")

    assert (first["outcome"], first["edges"], first["added"], again) == ("recorded", 2, 2, first)
    assert (other_run["outcome"], other_run["entry"], other_run["added"]) == ("known", None, 0)
    assert registry.audit_entry_count() == entries


def test_a_retracted_edge_stays_retracted(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(datasets=[snapshot("clean.parquet", CLEAN)])
    send(api)
    graph = expect(200, api.get("/models/fraud/versions/1/lineage", query_string={"depth": 5}))["graph"]
    (edge,) = (one["edge"] for one in graph["edges"] if one["kind"] == "transformed_from")
    because = {"reason": "named by mistake"}
    expect(200, api.put(f"/lineage/edges/{edge}", {"retracted": True, **because}))

    again = send(api, eventTime="2026-11-22T12:40:00Z")

    assert (again["outcome"], again["notes"]) == ("known", [f"edge {edge} was retracted and stays so"])
    assert impact(api, dataset="s3://lake/raw.parquet") == []
    expect(200, api.put(f"/lineage/edges/{edge}", {"retracted": False, **because}))
    assert impact(api, dataset="s3://lake/raw.parquet") == ["fraud:1"]


def test_pipelines_may_go_in_circles(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(datasets=[snapshot("clean.parquet", CLEAN)])

    own = send(api, ["raw.parquet", "clean.parquet"])
    back = send(api, ["clean.parquet"], ["raw.parquet"])

    assert own["notes"] == ["s3://lake/clean.parquet is an input and an output: it does not depend on itself"]
    assert (own["added"], back["added"]) == (2, 2)
    assert impact(api, dataset="s3://lake/raw.parquet") == impact(api, dataset="s3://lake/clean.parquet") == ["fraud:1"]
    expect(200, api.get("/models/fraud/versions/1/lineage", query_string={"depth": 50}))


def test_versions_of_tables_are_found_by_their_ids(api: Api, registry: RegistryBuilder) -> None:
    iceberg = "iceberg:5781947118336215154"
    registry.model("fraud").version(datasets=[snapshot("scores", iceberg)])

    send(api, [at_version("raw", "12")], [at_version("scores", "5781947118336215154", "iceberg")])

    by_version = impact(api, dataset="s3://lake/raw@12")
    assert by_version == impact(api, digest=iceberg) == impact(api, dataset="s3://lake/raw") == ["fraud:1"]


def test_other_names_of_data_lead_to_it(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(datasets=[snapshot("clean.parquet", CLEAN)])
    table = {"namespace": "hive://metastore:9083", "name": "lake.raw", "type": "TABLE"}

    send(api, [placed("raw.parquet", symlinks={"identifiers": [table]})])

    assert impact(api, dataset="hive://metastore:9083/lake.raw") == ["fraud:1"]


def test_the_data_of_the_events_of_a_run_adds_up(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(datasets=[snapshot("clean.parquet", CLEAN)])
    other = {"run": {"runId": str(uuid.UUID(int=7))}}
    entries = registry.audit_entry_count()

    first = send(api, [at_version("raw.parquet", "3")], [], eventType="START")
    again, late = (
        send(api, one, [], eventType="START") for one in ([at_version("raw.parquet", "3")], ["late.parquet"])
    )
    more = [send(api, ["more.parquet"], [], eventType=state) for state in ("OTHER", "RUNNING")]
    kept_entries = registry.audit_entry_count()
    apart, failed = send(api, [], **other), send(api, ["never.parquet"], [], eventType="FAIL")
    running = send(api, ["last.parquet"], eventType="RUNNING")
    end = send(api, [], [])

    assert (first, first["outcome"]) == (again, "ignored")
    assert "within seven days" in first["notes"][1] == late["notes"][1] == more[0]["notes"][1]
    assert more[1]["notes"] == ["no edge: the event names no outputs"]
    assert (apart["edges"], failed["outcome"], kept_entries) == (1, "ignored", entries)
    assert (running["outcome"], running["edges"], running["added"]) == ("recorded", 6, 5)
    assert (end["outcome"], end["edges"], end["added"]) == ("known", 6, 0)
    for name in ("raw.parquet@3", "raw.parquet", "late.parquet", "more.parquet", "last.parquet"):
        assert impact(api, dataset=f"s3://lake/{name}") == ["fraud:1"]
    expect(404, api.get("/lineage/impact", query_string={"dataset": "s3://lake/never.parquet"}))


def test_the_data_that_is_kept_of_a_run_is_bounded(api: Api) -> None:
    large, pairs, many = ({"run": {"runId": str(uuid.UUID(int=number))}} for number in (7, 8, 9))

    too_long = send(api, [], [placed("x" * 500 + str(n)) for n in range(150)], eventType="START", **large)
    send(api, NAMES_OF_1001[:100], eventType="RUNNING", **pairs)
    own = send(api, ["one"], NAMES_OF_1001[:11], **pairs)
    notes = [send(api, [f"{n}.parquet"], [], eventType="OTHER", **many)["notes"][1] for n in range(65)]
    first = send(api, ["0.parquet"], [], eventType="OTHER", **many)["notes"][1]
    end = send(api, [], **many)

    assert "up to 65,536 bytes" in too_long["notes"][1]
    assert ("too many edges" in own["notes"][0], own["edges"]) == (True, 22)
    assert (["within seven days" in note for note in notes], "within" in first) == ([True] * 64 + [False], True)
    assert end["edges"] == 65


def test_a_key_of_a_run_that_another_request_used_is_left_alone(api: Api) -> None:
    run = {"runId": str(uuid.uuid4())}
    key = {"Idempotency-Key": f"openlineage-start-{run['runId']}"}
    expect(201, api.post("/models", {"name": "fraud"}, headers=key))

    begun = send(api, eventType="START", run=run)
    ended = send(api, [], [], run=run)

    assert (begun["outcome"], ended["edges"]) == ("ignored", 2)
    assert expect(201, api.post("/models", {"name": "fraud"}, headers=key))["name"] == "fraud"


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"eventType": "FAIL"}, "no edge: FAIL states no lineage; RUNNING and COMPLETE do"),
        (
            {"eventType": "START", "inputs": [], "outputs": []},
            "no edge: START states no lineage; RUNNING and COMPLETE do",
        ),
        ({"outputs": []}, "no edge: the event names no outputs"),
    ],
)
def test_what_states_no_lineage_is_taken_and_says_why(
    api: Api, registry: RegistryBuilder, change: dict[str, Any], note: str
) -> None:
    entries = registry.audit_entry_count()

    answer = send(api, **change)

    assert answer == {"outcome": "ignored", "entry": None, "edges": 0, "added": 0, "notes": [note]}
    assert registry.audit_entry_count() == entries


def test_the_client_of_openlineage_sends_its_events_as_it_is(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(datasets=[snapshot("clean.parquet", CLEAN)])
    when, run, job = "2026-11-21T12:40:00.120000Z", event_v2.Run(runId=str(uuid.uuid4())), event_v2.Job("dbt", "clean")
    run.facets["nominalTime"] = nominal_time_run.NominalTimeRunFacet(when)
    origin = column_lineage_dataset.InputField(BUCKET, "raw.parquet", "amount")
    raw = event_v2.InputDataset(BUCKET, "raw.parquet", facets={
        "schema": schema_dataset.SchemaDatasetFacet(fields=[schema_dataset.SchemaDatasetFacetFields("amount")]),
        "version": dataset_version_dataset.DatasetVersionDatasetFacet("12"),
        "storage": storage_dataset.StorageDatasetFacet("delta", fileFormat="parquet"),
    })  # fmt: skip
    columns = column_lineage_dataset.Fields(inputFields=[origin])
    clean = event_v2.OutputDataset(
        BUCKET,
        "clean.parquet",
        facets={"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields={"amount": columns})},
        outputFacets={"outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(2**40)},
    )
    states = ("START", "FAIL", "OTHER", "COMPLETE")
    data = {"inputs": [raw], "outputs": [clean]}
    *others, end = (
        event_v2.RunEvent(eventTime=when, run=run, job=job, eventType=event_v2.RunState(state), **data)
        for state in states
    )
    auth = {"type": "api_key", "apiKey": api.token}

    with serving(app) as url, counted(api) as grown:
        transport = {"type": "http", "url": url, "endpoint": "api/v1/lineage/events", "auth": auth}
        client = OpenLineageClient(config={"transport": transport})
        for one in [*others, end, end, event_v2.JobEvent(eventTime=when, job=job, **data)]:
            client.emit(one)
        client.emit(event_v2.DatasetEvent(eventTime=when, dataset=event_v2.StaticDataset(BUCKET, "raw.parquet")))

    assert (
        impact(api, dataset="s3://lake/raw.parquet") == impact(api, dataset="s3://lake/raw.parquet@12") == ["fraud:1"]
    )
    outcomes = {name.rpartition(":")[2]: n for name, n in grown.items() if "lineage_events_total" in name}
    assert outcomes == {"recorded": 2, "known": 1, "ignored": 4}


@pytest.mark.parametrize(
    ("change", "status", "place"),
    [
        ({"eventTime": "yesterday"}, 422, ["eventTime"]),
        ({"eventTime": "2026-11-21T12:40:00"}, 422, ["eventTime"]),
        ({"eventType": "PAUSE"}, 422, ["eventType"]),
        ({"run": {"runId": "41"}}, 422, ["run", "runId"]),
        ({"run": {"facets": {}}}, 422, ["run", "runId"]),
        ({"run": {"runId": str(uuid.UUID(int=0)), "facets": []}}, 422, ["run", "facets"]),
        ({"job": {"namespace": "airflow"}}, 422, ["job", "name"]),
        ({"job": None}, 422, ["job"]),
        ({"producer": None}, 422, ["producer"]),
        ({"inputs": [placed("x" * 100_000)]}, 422, ["inputs", "0", "name"]),
        ({"inputs": {"namespace": BUCKET, "name": "raw"}}, 422, ["inputs"]),
        ({"inputs": [{"namespace": BUCKET, "name": "raw", "facets": [1]}]}, 422, ["inputs", "0", "facets"]),
        ({"inputs": [placed("raw", version=["7"])]}, 422, ["inputs", "0", "facets", "version"]),
        ({"inputs": [placed(name) for name in NAMES_OF_1001]}, 422, ["inputs"]),
        ({name: [placed(one) for one in NAMES_OF_1001[:40]] for name in ("inputs", "outputs")}, 422, ["outputs"]),
        ({"inputs": [placed(one, symlinks=SYMLINKS) for one in NAMES_OF_1001[:200]]}, 422, ["inputs"]),
        ({"own": "x" * 10_000_000}, 413, None),
        ({"own": 10**20}, 400, None),
    ],
)
def test_a_malformed_event_is_refused_with_its_place(
    api: Api, registry: RegistryBuilder, change: dict[str, Any], status: int, place: list[str] | None
) -> None:
    entries = registry.audit_entry_count()

    refused = expect(status, api.post(EVENTS, event() | change))

    errors = refused.get("errors")
    for step in place or ():
        errors = errors[step]
    assert bool(errors) == (place is not None)
    assert registry.audit_entry_count() == entries


def test_what_is_not_used_of_an_event_is_kept_with_its_entry(api: Api) -> None:
    facets = {"own": {"deep": [[[1.5]]], "snapshot": 5781947118336215154, "text": "\u202e"}}

    sent = send(api, run={"runId": str(uuid.UUID(int=1)), "facets": facets}, vendor=["x"])

    entry = expect(200, api.get(f"/audit/{sent['entry']}"))
    assert '"snapshot":5781947118336215154' in str(entry)
    assert '"vendor":["x"]' in str(entry)
