"""Items of pages are rendered once and kept: after every change, each page shows what a single read shows."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text

from registry.api.schemas.versions import VersionView
from registry.db.item_cache import ItemCache
from registry.db.session import db, transaction
from tests.support.api import Api
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.version_changes import VERSION, VERSION_CHANGES

ALL = ",".join(VersionView().fields)
DATASET = "sha256:" + "2" * 64


@pytest.fixture
def stocked(registry: RegistryBuilder) -> None:
    """Versions with every kind of fact; the second derives from one of another model."""
    registry.model("base").version(metrics={"auc": 1e16}, description='"\\ \u2028 é \x01')
    registry.model("fraud").version(
        stage="production", aliases=["champion"], tags={"team": "risk"}, params={"depth": "3"},
        metrics={"auc": 0.1}, evaluations=[{"metrics": {"auc": 0.9}, "dataset_digest": DATASET}],
        datasets=[{"name": "train", "digests": [DATASET]}], code={"repo": "r", "commit": "c" * 40},
        signature={"inputs": [1e300, 2**53 - 1, -0.0]}, run={"system": "ci", "id": "1"},
    )  # fmt: skip
    registry.model("fraud").version(parents=[{"model": "base", "version": 1}], tags={"team": "risk"})


def check_pages(api: Api, mlflow_api: MlflowApi, *models: str) -> None:
    """Assert that every page shows its versions as they are."""
    found = {}
    for model in models:
        listed = expect(200, api.get(f"/models/{model}/versions"))["items"]
        assert listed == expect(200, api.get(f"/models/{model}/versions?fields={ALL}"))["items"]
        assert listed == [expect(200, api.get(f"/models/{model}/versions/{one['number']}")) for one in listed]
        found |= {(model, one["number"]): one for one in listed if one["state"] != "deleted"}
    shown = expect(200, api.get("/search/versions"))["items"]
    assert {(one["model"], one["number"]): one for one in shown} == found
    page = mlflow_api.make("GET", "/model-versions/search").get("model_versions", [])
    assert {(one["name"], int(one["version"])) for one in page} == {*found}
    assert page == [mlflow_api.get(one["version"], one["name"]) for one in page]


@pytest.mark.usefixtures("stocked")
def test_pages_show_each_version_as_it_is_after_every_change(app: Flask, api: Api, mlflow_api: MlflowApi) -> None:
    for name, change in VERSION_CHANGES.items():
        change(api, mlflow_api)
        check_pages(api, mlflow_api, "basis" if name == "parent renamed" else "base", "fraud")


@pytest.mark.usefixtures("stocked")
def test_pages_show_the_new_name_of_an_account(app: Flask, api: Api, mlflow_api: MlflowApi) -> None:
    check_pages(api, mlflow_api, "base", "fraud")
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE accounts SET name = 'erased-1' WHERE id IN (SELECT created_by FROM versions)"))

    check_pages(api, mlflow_api, "base", "fraud")

    assert {one["created_by"] for one in expect(200, api.get("/search/versions"))["items"]} == {"erased-1"}


def test_mlflow_pages_name_the_host_that_each_request_was_sent_to(
    api: Api, mlflow_api: MlflowApi, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()

    for host in ("http://one.test", "http://two.test", "http://one.test"):
        page = api.client.get(
            "/api/2.0/mlflow/model-versions/search",
            base_url=host,
            headers={"Authorization": f"Bearer {api.token}"},
        )
        assert expect(200, page)["model_versions"][0]["source"].startswith(f"{host}/")


@pytest.mark.usefixtures("stocked")
def test_a_page_is_as_of_one_moment_though_a_version_changes_while_it_is_read(
    app: Flask, api: Api, database: Any
) -> None:
    """The version changes after its key was read and before its row is; the key says that it has the tag."""
    other = Api(app.test_client(), database.tokens["all"])
    changes = []

    def change(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "version_params" in statement and not changes:
            changes.append(statement)
            writer = threading.Thread(
                target=lambda: expect(200, other.patch(f"{VERSION}/1", {"tags": {"team": "ops"}}))
            )
            writer.start()
            writer.join()

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", change)
    try:
        found = expect(200, api.get("/search/versions", query_string={"filter": "tags.team = 'risk'"}))["items"]
    finally:
        event.remove(engine, "before_cursor_execute", change)

    assert changes
    assert {one["tags"]["team"] for one in found} == {"risk"}
    assert 2 in {one["number"] for one in found}
    assert expect(200, api.get(f"{VERSION}?limit=9"))["items"][1]["tags"] == {"team": "ops"}


def test_a_cache_without_bytes_keeps_nothing() -> None:
    cache = ItemCache(0)
    cache.keep("view", 1, (1,), b"{}")

    assert cache.find("view", 1, (1,)) is None


def test_a_cache_of_items_keeps_the_latest_used_ones_within_its_bytes() -> None:
    cache = ItemCache(100_000)
    for key in range(1000):
        cache.keep("view", key, (1,), b"x" * 500)
        cache.find("view", 0, (1,))

    kept = [key for key in range(1000) if cache.find("view", key, (1,))]

    assert 0 in kept
    assert 999 in kept
    assert len(kept) <= 100
    assert cache.find("view", 999, (2,)) is None
    assert cache.find("other view", 999, (1,)) is None
