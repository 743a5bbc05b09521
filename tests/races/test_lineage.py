"""Many clients add lineage at the same moment, over several processes: no two of them close a cycle together."""

from __future__ import annotations

import functools
import uuid

import requests

from tests.support.audit_reader import AuditReader
from tests.support.servers import Caller, Fleet

CLIENTS = 8


def data() -> dict[str, object]:
    name = uuid.uuid4().hex
    return {"name": name, "digests": [f"sha256:{name * 2}"]}


def made_from(caller: Caller, dataset: dict[str, object], origin: dict[str, object]) -> requests.Response:
    return caller("POST", "/lineage/datasets", {"dataset": dataset, "transformed_from": [origin]})


def sent(caller: Caller, event: dict[str, object]) -> requests.Response:
    """Send the event again after a 503, as clients do: a database that is slow to lock answers so."""
    for _ in range(20):
        reply = caller("POST", "/lineage/events", event)
        if reply.status_code != 503:
            break
    return reply


def test_edges_that_close_a_cycle_together_are_not_all_added(fleet: Fleet, audit_reader: AuditReader) -> None:
    circle = [data() for _ in range(CLIENTS)]
    pairs = zip(circle, [*circle[1:], circle[0]], strict=True)

    replies = fleet.at_once([functools.partial(made_from, dataset=one, origin=other) for one, other in pairs])

    assert sorted(reply.status_code for reply in replies) == [200] * (CLIENTS - 1) + [409]
    assert [reply.json()["code"] for reply in replies if reply.status_code == 409] == ["cycle"]
    audit_reader.assert_chains()


def test_the_same_edge_is_added_once(fleet: Fleet) -> None:
    dataset, origin = data(), data()

    replies = fleet.at_once([functools.partial(made_from, dataset=dataset, origin=origin)] * CLIENTS)

    assert [reply.status_code for reply in replies] == [200] * CLIENTS
    assert sorted(reply.json()["changed"] for reply in replies) == [False] * (CLIENTS - 1) + [True]
    assert len({reply.json()["edges"][0]["id"] for reply in replies}) == 1


def test_equal_events_of_a_pipeline_are_recorded_once(fleet: Fleet) -> None:
    run, name = str(uuid.uuid4()), uuid.uuid4().hex
    start: dict[str, object] = {
        "eventType": "START",
        "eventTime": "2026-11-21T12:40:00Z",
        "producer": "https://example.org/airflow",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/definitions/RunEvent",
        "run": {"runId": run},
        "job": {"namespace": "airflow", "name": name},
        "inputs": [{"namespace": "s3://lake", "name": f"{name}/raw"}],
        "outputs": [],
    }
    end = start | {"eventType": "COMPLETE", "inputs": [], "outputs": [{"namespace": "s3://lake", "name": name}]}

    started, ended = (fleet.at_once([functools.partial(sent, event=event)] * CLIENTS) for event in (start, end))

    assert [reply.status_code for reply in (*started, *ended)] == [200] * 2 * CLIENTS
    assert {reply.json()["outcome"] for reply in started} == {"ignored"}
    assert {(reply.json()["outcome"], reply.json()["added"]) for reply in ended} == {("recorded", 2)}
    assert len({reply.json()["entry"] for reply in ended}) == 1


def test_events_of_a_run_that_come_together_lose_no_data(fleet: Fleet) -> None:
    run, name = str(uuid.uuid4()), uuid.uuid4().hex
    event: dict[str, object] = {
        "eventType": "RUNNING",
        "eventTime": "2026-11-21T12:40:00Z",
        "producer": "https://example.org/spark",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/definitions/RunEvent",
        "run": {"runId": run},
        "job": {"namespace": "spark", "name": name},
    }
    read = [event | {"inputs": [{"namespace": "s3://lake", "name": f"{name}/{number}"}]} for number in range(CLIENTS)]
    end = event | {"eventType": "COMPLETE", "outputs": [{"namespace": "s3://lake", "name": name}]}

    running = fleet.at_once([functools.partial(sent, event=one) for one in read])
    (ended,) = fleet.at_once([functools.partial(sent, event=end)])

    assert [reply.status_code for reply in running] == [200] * CLIENTS
    assert (ended.status_code, ended.json()["edges"]) == (200, CLIENTS + 1)
