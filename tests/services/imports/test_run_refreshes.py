"""Versions whose run was still running: what it logs later is added once, after its end, or given up with a reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from registry.db import times
from registry.db.models import RunRefresh, Version
from registry.db.session import reading, transaction
from registry.domain import sizes
from registry.http.context import EXTENSION
from registry.services import audit, leases
from registry.services.imports import run_refreshes
from tests.services.imports.test_upstream import LOGGED, SOURCE, importer, server, start, upstream
from tests.support.fake_tracking_server import MODEL, RUN, Answer, FakeTrackingServer, Query, document, pairs
from tests.support.importer import LONG_AGO, Importer
from tests.support.mlflow_api import MlflowApi
from tests.support.replies import expect

__all__ = ["importer", "server", "start", "upstream"]  # fixtures

pytestmark = pytest.mark.share(3)

RUNS = "/api/2.0/mlflow/runs/get"
ENDED = 1795290960568
WAITED = run_refreshes.GIVEN_UP_AFTER + timedelta(hours=1)


@pytest.fixture
def running(importer: Importer, upstream: FakeTrackingServer) -> Importer:
    """A registry with a version of a run that is still running, and has logged a model, a param and a metric."""
    upstream.run |= {"inputs": {}}
    upstream.run["info"] |= {"status": "RUNNING", "end_time": None}
    upstream.run["data"] = {"params": pairs(C="0.5"), "tags": pairs(team="risk", phase="fit"),
                            "metrics": [{"key": "loss", "value": 0.7}]}  # fmt: skip
    upstream.model["data"] = {}
    version = importer.filled(SOURCE, logged_model=MODEL)
    assert (version["state"], version["run_state"], version["metrics"]) == ("ready", "unfinished", {"loss": 0.7})
    assert version["lineage"]["run"]["finished_at"] is None
    return importer


def end(upstream: FakeTrackingServer) -> None:
    """Let the run log more and end."""
    upstream.run["info"] |= {"status": "FINISHED", "end_time": ENDED}
    upstream.run["data"] = {"params": pairs(C="0.5", depth="3"), "tags": pairs(team="risk", phase="done"),
                            "metrics": [{"key": "loss", "value": 0.2}, {"key": "auc", "value": 0.9}]}  # fmt: skip
    upstream.run["inputs"] = {"dataset_inputs": [{
        "tags": [{"key": "mlflow.data.context", "value": "training"}],
        "dataset": {"name": "train-set", "digest": "c104914c", "source": '{"uri": "s3://b/train"}'},
    }]}  # fmt: skip
    upstream.model["data"] = {"metrics": [
        {"key": "f1", "value": 0.8, "dataset_name": "holdout", "dataset_digest": "5d41402a"},
    ]}  # fmt: skip


def look(registry: Importer, **changes: Any) -> bool:
    """Let the next look be due, with *changes* of the waiting jobs, and do it as a worker does."""
    with registry.app.app_context():
        with transaction() as session:
            values = {"due_at": LONG_AGO, **changes}
            session.execute(update(RunRefresh).where(RunRefresh.state == "waiting").values(**values))
        return run_refreshes.refresh_next(upstreams=registry.app.extensions[EXTENSION].upstreams)


def long_ago(registry: Importer) -> dict[str, Any]:
    with registry.app.app_context():
        return {"created_at": times.now() - WAITED}


def last(registry: Importer) -> Mapping[str, Any]:
    """The latest entry of the model."""
    entries: list[dict[str, Any]] = expect(200, registry.api.get("/models/fraud/history"))["items"]
    return entries[0]


def problems(registry: Importer) -> list[str]:
    """What verification finds."""
    with registry.app.app_context():
        return [problem for report in audit.verify() for problem in report.problems]


def test_what_a_run_logs_after_its_model_is_added_once_when_it_has_ended(
    running: Importer, upstream: FakeTrackingServer
) -> None:
    assert look(running)
    (job,) = expect(200, running.api.get("/jobs"))["items"]
    assert (job["kind"], job["state"], job["subject"], job["version"], job["reason"]) == (
        "refresh", "waiting", RUN, 1, "the run has not ended",
    )  # fmt: skip
    assert running.version(1)["run_state"] == "unfinished"
    assert problems(running) == []
    end(upstream)

    assert look(running)

    version = running.version(1)
    assert (version["run_state"], version["state"]) == ("finished", "ready")
    assert version["metrics"] == {"loss": 0.2, "auc": 0.9, "f1": 0.8}
    assert version["params"] == {"C": "0.5", "depth": "3"}
    assert [(one["metric"], one["dataset_digest"]) for one in version["evaluations"]] == [("f1", "mlflow:5d41402a")]
    run = version["lineage"]["run"]
    assert (run["finished_at"], run["tags"]) == ("2026-11-21T19:56:00.568000Z", {"team": "risk", "phase": "done"})
    assert version["lineage"]["environment"]["python"] == "3.11.7"
    assert [(one["name"], one["role"]) for one in version["lineage"]["datasets"]] == [("train-set", "train")]
    users = expect(
        200, running.api.get("/search/versions", query_string={"filter": "dataset.digest = 'mlflow:c104914c'"})
    )
    assert [one["number"] for one in users["items"]] == [1]
    measured = expect(200, running.api.get("/models/fraud/versions/1/metrics"))["items"]
    assert [(one["key"], one["value"]) for one in measured if one["key"] == "loss"] == [("loss", 0.7), ("loss", 0.2)]
    entry = last(running)
    assert (entry["action"], entry["actor"]["name"]) == ("version.refreshed", "system")
    assert entry["after"] == {"run_state": "finished", "params": 1, "metrics": 3}
    assert not look(running)
    assert (running.registry.model("fraud").actions()[-1], expect(200, running.api.get("/jobs"))["items"]) == (
        "version.refreshed",
        [],
    )
    assert problems(running) == []


def test_a_long_run_is_looked_at_ever_more_rarely_and_as_often_as_it_takes(running: Importer) -> None:
    for _ in range(leases.MOST_ATTEMPTS + 1):
        assert look(running)
    with running.app.app_context():
        begun = times.now() - timedelta(days=1)
    assert look(running, created_at=begun)

    (job,) = expect(200, running.api.get("/jobs"))["items"]
    with running.app.app_context(), reading() as session:
        wait = session.scalars(select(RunRefresh.due_at)).one() - times.now()
    assert (job["state"], job["attempts"]) == ("waiting", 0)
    assert timedelta(minutes=30) < wait <= run_refreshes.LONGEST


def test_a_defect_of_the_registry_counts_as_an_attempt(running: Importer) -> None:
    for _ in range(leases.MOST_ATTEMPTS + 1):
        with running.app.app_context():
            with transaction() as session:
                session.execute(update(RunRefresh).values(due_at=LONG_AGO, leased_until=None))
            assert run_refreshes.refresh_next(upstreams=None)  # type: ignore[arg-type]  # the defect

    (job,) = expect(200, running.api.get("/jobs"))["items"]
    assert (job["state"], running.version(1)["run_state"]) == ("parked", "unfinished")


def test_a_version_whose_run_sql_has_called_finished_is_left_alone(
    running: Importer, upstream: FakeTrackingServer
) -> None:
    end(upstream)
    with running.app.app_context(), transaction() as session:
        session.execute(update(Version).values(run_state="finished"))

    assert look(running)

    assert (running.version(1)["metrics"], last(running)["action"]) == ({"loss": 0.7}, "version.fetched")
    assert "state of its run" in json.dumps(problems(running))


def test_what_was_recorded_before_is_not_recorded_again(running: Importer, upstream: FakeTrackingServer) -> None:
    upstream.run["info"] |= {"status": "FINISHED", "end_time": ENDED}

    assert look(running)

    measured = expect(200, running.api.get("/models/fraud/versions/1/metrics"))["items"]
    assert [(one["key"], one["value"]) for one in measured] == [("loss", 0.7)]
    entry = last(running)
    assert entry["after"] == {"run_state": "finished", "params": 0, "metrics": 0}
    assert entry["digests"]["lineage"].startswith("sha256:")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"metrics": [{"key": f"m{number}", "value": 1.0} for number in range(sizes.METRIC_KEYS)]}, "metrics"),
        ({"params": pairs(large="x" * sizes.FACTS_BYTES)}, "in total"),
    ],
    ids=["metrics", "bytes"],
)
def test_a_run_that_ends_with_more_than_a_version_can_have_is_given_up(
    running: Importer, upstream: FakeTrackingServer, data: dict[str, Any], reason: str
) -> None:
    end(upstream)
    upstream.run["data"], upstream.model["data"] = data, {}

    assert look(running)

    version = running.version(1)
    assert (version["run_state"], version["metrics"], version["params"]) == ("abandoned", {"loss": 0.7}, {"C": "0.5"})
    assert reason in last(running)["reason"]
    assert problems(running) == []


def test_a_refresh_that_kills_its_worker_is_parked_until_an_operator_retries_it(
    running: Importer, upstream: FakeTrackingServer
) -> None:
    end(upstream)
    assert look(running, attempts=leases.MOST_ATTEMPTS)
    (job,) = expect(200, running.api.get("/jobs", query_string={"state": "parked"}))["items"]
    assert (job["kind"], running.version(1)["run_state"]) == ("refresh", "unfinished")
    assert not look(running)

    expect(200, running.api.post(f"/jobs/{job['id']}/retry"))

    assert look(running)
    assert running.version(1)["run_state"] == "finished"
    assert problems(running) == []


def test_a_later_decision_about_a_metric_stays(running: Importer, upstream: FakeTrackingServer) -> None:
    expect(201, running.api.post("/models/fraud/versions/1/metrics", {"metrics": {"auc": 0.6}}))
    end(upstream)

    assert look(running)

    version = running.version(1)
    assert (version["metrics"]["auc"], version["lineage"]["run"]["metrics"]["auc"]) == (0.6, 0.9)
    assert problems(running) == []


def test_the_same_registration_again_means_the_version_before_and_after_its_run_has_ended(
    running: Importer, upstream: FakeTrackingServer
) -> None:
    files = expect(200, running.api.get("/models/fraud/versions/1/files"))["items"]
    run = running.version(1)["lineage"]["run"]
    body = {
        "files": [{name: file[name] for name in ("path", "size", "sha256", "media_type")} for file in files],
        "run": {name: run[name] for name in ("system", "id", "params", "metrics", "tags")},
    }
    end(upstream)
    assert look(running)

    again = expect(200, running.api.post("/models/fraud/versions", body))
    run = running.version(1)["lineage"]["run"]
    body["run"] = {name: run[name] for name in ("system", "id", "params", "metrics", "tags")}
    later = expect(200, running.api.post("/models/fraud/versions", body))
    body["run"]["tags"] = {"phase": "other"}
    other = expect(409, running.api.post("/models/fraud/versions", body))

    assert [(one["created"], one["version"]["number"]) for one in (again, later)] == [(False, 1)] * 2
    assert other["code"] == "facts_differ"


def test_a_copy_of_a_version_whose_run_goes_on_gets_the_end_of_it_too(
    running: Importer, upstream: FakeTrackingServer
) -> None:
    MlflowApi(running.api.client, running.api.token).registry.model("fraud").register(source="models:/fraud/1")
    assert running.version(2)["run_state"] == "unfinished"
    end(upstream)

    assert look(running)
    assert look(running)

    assert [running.version(number)["metrics"]["auc"] for number in (1, 2)] == [0.9, 0.9]
    assert running.version(2)["lineage"]["parents"] == [{"model": "fraud", "version": 1, "relation": None}]
    assert problems(running) == []


def test_a_run_that_is_gone_is_given_up_but_not_while_its_server_is(
    running: Importer, upstream: FakeTrackingServer
) -> None:
    upstream.set("/", Answer(b"{}", status=404))
    assert look(running)
    assert running.version(1)["run_state"] == "unfinished"
    upstream.set("/", Answer(b"", status=503))
    assert look(running)
    assert running.version(1)["run_state"] == "unfinished"
    upstream.knobs.clear()
    upstream.set(RUNS, Answer(b"{}", status=404))
    upstream.set("/api/2.0/mlflow/experiments/search", document({}))

    assert look(running)

    assert running.version(1)["run_state"] == "abandoned"
    assert "does not have the run" in last(running)["reason"]
    assert not look(running)
    assert problems(running) == []
    with running.app.app_context():
        assert run_refreshes.abandoned_lately() == ["fraud:1"]


def test_an_abandoned_run_is_looked_at_again_when_an_operator_asks(
    running: Importer, upstream: FakeTrackingServer
) -> None:
    upstream.run["data"]["metrics"] += [{"key": "auc", "value": 0.4}]
    assert look(running, **long_ago(running))
    assert (running.version(1)["metrics"]["auc"], expect(200, running.api.get("/jobs"))["items"]) == (0.4, [])
    (job,) = expect(200, running.api.get("/jobs", query_string={"state": "abandoned"}))["items"]
    assert (job["kind"], job["state"], job["version"], job["reason"]) == (
        "refresh", "abandoned", 1, "the run had not ended after 7 days",
    )  # fmt: skip

    again = expect(200, running.api.post(f"/jobs/{job['id']}/retry"))
    assert (again["state"], again["reason"]) == ("waiting", None)
    assert running.version(1)["run_state"] == "unfinished"
    entry = last(running)
    assert (entry["action"], entry["actor"]["name"], entry["before"]) == (
        "version.refresh_retried", "all", {"run_state": "abandoned"},
    )  # fmt: skip
    assert problems(running) == []
    assert look(running)  # the wait begins again: the run has not ended
    assert running.version(1)["run_state"] == "unfinished"
    end(upstream)
    assert look(running)

    version = running.version(1)
    assert (version["run_state"], version["metrics"]["auc"], version["metrics"]["f1"]) == ("finished", 0.9, 0.8)
    assert expect(404, running.api.post(f"/jobs/{job['id']}/retry"))["code"] == "not_found"
    assert problems(running) == []


def test_the_run_of_a_deleted_version_is_not_looked_at_again(running: Importer) -> None:
    look(running, **long_ago(running))
    (job,) = expect(200, running.api.get("/jobs", query_string={"state": "abandoned"}))["items"]
    expect(None, running.api.delete("/models/fraud/versions/1"))

    refusal = expect(409, running.api.post(f"/jobs/{job['id']}/retry"))

    assert refusal["detail"] == "fraud:1 is deleted; restore it first"
    assert problems(running) == []


def test_a_run_that_does_not_end_is_given_up_with_what_it_has_logged(
    running: Importer, upstream: FakeTrackingServer
) -> None:
    end(upstream)
    upstream.run["info"]["status"] = "SCHEDULED"

    assert look(running, **long_ago(running))

    version = running.version(1)
    assert (version["run_state"], version["params"]) == ("abandoned", {"C": "0.5", "depth": "3"})
    assert last(running)["reason"] == "the run had not ended after 7 days"
    assert problems(running) == []


def test_a_deleted_version_is_left_alone_until_it_is_restored(running: Importer, upstream: FakeTrackingServer) -> None:
    end(upstream)
    expect(None, running.api.delete("/models/fraud/versions/1"))

    assert look(running)
    assert (running.version(1)["run_state"], running.version(1)["params"]) == ("unfinished", {"C": "0.5"})
    expect(None, running.api.post("/models/fraud/versions/1/restore", {"reason": "right after all"}))
    assert look(running)

    assert running.version(1)["run_state"] == "finished"
    assert problems(running) == []


def test_a_worker_that_lost_its_hold_adds_nothing(running: Importer, upstream: FakeTrackingServer) -> None:
    """Another has the job by the time at which the server answers."""
    end(upstream)
    seen = []

    def slowly(_: Query) -> Answer:
        upstream.knobs.pop(RUNS)
        seen.append(look(running))  # one that is held is not taken
        seen.append(look(running, lease_id=None, leased_until=None))
        return document({"run": upstream.run})

    upstream.knobs[RUNS] = slowly
    assert look(running)

    assert seen == [False, True]
    assert running.registry.model("fraud").actions().count("version.refreshed") == 1
    assert running.version(1)["metrics"] == {"loss": 0.2, "auc": 0.9, "f1": 0.8}
    assert problems(running) == []


def test_a_job_that_the_service_did_not_write_reads_nothing(running: Importer, upstream: FakeTrackingServer) -> None:
    end(upstream)
    asked = len(upstream.seen)
    with running.app.app_context(), transaction() as session:
        session.execute(update(RunRefresh).values(run_id="f" * 32))
    assert "no job waits for its end" in json.dumps(problems(running))

    assert look(running)

    assert len(upstream.seen) == asked
    assert (running.version(1)["run_state"], running.version(1)["params"]) == ("abandoned", {"C": "0.5"})
    assert "seal" in last(running)["reason"]


def test_a_deleted_logged_model_does_not_keep_its_run_from_being_read(
    running: Importer, upstream: FakeTrackingServer
) -> None:
    end(upstream)
    upstream.set(LOGGED, Answer(b"{}", status=404))

    assert look(running)

    assert running.version(1)["metrics"] == {"loss": 0.2, "auc": 0.9}
