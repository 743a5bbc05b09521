"""Versions that are deleted and restored."""

from __future__ import annotations

import pytest

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


@pytest.mark.parametrize("stage", ["staging", "production"])
def test_a_version_that_serves_cannot_be_deleted(api: Api, registry: RegistryBuilder, stage: str) -> None:
    registry.model("fraud").version(stage=stage)
    before = registry.audit_entry_count()

    problem = expect(409, api.delete("/models/fraud/versions/1"))

    assert problem["code"] == "in_use"
    assert stage in problem["detail"]
    assert registry.audit_entry_count() == before


def test_a_version_with_an_alias_cannot_be_deleted_until_the_alias_moves(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(aliases=["champion"])
    registry.model("fraud").version()
    problem = expect(409, api.delete("/models/fraud/versions/1"))
    expect(200, api.put("/models/fraud/aliases/champion", {"version": 2}))

    deleted = expect(200, api.delete("/models/fraud/versions/1"))

    assert (problem["code"], "champion" in problem["detail"]) == ("in_use", True)
    assert deleted["state"] == "deleted"


@pytest.mark.parametrize("child", ["fraud", "tuned"])
def test_a_version_from_which_another_derives_cannot_be_deleted(
    api: Api, registry: RegistryBuilder, child: str
) -> None:
    registry.model("fraud").version()
    number = registry.model(child).version(parents=[{"model": "fraud", "version": 1}])

    problem = expect(409, api.delete("/models/fraud/versions/1"))
    expect(200, api.delete(f"/models/{child}/versions/{number}"))

    assert (problem["code"], f"{child}:{number}" in problem["detail"]) == ("in_use", True)
    assert expect(200, api.delete("/models/fraud/versions/1"))["state"] == "deleted"


def test_a_version_whose_child_went_with_its_model_can_be_deleted(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    registry.model("tuned").version(parents=[{"model": "fraud", "version": 1}])
    expect(200, api.delete("/models/tuned"))

    deleted = expect(200, api.delete("/models/fraud/versions/1"))

    assert deleted["state"] == "deleted"


def test_a_deleted_version_stays_readable_but_cannot_be_changed(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(metrics={"auc": 0.9})
    deleted = expect(200, api.delete("/models/fraud/versions/1?reason=biased"))

    problems = [
        expect(409, api.delete("/models/fraud/versions/1")),
        expect(409, api.patch("/models/fraud/versions/1", {"description": "x"})),
        expect(409, api.post("/models/fraud/versions/1/metrics", {"metrics": {"auc": 1}})),
        expect(409, api.put("/models/fraud/versions/1/stage", {"stage": "staging", "reason": "x"})),
        expect(409, api.put("/models/fraud/versions/1/stage", {"stage": "none", "reason": "x"})),
    ]

    assert [problem["code"] for problem in problems] == ["conflict"] * 3 + ["not_ready"] * 2
    assert deleted == expect(200, api.get("/models/fraud/versions/1"))
    assert (deleted["state"], deleted["deleted_at"]) == ("deleted", deleted["updated_at"])
    assert expect(200, api.get("/models/fraud/history"))["items"][0]["reason"] == "biased"


def test_a_restored_version_returns_as_it_was(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="archived", tags={"team": "risk"}, metrics={"auc": 0.9})
    before = expect(200, api.get("/models/fraud/versions/1"))
    expect(200, api.delete("/models/fraud/versions/1"))

    restored = expect(200, api.post("/models/fraud/versions/1/restore", {"reason": "needed"}))

    assert {**restored, "updated_at": ""} == {**before, "updated_at": ""}
    assert registry.model("fraud").actions()[-2:] == ["version.deleted", "version.undeleted"]


def test_a_version_that_is_not_deleted_cannot_be_restored(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    problem = expect(409, api.post("/models/fraud/versions/1/restore", {}))

    assert problem["code"] == "conflict"


def test_numbers_are_not_used_again_after_a_deletion(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    registry.model("fraud").version()
    expect(200, api.delete("/models/fraud/versions/2"))

    number = registry.model("fraud").version()

    assert number == 3
    assert expect(200, api.get("/models/fraud"))["latest_version"] == 3
