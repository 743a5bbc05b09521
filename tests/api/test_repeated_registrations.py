"""The same files from the same run again: nothing that is sent is dropped without a word."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

VERSIONS = "/models/fraud/versions"
RUN = {"system": "ci", "id": "41"}
CODE = {"repo": "https://git.example/risk", "commit": "a" * 40}
DATA = {"name": "train.csv", "digests": ["sha256:" + "1" * 64], "role": "train"}
FIRST: dict[str, Any] = {
    "run": RUN, "code": CODE, "datasets": [DATA], "params": {"depth": "6"}, "metrics": {"auc": 0.9},
    "tags": {"team": "risk"}, "description": "baseline", "aliases": ["champion"], "framework": "sklearn",
    "signature": {"inputs": [{"name": "ltv", "type": "double"}]}, "environment": {"python": "3.12.1"},
}  # fmt: skip


@pytest.fixture
def files(registry: RegistryBuilder) -> list[dict[str, Any]]:
    registry.create_model()
    return [registry.file()]


@pytest.fixture
def first(api: Api, files: list[dict[str, Any]]) -> dict[str, Any]:
    """Version 1, registered with FIRST; the body of that request."""
    body = {"files": files, **FIRST}
    expect(201, api.post(VERSIONS, body))
    return body


def version(api: Api, number: int = 1) -> dict[str, Any]:
    return expect(200, api.get(f"{VERSIONS}/{number}"))


def facts_of(problem: dict[str, Any]) -> dict[str, tuple[Any, Any, bool]]:
    assert problem["code"] == "facts_differ"
    return {one["fact"]: (one["kept"], one["sent"], one["addable"]) for one in problem["differences"]}


def test_the_same_request_writes_nothing_whatever_was_decided_since(
    api: Api, registry: RegistryBuilder, first: dict[str, Any]
) -> None:
    expect(200, api.patch(f"{VERSIONS}/1", {"description": "reviewed", "tags": {"team": "fraud"}}))
    expect(201, api.post(f"{VERSIONS}/1/metrics", {"metrics": {"auc": 0.8}}))
    registry.model("fraud").version(aliases=["champion"])
    before, entries = version(api), registry.audit_entry_count()
    attempt = {**first, "run": {**RUN, "url": "https://ci.example/attempt/2", "triggered_by": "bob"}}
    less = {"files": first["files"], "run": RUN}

    for body in (first, attempt, less, {**first, "update": True}):
        again = expect(200, api.post(VERSIONS, body))
        assert again == {"created": False, "updated": [], "version": before}
    assert registry.audit_entry_count() == entries


@pytest.mark.parametrize(
    ("sent", "difference"),
    [
        ({"params": {"depth": "7"}}, {"params.depth": ("6", "7", False)}),
        ({"framework": "xgboost"}, {"framework": ("sklearn", "xgboost", False)}),
        ({"code": {**CODE, "commit": "b" * 40}}, {"code.commit": ("a" * 40, "b" * 40, False)}),
        ({"code": {**CODE, "branch": "topic"}}, {"code.branch": (None, "topic", False)}),
        ({"code": {**CODE, "command": "make"}}, {"code.command": (None, "make", False)}),
        ({"environment": {"python": "3.13.0"}}, {"environment.python": ("3.12.1", "3.13.0", False)}),
        ({"datasets": [{**DATA, "role": "test"}]}, {"datasets.train.csv": (None, ..., False)}),
        ({"parents": [{"model": "fraud", "version": 1}]}, {"parents.fraud:1": (None, ..., False)}),
        ({"base_models": [{"uri": "hf://org/name"}]}, {"base_models.hf://org/name": (None, ..., False)}),
        ({"run": {**RUN, "params": {"seed": "1"}}}, {"params.seed": (None, "1", False)}),
        ({"signature": {"inputs": []}}, {"signature": (..., ..., False)}),
        (
            {"metrics": {"auc": 0.91, "f1": 0.5}, "tags": {"tier": "1"}, "description": "other", "aliases": ["new"]},
            {
                "metrics.auc": (0.9, 0.91, True), "metrics.f1": (None, 0.5, True), "tags.tier": (None, "1", True),
                "description": ("baseline", "other", True), "aliases.new": (None, "new", True),
            },
        ),
    ],
)  # fmt: skip
def test_other_facts_are_listed_and_refused(
    api: Api, registry: RegistryBuilder, first: dict[str, Any], sent: dict[str, Any], difference: dict[str, Any]
) -> None:
    before, entries = version(api), registry.audit_entry_count()

    problem = expect_problem(409, api.post(VERSIONS, {**first, **sent}))

    found = facts_of(problem)
    assert problem["version"] == 1
    assert found.keys() == difference.keys()
    for fact, values in difference.items():
        assert [one is ... or one == shown for one, shown in zip(values, found[fact], strict=True)] == [True] * 3
        assert fact in problem["detail"]
    assert (version(api), registry.audit_entry_count()) == (before, entries)


def test_update_adds_what_may_be_added_and_records_it(
    api: Api, registry: RegistryBuilder, first: dict[str, Any]
) -> None:
    more = {"metrics": {"auc": 0.9, "f1": 0.5}, "tags": {"team": "risk", "tier": "1"}, "aliases": ["candidate"],
            "description": "with calibration"}  # fmt: skip

    done = expect(200, api.post(VERSIONS, {**first, **more, "update": True}))
    entries = registry.audit_entry_count()
    again = expect(200, api.post(VERSIONS, {**first, **more, "update": True}))

    assert sorted(done["updated"]) == ["aliases.candidate", "description", "metrics.f1", "tags.tier"]
    found = version(api)
    assert done["version"] == found
    assert (found["metrics"], found["tags"]) == ({"auc": 0.9, "f1": 0.5}, {"team": "risk", "tier": "1"})
    assert (found["aliases"], found["description"]) == (["candidate", "champion"], "with calibration")
    assert registry.model("fraud").actions()[-3:] == ["version.measured", "version.edited", "alias.set"]
    assert (again["updated"], registry.audit_entry_count()) == ([], entries)


def test_update_adds_nothing_when_a_fixed_fact_differs(
    api: Api, registry: RegistryBuilder, first: dict[str, Any]
) -> None:
    entries = registry.audit_entry_count()

    body = {**first, "params": {"depth": "7"}, "metrics": {"f1": 0.5}, "update": True}
    problem = expect_problem(409, api.post(VERSIONS, body))

    assert facts_of(problem).keys() == {"params.depth", "metrics.f1"}
    assert "params.depth cannot be added to a version" in problem["detail"]
    assert registry.audit_entry_count() == entries


def test_anew_creates_another_version_and_each_is_found_again_by_its_facts(api: Api, first: dict[str, Any]) -> None:
    other = {**first, "metrics": {"auc": 0.95}, "aliases": []}
    assert expect(201, api.post(VERSIONS, {**other, "anew": True}))["version"]["number"] == 2

    assert expect(200, api.post(VERSIONS, first))["version"]["number"] == 1
    assert expect(200, api.post(VERSIONS, other))["version"]["number"] == 2
    assert expect_problem(422, api.post(VERSIONS, {**other, "anew": True, "update": True}))["code"] == "invalid"


def test_without_a_run_other_lineage_is_another_version(api: Api, files: list[dict[str, Any]]) -> None:
    numbers = []
    for lineage in ({"code": CODE}, {"code": {**CODE, "commit": "b" * 40}}, {"code": CODE}, {}, {"datasets": [DATA]}):
        answer = api.post(VERSIONS, {"files": files, **lineage})
        numbers.append(expect(None, answer)["version"]["number"])

    assert numbers == [1, 2, 1, 3, 4]
    assert facts_of(expect_problem(409, api.post(VERSIONS, {"files": files, "metrics": {"auc": 0.9}})))


def test_only_promoters_add_a_protected_alias(
    api: Api, registry: RegistryBuilder, first: dict[str, Any], as_role: Any
) -> None:
    expect(200, api.put("/models/fraud/aliases/stable/protection", {}))
    body = {"files": first["files"], "run": RUN, "aliases": ["stable", "champion"], "update": True}
    entries = registry.audit_entry_count()

    refused = expect_problem(403, as_role("writer").post(VERSIONS, body))

    assert (refused["permission"], registry.audit_entry_count()) == ("version:promote", entries)
    assert expect(200, as_role("promoter").post(VERSIONS, body))["updated"] == ["aliases.stable"]


def expect_problem(status: int, response: Any) -> dict[str, Any]:
    assert response.status_code == status, response.get_data(as_text=True)
    document: dict[str, Any] = response.get_json()
    return document
