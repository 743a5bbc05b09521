"""Holds: what they refuse, where they are shown, and recalls."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from registry.db.bulk_insert import insert_rows
from registry.db.models import LineageDigest, LineageEdge, LineageNode, Tenure, Version
from registry.db.queries.ancestry import MOST_ANCESTORS
from registry.db.session import transaction
from registry.domain import clock
from registry.services.holds.recall import MOST_WATCHED
from registry.services.monitoring import gauges
from registry.services.monitoring.gauges import Gauge
from tests.support.api import Api
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements

STAGES = "/models/fraud/stages/production"
REASON = {"reason": "wrong labels"}


def data(name: str) -> dict[str, Any]:
    return {"name": name, "digests": [f"sha256:{name[0] * 64}"]}


def place(api: Api, kind: str, target: str) -> dict[str, Any]:
    hold: dict[str, Any] = expect(201, api.post("/holds", {"kind": kind, "target": target, **REASON}))["hold"]
    return hold


def release(api: Api, hold: dict[str, Any]) -> Any:
    return expect(200, api.post(f"/holds/{hold['id']}/release", {"reason": "the labels are right"}))


def move(api: Api, number: int, stage: str, model: str = "fraud", **body: Any) -> Any:
    return api.put(f"/models/{model}/versions/{number}/stage", {"stage": stage, "reason": "r", **body})


def held(api: Api, number: int, model: str = "fraud") -> list[int]:
    return [one["id"] for one in expect(200, api.get(f"/models/{model}/versions/{number}"))["holds"]]


def live(api: Api, hold: dict[str, Any]) -> list[str]:
    items = expect(200, api.get(f"/holds/{hold['id']}/versions"))["items"]
    return [f"{one['affected']['model']}:{one['affected']['number']} {one['affected']['stage']}" for one in items]


def test_a_held_version_enters_no_stage_and_no_protected_alias(api: Api, registry: RegistryBuilder) -> None:
    fraud = registry.model("fraud")
    fraud.version(stage="production")
    fraud.version(stage="production")  # version 1 is the one before
    fraud.version()
    expect(200, api.put("/models/fraud/aliases/champion/protection", {}))
    before = api.get("/models/fraud/versions/3").headers["ETag"]

    hold = place(api, "version", "fraud:3")

    for refused in (move(api, 3, "staging"), move(api, 3, "staging", dry_run=True),
                    api.put("/models/fraud/aliases/champion", {"version": 3})):  # fmt: skip
        problem = expect(409, refused)
        assert (problem["code"], [one["id"] for one in problem["holds"]]) == ("held", [hold["id"]])
        assert "wrong labels" in problem["detail"]
    staging, _, _ = expect(200, api.get("/models/fraud/versions/3/stage"))["options"]
    assert (staging["refusal"]["code"], staging["allowed"]) == ("held", False)
    assert expect(200, move(api, 3, "archived"))["version"]["holds"][0]["id"] == hold["id"]
    expect(201, api.put("/models/fraud/aliases/other", {"version": 3}))
    assert api.get("/models/fraud/versions/3").headers["ETag"] != before

    earlier = place(api, "version", "fraud:1")
    assert expect(409, api.post("/models/fraud/rollback", REASON))["code"] == "held"
    ways = expect(200, api.get("/models/fraud/rollback"))
    assert (ways["target"], ways["refusal"]["code"], ways["earlier"][0]["refusal"]["code"]) == (None, "held", "held")

    released = release(api, hold)
    assert (released["released_by"], released["release_reason"]) == ("all", "the labels are right")
    assert expect(409, api.post(f"/holds/{hold['id']}/release", REASON))["code"] == "conflict"
    release(api, earlier)
    expect(200, move(api, 3, "staging"))
    expect(200, api.post("/models/fraud/rollback", REASON))
    entries = expect(200, api.get("/models/fraud/history?limit=200"))["items"]
    assert [one["action"] for one in entries if one["action"].startswith("hold.")] == [
        "hold.released", "hold.released", "hold.placed", "hold.placed",
    ]  # fmt: skip


def test_a_hold_is_shown_wherever_its_version_is_resolved(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production", datasets=[data("a")], aliases=["champion"])
    reads: list[tuple[str, Callable[[Any], Any]]] = [
        ("/models/fraud/versions/1", lambda found: found),
        ("/models/fraud/versions", lambda found: found["items"][0]),
        ("/models/fraud/versions?fields=number,holds", lambda found: found["items"][0]),
        ("/search/versions", lambda found: found["items"][0]),
        ("/models/fraud/stages", lambda found: found["stages"]["production"][0]),
        (STAGES, lambda found: found),
        ("/models/fraud/aliases/champion", lambda found: found),
        ("/models/fraud/aliases", lambda found: found["items"][0]),
        ("/models/fraud/tenures", lambda found: found["items"][0]),
        ("/inventory", lambda found: found["items"][0]),
    ]

    def shown() -> list[Any]:
        return [[one["target"] for one in pick(expect(200, api.get(path)))["holds"]] for path, pick in reads]

    digest = data("a")["digests"][0]
    assert shown() == [[]] * len(reads)
    etag = api.get(STAGES).headers["ETag"]
    poll = {"If-None-Match": etag}
    assert api.get(STAGES, headers=poll).status_code == 304

    hold = place(api, "version", "fraud:1")
    assert api.get(STAGES, headers=poll).status_code == 200
    recalled = place(api, "data", digest)
    other = place(api, "data", data("b")["digests"][0])  # no version used it
    assert shown() == [["fraud:1", digest]] * len(reads)
    with_holds = api.get(STAGES).headers["ETag"]
    assert api.get(STAGES, headers={"If-None-Match": with_holds}).status_code == 304
    mlflow = MlflowApi(api.client, api.token)
    model = mlflow.make("GET", "/registered-models/get", name="fraud")["registered_model"]
    (shown_to_mlflow,) = model["latest_versions"]
    assert shown_to_mlflow == mlflow.make("GET", "/model-versions/get", name="fraud", version="1")["model_version"]
    assert (shown_to_mlflow["status"], "wrong labels" in shown_to_mlflow["status_message"]) == ("READY", True)
    concerns = [one for one in expect(200, api.get("/attention"))["items"] if one["kind"] == "held"]
    assert [(one["model"], one["version"]) for one in concerns] == [("fraud", 1)]
    assert "wrong labels" in concerns[0]["text"]

    for one in (hold, recalled, other):
        release(api, one)
    assert shown() == [[]] * len(reads)
    assert api.get(STAGES, headers=poll).status_code == 304


def test_a_hold_on_data_recalls_every_version_downstream(api: Api, registry: RegistryBuilder) -> None:
    raw, clean, shard, other = data("a-raw"), data("b-clean"), data("c-shard"), data("d-other")
    fraud, pricing = registry.model("fraud"), registry.model("pricing")
    fraud.version(stage="production", datasets=[clean])
    fraud.version(datasets=[other])
    pricing.version(stage="production", parents=[{"model": "fraud", "version": 1, "relation": "distill"}])
    pricing.version(stage="staging", datasets=[shard])
    edges = expect(200, api.post("/lineage/datasets", {"dataset": clean, "transformed_from": [raw]}))["edges"]
    expect(200, api.post("/lineage/datasets", {"dataset": shard, "part_of": [raw]}))

    hold = place(api, "data", raw["digests"][0])

    assert live(api, hold) == ["pricing:1 production", "fraud:1 production", "pricing:2 staging"]
    assert [held(api, 1), held(api, 2), held(api, 1, "pricing"), held(api, 2, "pricing")] == [
        [hold["id"]], [], [hold["id"]], [hold["id"]],
    ]  # fmt: skip
    assert expect(409, move(api, 2, "production", "pricing"))["code"] == "held"
    # A version that is registered later is held, too. What a whole is made into depends on a part, another part not.
    part = place(api, "data", shard["digests"][0])
    fraud.version(datasets=[clean])
    assert held(api, 3) == [hold["id"], part["id"]]
    fraud.version(datasets=[data("e-shard")])
    expect(200, api.post("/lineage/datasets", {"dataset": data("e-shard"), "part_of": [raw]}))
    assert held(api, 4) == [hold["id"]]
    release(api, part)
    assert expect(409, move(api, 3, "staging"))["code"] == "held"
    expect(200, move(api, 2, "staging"))
    state = expect(200, api.get(f"/holds/{hold['id']}"))
    assert [state[name] for name in ("downstream", "live", "staging", "complete", "departures")] == [5, 2, 1, False, []]
    expect(200, move(api, 1, "archived", leave_vacant=True))
    expect(200, move(api, 1, "archived", "pricing", leave_vacant=True))
    state = expect(200, api.get(f"/holds/{hold['id']}"))
    assert (state["live"], state["complete"]) == (0, True)
    assert [(one["model"], one["number"], one["actor"]) for one in state["departures"]] == [
        ("pricing", 1, "all"), ("fraud", 1, "all"),
    ]  # fmt: skip
    with api.get(f"/holds/{hold['id']}/versions?format=csv") as response:
        rows = list(csv.DictReader(io.StringIO(response.get_data(as_text=True))))
    assert [f"{row['model']}:{row['version']}" for row in rows] == [
        "pricing:2",
        "fraud:4",
        "fraud:3",
        "pricing:1",
        "fraud:1",
    ]

    expect(200, api.put(f"/lineage/edges/{edges[0]['id']}", {"retracted": True, **REASON}))
    assert held(api, 3) == []
    expect(200, move(api, 3, "staging"))


@pytest.mark.share(0)
def test_a_held_version_is_found_among_many_and_a_hold_with_too_many_dependants_is_not_counted(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(stage="production", datasets=[data("a")])
    registry.create_model("open", lifecycle="open")
    registry.model("open").version(stage="production", datasets=[data("b")])
    holds = [place(api, "data", data(name)["digests"][0]) for name in ("a", "b")]
    with app.app_context(), transaction() as session:
        latest = session.scalars(select(Version).order_by(Version.id.desc()).limit(1)).one()
        tenure = session.scalars(select(Tenure).order_by(Tenure.id.desc()).limit(1)).one()
        versions, tenures = ([_columns(row) for _ in range(5_001)] for row in (latest, tenure))
        first = latest.id + 1
        insert_rows(session, Version, [row | {"id": first + n, "number": 2 + n} for n, row in enumerate(versions)])
        later = clock.now() + timedelta(seconds=1)
        tenures = [row | {"version_id": first + n, "started_at": later} for n, row in enumerate(tenures)]
        for row in tenures:
            del row["id"]
        insert_rows(session, Tenure, tenures)

    def concerns() -> tuple[set[str], list[str]]:
        found = expect(200, api.get("/attention"))
        return {one["model"] for one in found["items"] if one["kind"] == "held"}, found["more"]

    def counts() -> list[tuple[int, int | None]]:
        return [(one["id"], one["live"]) for one in expect(200, api.get("/holds"))["items"]]

    everything = [(hold["id"], 1) for hold in holds[::-1]]
    assert (concerns()[0], counts()) == ({"fraud", "open"}, everything)

    with app.app_context(), transaction() as session:
        target = session.scalars(select(LineageDigest.node_id).where(LineageDigest.digest == holds[0]["target"])).one()
        node = {"kind": "dataset", "attributes": {}, "created_at": later, "version_id": None}
        wide = range(MOST_WATCHED // 2)
        insert_rows(session, LineageNode, [node | {"key": f"{one}", "name": f"wide {one}"} for one in wide])
        ids = session.scalars(select(LineageNode.id).where(LineageNode.name.startswith("wide"))).all()
        edge = {"target_id": target, "kind": "transformed_from", "role": "", "created_at": later}
        insert_rows(session, LineageEdge, [edge | {"source_id": one} for one in ids])

    assert (concerns()[0], "held" in concerns()[1], counts()) == ({"open"}, True, everything)
    values = {gauge.name: gauge.values for gauge in _gauges(app)}
    assert values["registry_holds_uncounted"] == values["registry_held_versions_in_production"] == {"": 1}


def _columns(row: Any) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in type(row).__table__.columns}


def _gauges(app: Flask) -> Sequence[Gauge]:
    with app.app_context():
        return gauges.look(seconds=30)


def test_a_base_model_is_held_by_its_uri_or_as_a_version(api: Api, registry: RegistryBuilder) -> None:
    base = {"uri": "hf://org/name@0a1b2c", "relation": "finetune"}
    registry.model("base").version(base_models=[base])
    registry.model("fraud").version(parents=[{"model": "base", "version": 1, "relation": "distill"}])
    uri = place(api, "base_model", "hf://org/name")
    assert (held(api, 1, "base"), held(api, 1)) == ([uri["id"]], [uri["id"]])
    release(api, uri)
    version = place(api, "base_version", "base:1")
    assert (version["kind"], version["target"], version["number"]) == ("model", "base:1", 1)
    assert (held(api, 1, "base"), held(api, 1)) == ([version["id"]], [version["id"]])
    own = place(api, "version", "base:1")  # on this version alone
    assert (held(api, 1, "base"), held(api, 1)) == ([version["id"], own["id"]], [version["id"]])
    listed = expect(200, api.get("/holds?state=all"))["items"]
    assert [(one["id"], one["live"]) for one in listed] == [(own["id"], 0), (version["id"], 0), (uri["id"], None)]
    assert len(expect(200, api.get("/holds?model=base&limit=1"))["items"]) == 1
    assert expect(200, api.get("/holds?live=true"))["items"] == []


def test_a_registration_and_a_restoration_cannot_bring_a_held_version_into_use(
    api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model("fraud")
    registry.create_model("open", lifecycle="open")
    registry.model("open").version(stage="production")
    expect(200, api.put("/models/fraud/aliases/champion/protection", {}))
    place(api, "data", data("a")["digests"][0])
    hold = place(api, "version", "open:1")
    body = {"files": [registry.file()], "datasets": [data("a")], "aliases": ["champion"]}

    assert expect(409, api.post("/models/fraud/versions", body))["code"] == "held"
    expect(201, api.post("/models/fraud/versions", {**body, "aliases": ["other"]}))
    expect(200, api.delete("/models/open"))
    assert expect(409, api.post("/models/open/restore", {}))["code"] == "held"
    release(api, hold)
    expect(200, api.post("/models/open/restore", {}))


def test_a_version_in_production_is_held_and_rolled_back_in_one_act(api: Api, registry: RegistryBuilder) -> None:
    fraud = registry.model("fraud")
    fraud.version(stage="production")
    body = {"kind": "version", "target": "fraud:1", "rollback": True, **REASON}
    refused = expect(409, api.post("/holds", body))
    assert refused["code"] == "no_previous"
    assert "--leave-vacant" in refused["detail"]
    assert held(api, 1) == []  # neither was done

    fraud.version(stage="production")
    placed = expect(201, api.post("/holds", {**body, "target": "fraud:2"}))
    assert (placed["left"], placed["successor"]) == (True, 1)
    assert expect(200, api.get(STAGES))["number"] == 1
    assert expect(200, api.get(STAGES))["entry"] == placed["move_entry"]
    assert held(api, 2) == [placed["hold"]["id"]]
    assert "is not in production" in expect(409, api.post("/holds", {**body, "target": "fraud:2"}))["detail"]

    vacant = expect(201, api.post("/holds", {**body, "leave_vacant": True}))
    assert (vacant["left"], vacant["successor"]) == (True, None)
    expect(404, api.get(STAGES))


@pytest.mark.share(0)
def test_a_version_whose_lineage_is_too_large_to_decide_is_held(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    with app.app_context(), transaction() as session:
        (own,) = session.scalars(select(LineageNode.id))
        now, wide = clock.now(), range(MOST_ANCESTORS)
        shared = {"kind": "dataset", "attributes": {}, "created_at": now, "version_id": None}
        insert_rows(session, LineageNode, [shared | {"key": f"{one}", "name": f"n{one}"} for one in wide])
        data_ids = session.scalars(select(LineageNode.id).where(LineageNode.kind == "dataset")).all()
        edge = {"source_id": own, "kind": "used", "role": "train", "created_at": now}
        insert_rows(session, LineageEdge, [edge | {"target_id": one} for one in data_ids])

    hold = place(api, "data", data("a")["digests"][0])

    (notice,) = expect(200, api.get("/models/fraud/versions/1"))["holds"]
    assert (notice["id"], notice["certain"]) == (hold["id"], False)
    assert "too large to decide" in expect(409, move(api, 1, "staging"))["detail"]
    release(api, hold)
    expect(200, move(api, 1, "staging"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "base_version", "target": "hf://org/name"}, "target"),
        ({"kind": "base_model", "target": "SHA256:" + "a" * 64}, "target"),
        ({"kind": "data", "target": "nonsense"}, "target"),
        ({"kind": "data", "target": "sha256:" + "a" * 64, "rollback": True}, "rollback"),
        ({"kind": "version", "target": "fraud:1", "leave_vacant": True}, "leave_vacant"),
    ],
)
def test_a_hold_on_what_is_no_target_is_refused(api: Api, body: dict[str, Any], field: str) -> None:
    assert field in expect(422, api.post("/holds", {**body, **REASON}))["errors"]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_what_stops_all_moves_takes_its_locks_in_one_order(app: Flask, api: Api) -> None:
    """Otherwise a hold on data and a change of the default policy wait for each other."""
    document = {"policy": 1, "production": [{"rule": "not_superseded"}]}
    locks = ["FROM audit_chains", "pg_advisory_xact_lock"]
    calls: dict[str, Callable[[], Any]] = {
        "default policy": lambda: expect(200, api.put("/policy", {"document": document, **REASON})),
        "request": lambda: expect(201, api.post("/requests", {"target": "policy", **REASON})),
        "hold": lambda: place(api, "data", data("a")["digests"][0]),
        "release": lambda: release(api, expect(200, api.get("/holds"))["items"][0]),
    }
    orders = {}
    for name, call in calls.items():
        with counting_statements(app) as statements:
            call()
        orders[name] = [lock for text in statements for lock in locks if lock in text]

    assert orders == dict.fromkeys(calls, locks)
