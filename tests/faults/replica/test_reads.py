"""A streaming replica that reads go to: what its client wrote is in them, and without it they go to the primary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from registry.client import RegistryClient
from registry.db.models import Request
from registry.db.session import transaction
from registry.http.database_position import is_replicable
from registry.rules.database_positions import HEADER
from registry.rules.policies import parse
from tests.faults.replica.conftest import USED, Primary, Site, execute, pause, resume
from tests.support.api import HOST, Api
from tests.support.mlflow_api import PREFIX
from tests.support.polling import eventually
from tests.support.postgres import Standby
from tests.support.registry_builder import in_process, named_run
from tests.support.replies import expect
from tests.support.web_server import serving

pytestmark = pytest.mark.fault("F50")


def test_a_client_reads_what_it_wrote_while_others_read_a_replica_that_stands_still(
    standby: Standby, site: Callable[..., Site]
) -> None:
    shared = site(standby.url("registry"))
    shared.create("before")
    assert shared.examine() == USED
    pause(standby)

    position = shared.create("paused")

    assert shared.sees("paused", position)
    assert not shared.sees("paused")  # so it is the replica that answers
    assert shared.sees("before")
    assert shared.sees("paused", "none of ours")
    resume(standby)
    eventually(lambda: shared.sees("paused"), "the replica goes on")


def test_a_repeated_and_a_refused_write_return_positions_that_show_the_first(
    standby: Standby, site: Callable[..., Site]
) -> None:
    shared = site(standby.url("registry"))
    shared.examine()
    pause(standby)
    said: dict[str, Any] = {"json": {"name": "repeated"}, "headers": {"Idempotency-Key": "a-key"}}
    assert shared.api.post("/models", **said).status_code == 201

    repeated, refused = shared.api.post("/models", **said), shared.api.post("/models", {"name": "repeated"})

    assert (repeated.status_code, refused.status_code) == (201, 409)
    assert shared.sees("repeated", repeated.headers[HEADER])
    assert shared.sees("repeated", refused.headers[HEADER])


def test_polls_and_conditions_are_right_on_a_replica_that_is_behind(
    standby: Standby, site: Callable[..., Site]
) -> None:
    shared = site(standby.url("registry"))
    shared.create("edited")
    shared.examine()
    pause(standby)
    before = {"If-None-Match": shared.api.get("/models/edited").headers["ETag"]}

    edited = shared.api.patch("/models/edited", {"description": "new"})

    after = before | {HEADER: edited.headers[HEADER]}
    assert shared.api.get("/models/edited", headers=before).status_code == 304
    assert expect(200, shared.api.get("/models/edited", headers=after))["description"] == "new"
    stale = {"If-Match": before["If-None-Match"]}
    assert shared.api.patch("/models/edited", {"description": "newer"}, headers=stale).status_code == 412


def test_an_answer_about_the_past_is_the_primarys(standby: Standby, site: Callable[..., Site]) -> None:
    shared = site(standby.url("registry"))
    registry = in_process(shared.api)
    registry.create_model("past")
    registry.model("past").version(stage="production")
    shared.examine()
    pause(standby)
    second = registry.model("past").version(stage="staging")
    body = {"stage": "production", "reason": "a test"}
    began = expect(200, shared.api.put(f"/models/past/versions/{second}/stage", body))["at"]

    present = shared.api.get("/models/past/stages/production")
    past = shared.api.get("/models/past/stages/production", query_string={"as_of": began})

    assert (expect(200, present)["number"], expect(200, past)["number"]) == (1, 2)


def test_a_revoked_token_is_refused_at_once(standby: Standby, site: Callable[..., Site]) -> None:
    shared = site(standby.url("registry"), token_cache_seconds=0)
    token = expect(201, shared.api.post("/tokens", {"owner": "reader", "roles": ["auditor"]}))
    reader = Api(shared.api.client, token["token"])
    shared.examine()
    pause(standby)
    assert reader.get("/models").status_code == 200

    shared.api.delete(f"/tokens/{token['id']}")

    assert reader.get("/models").status_code == 401


def test_clients_of_mlflow_read_the_primary_unless_the_setting_lets_them_read_the_replica(
    standby: Standby, site: Callable[..., Site]
) -> None:
    usual, allowed = site(standby.url("registry")), site(standby.url("registry"), database_replica_mlflow=True)
    usual.examine()
    allowed.examine()
    pause(standby)

    usual.mlflow.make("POST", "/registered-models/create", name="through MLflow")

    assert usual.mlflow("GET", "/registered-models/get", name="through MLflow").status_code == 200
    assert allowed.mlflow("GET", "/registered-models/get", name="through MLflow").status_code == 404


REQUEST = "00000000-0000-4000-8000-000000000001"
POLICY = {"policy": 1, "description": "all may pass"}
READS: dict[str, Any] = {
    "models.list_models": "/models",
    "models.get_model": "/models/whole",
    "aliases.list_aliases": "/models/whole/aliases",
    "aliases.get_alias": "/models/whole/aliases/champion",
    "versions.list_versions": "/models/whole/versions",
    "versions.get_version": "/models/whole/versions/1",
    "versions.list_metrics": "/models/whole/versions/1/metrics",
    "checks.list_checks": "/models/whole/versions/1/checks",
    "policies.get_policy": "/models/whole/policy",
    "policies.list_policies": "/models/whole/policy/history",
    "policies.get_default_policy": "/policy",
    "policies.list_default_policies": "/policy/history",
    "policies.get_policy_document": f"/policies/{parse(POLICY).digest}",
    "gates.list_evaluations": "/models/whole/versions/1/gates/history",
    "notes.list_notes": "/models/whole/versions/1/notes",
    "lineage.get_lineage": "/models/whole/versions/1/lineage",
    "lineage.get_reproducibility": "/models/whole/versions/1/reproducibility",
    "lineage.export_lineage": "/models/whole/versions/1/lineage/export?format=cyclonedx-1.7",
    "lineage.get_edge": "/lineage/edges/1",
    "requests.list_requests": "/requests",
    "requests.get_request": f"/requests/{REQUEST}",
    "holds.list_holds": "/holds",
    "holds.get_hold": "/holds/1",
    "holds.list_held_versions": "/holds/1/versions",
    "stages.get_stages": "/models/whole/stages",
    "stages.get_stage_holder": "/models/whole/stages/production",
    "stages.list_tenures": "/models/whole/tenures",
    "comparison.compare_versions": "/compare?v=whole:1&v=whole:2",
    "comparison.diff_versions": "/models/whole/versions/1/diff/2",
    "comparison.list_metric_series": "/models/whole/metrics",
    "overview.list_inventory": "/inventory",
    "overview.list_attention": "/attention",
    "search.complete_filter": "/search/complete?q=tags",
    "lineage.list_impact": "/lineage/impact?version=whole:1",
    "search.search_models": "/search/models?filter=name%3D'whole'",
    "search.search_versions": "/search/versions?filter=name%3D'whole'",
    "search.search_models_by_body": {"filter": "name = 'whole'"},
    "search.search_versions_by_body": {"filter": "name = 'whole'"},
    "mlflow.get_registered_model": "/registered-models/get?name=whole",
    "mlflow.search_registered_models": "/registered-models/search",
    "mlflow.get_latest_versions": "/registered-models/get-latest-versions?name=whole",
    "mlflow.get_model_version_by_alias": "/registered-models/alias?name=whole&alias=champion",
    "mlflow.get_model_version": "/model-versions/get?name=whole&version=1",
    "mlflow.get_download_uri": "/model-versions/get-download-uri?name=whole&version=1",
    "mlflow.search_model_versions": "/model-versions/search",
}


def read(site: Site, name: str) -> TestResponse:
    """Send the request for one of READS."""
    place = READS[name]
    if isinstance(place, dict):
        return site.api.post(f"/search/{name.split('_')[1]}", place)
    prefix = PREFIX if name.startswith("mlflow.") else "/api/v1"
    return site.api.client.get(prefix + place, base_url=HOST, headers={"Authorization": f"Bearer {site.api.token}"})


def test_every_read_of_the_replica_is_done_again_from_the_primary_when_it_fails(
    standby: Standby, site: Callable[..., Site]
) -> None:
    shared = site(standby.url("registry"), database_replica_mlflow=True)
    replicable = {name for name, view in shared.app.view_functions.items() if is_replicable(view)}
    assert {name for name in replicable if not name.startswith("mlflow.ajax_")} == READS.keys()
    registry = in_process(shared.api)
    registry.create_model("whole")
    registry.model("whole").version(stage="production", aliases=["champion"], run=named_run("1"))
    registry.model("whole").version()
    expect(201, registry.client.post("/holds", {"kind": "version", "target": "whole:2", "reason": "arranged"}))
    asked = {"model": "whole", "version": 2, "target": "@next", "reason": "arranged"}
    opened = expect(201, registry.client.post("/requests", asked))["id"]
    with shared.app.app_context(), transaction() as session:
        session.execute(update(Request).where(Request.id == opened).values(id=REQUEST))
    for where in ("/models/whole/policy", "/policy"):
        expect(200, shared.api.put(where, {"document": POLICY, "reason": "a test"}))

    for name in READS:
        assert shared.examine() == USED
        direct = read(shared, name)
        assert direct.status_code == 200, direct.text
        execute(standby.url(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'registry'")
        assert {**read(shared, name).json, "at": ""} == {**direct.json, "at": ""}  # an inventory names its instant
        assert shared.standing() != USED, f"{name} was not read from the replica"


def test_the_python_client_reads_what_another_client_of_its_process_wrote(
    standby: Standby, site: Callable[..., Site]
) -> None:
    shared = site(standby.url("registry"))
    shared.examine()
    pause(standby)

    with serving(shared.app) as url:
        with RegistryClient(url, shared.api.token) as writer:
            writer.models.create("of the client")
        with RegistryClient(url, shared.api.token) as reader:
            assert reader.models.get("of the client")["name"] == "of the client"

    assert not shared.sees("of the client")


def test_a_write_whose_position_cannot_be_read_is_done_once(
    primary: Primary, standby: Standby, site: Callable[..., Site]
) -> None:
    grants = [f"GRANT ALL ON ALL {what} IN SCHEMA public TO restricted" for what in ("TABLES", "SEQUENCES")]
    execute(primary.url, "CREATE ROLE restricted LOGIN", *grants)
    shared = site(standby.url("registry"), primary=primary.url.replace("postgres@", "restricted@"))
    assert shared.examine() == USED
    execute(primary.url, "REVOKE EXECUTE ON FUNCTION pg_current_wal_flush_lsn() FROM PUBLIC")

    try:
        created = shared.api.post("/models", {"name": "once"})
        entries = expect(200, shared.api.get("/models/once/history"))["items"]
    finally:
        execute(primary.url, "GRANT EXECUTE ON FUNCTION pg_current_wal_flush_lsn() TO PUBLIC")

    assert created.status_code == 201, created.text
    assert HEADER not in created.headers
    assert [entry["action"] for entry in entries] == ["model.created"]
