"""ETags: a cheap poll that never lies, and writes that depend on what the caller read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

MODEL, VERSION, ALIAS = "/models/fraud", "/models/fraud/versions/1", "/models/fraud/aliases/champion"
Change = Callable[[Api, RegistryBuilder], Any]

OF_THE_MODEL: dict[str, Change] = {
    "edit": lambda api, _: api.patch(MODEL, {"description": "new"}),
    "tag": lambda api, _: api.patch(MODEL, {"tags": {"team": "risk"}}),
    "lifecycle": lambda api, _: api.patch(MODEL, {"lifecycle": "open"}),
    "registration": lambda _, registry: registry.model("fraud").version(),
    "promotion": lambda _, registry: registry.model("fraud").move(1, "staging"),
    "displacement": lambda _, registry: registry.model("fraud").move(3, "production"),
    "vacancy": lambda _, registry: registry.model("fraud").move(2, "archived", leave_vacant=True),
    "new alias": lambda api, _: api.put("/models/fraud/aliases/other", {"version": 1}),
    "moved alias": lambda api, _: api.put(ALIAS, {"version": 2}),
    "deleted alias": lambda api, _: api.delete(ALIAS),
}
OF_THE_VERSION: dict[str, Change] = {
    "edit": lambda api, _: api.patch(VERSION, {"description": "new"}),
    "tag": lambda api, _: api.patch(VERSION, {"tags": {"team": "risk"}}),
    "measurement": lambda api, _: api.post(f"{VERSION}/metrics", {"metrics": {"auc": 0.5}}),
    "promotion": lambda _, registry: registry.model("fraud").move(1, "staging"),
    "new alias": lambda api, _: api.put("/models/fraud/aliases/other", {"version": 1}),
    "lost alias": lambda api, _: api.put(ALIAS, {"version": 2}),
    "lost to a registration": lambda _, registry: registry.model("fraud").version(aliases=["champion"]),
    "deleted alias": lambda api, _: api.delete(ALIAS),
}


@pytest.fixture(autouse=True)
def _a_model(registry: RegistryBuilder) -> None:
    first, second, third = registry.different_files(3)
    registry.model("fraud").version(aliases=["champion"], files=first)
    registry.model("fraud").version(stage="production", files=second)
    registry.model("fraud").version(stage="staging", files=third)


@pytest.mark.parametrize("path", [MODEL, VERSION, ALIAS, f"{MODEL}/stages/production"])
def test_what_has_not_changed_is_not_sent_again(api: Api, path: str) -> None:
    etag = api.get(path).headers["ETag"]

    response = api.get(path, headers={"If-None-Match": etag})

    assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", etag)


@pytest.mark.parametrize("change", OF_THE_MODEL)
def test_a_model_has_a_new_etag_after_anything_that_its_description_shows(
    api: Api, registry: RegistryBuilder, change: str
) -> None:
    before = api.get(MODEL)

    OF_THE_MODEL[change](api, registry)

    after = api.get(MODEL, headers={"If-None-Match": before.headers["ETag"]})
    assert expect(200, after) != expect(200, before)
    assert after.headers["ETag"] != before.headers["ETag"]


@pytest.mark.parametrize("change", OF_THE_VERSION)
def test_a_version_has_a_new_etag_after_anything_that_its_description_shows(
    api: Api, registry: RegistryBuilder, change: str
) -> None:
    before = api.get(VERSION)

    OF_THE_VERSION[change](api, registry)

    after = api.get(VERSION, headers={"If-None-Match": before.headers["ETag"]})
    assert expect(200, after) != expect(200, before)
    assert after.headers["ETag"] != before.headers["ETag"]


def test_a_version_that_was_displaced_has_a_new_etag(api: Api, registry: RegistryBuilder) -> None:
    path = "/models/fraud/versions/2"
    before = api.get(path).headers["ETag"]
    registry.model("fraud").move(3, "production")
    displaced = api.get(path).headers["ETag"]

    registry.model("fraud").rollback()

    assert len({before, displaced, api.get(path).headers["ETag"]}) == 3


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        (MODEL, "PATCH", {"description": "mine"}),
        (VERSION, "PATCH", {"description": "mine"}),
        (VERSION, "PUT /stage", {"stage": "staging", "reason": "why"}),
        (VERSION, "PUT /stage", {"stage": "staging", "reason": "why", "dry_run": True}),
        (VERSION, "DELETE", None),
        (VERSION, "POST /metrics", {"metrics": {"auc": 0.5}}),
    ],
)
def test_a_write_that_depends_on_an_older_state_is_refused(
    api: Api, registry: RegistryBuilder, path: str, method: str, body: dict[str, Any] | None
) -> None:
    verb, _, under = method.partition(" ")
    expect(200, api.delete(ALIAS))
    stale = api.get(path).headers["ETag"]
    expect(200, api.patch(path, {"description": "theirs"}))
    before = registry.audit_entry_count()

    refused = api(verb, f"{path}{under}", json=body, headers={"If-Match": stale})
    fresh = api(verb, f"{path}{under}", json=body, headers={"If-Match": api.get(path).headers["ETag"]})

    assert expect(412, refused)["code"] == "precondition_failed"
    assert registry.audit_entry_count() <= before + 1
    expect(None, fresh)


def test_a_rollback_can_depend_on_the_model_that_was_read(api: Api, registry: RegistryBuilder) -> None:
    stale = api.get(MODEL).headers["ETag"]
    registry.model("fraud").move(3, "production")
    body = {"reason": "latency"}

    refused = [
        api.post(f"{MODEL}/rollback", {**body, "dry_run": dry_run}, headers={"If-Match": stale})
        for dry_run in (True, False)
    ]
    fresh = api.post(f"{MODEL}/rollback", body, headers={"If-Match": api.get(MODEL).headers["ETag"]})

    assert [expect(412, response)["code"] for response in refused] == ["precondition_failed"] * 2
    assert expect(200, fresh)["number"] == 2


@pytest.mark.parametrize("path", ["/models/gone", "/models/gone/versions/1"])
def test_a_restoration_can_depend_on_what_was_read(api: Api, registry: RegistryBuilder, path: str) -> None:
    registry.model("gone").version()
    stale = api.get(path).headers["ETag"]
    fresh = api.delete(path).headers["ETag"]

    refused, restored = (api.post(f"{path}/restore", {}, headers={"If-Match": tag}) for tag in (stale, fresh))

    assert expect(412, refused)["code"] == "precondition_failed"
    assert expect(200, restored)["deleted_at"] is None


def test_a_model_is_deleted_only_in_the_state_that_was_read(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("other")
    stale = api.get("/models/other").headers["ETag"]
    expect(200, api.patch("/models/other", {"description": "theirs"}))

    problem = expect(412, api.delete("/models/other", headers={"If-Match": stale}))

    assert problem["code"] == "precondition_failed"
    fresh = api.get("/models/other").headers["ETag"]
    assert expect(200, api.delete("/models/other", headers={"If-Match": fresh}))["state"] == "deleted"


@pytest.mark.parametrize(("tag", "status"), [("*", 200), ('"r999"', 412), ('"t1"', 412), ('"nonsense"', 412),
                                             ('W/"r1"', 412), ("r1", 412), ('"r1", "r2"', 400)])  # fmt: skip
def test_a_tag_that_is_none_of_ours_matches_nothing(api: Api, tag: str, status: int) -> None:
    response = api.patch(MODEL, {"description": "mine"}, headers={"If-Match": tag})

    assert response.status_code == status


@pytest.mark.parametrize(
    ("path", "body"), [(MODEL, {"description": "x"}), (VERSION, {"tags": {"a": "b"}})], ids=["model", "version"]
)
def test_the_reply_to_a_write_carries_the_new_etag(api: Api, path: str, body: dict[str, Any]) -> None:
    written = api.patch(path, body)

    assert written.headers["ETag"] == api.get(path).headers["ETag"]


def test_the_reply_to_a_move_carries_the_versions_new_etag(api: Api) -> None:
    moved = api.put(f"{VERSION}/stage", {"stage": "staging", "reason": "why"})

    assert moved.headers["ETag"] == api.get(VERSION).headers["ETag"]


def test_an_alias_has_a_new_etag_when_its_protection_changes_while_it_stays(api: Api) -> None:
    before = api.get(ALIAS).headers["ETag"]

    expect(200, api.put(f"{ALIAS}/protection", {}))
    response = api.get(ALIAS, headers={"If-None-Match": before})

    assert response.status_code == 200
    assert (response.json or {})["protected"]
    assert api.put(ALIAS, {"version": 2}, headers={"If-Match": response.headers["ETag"]}).status_code == 200
