"""Where a version came from: frozen at registration, shared where it is the same, never lost."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from registry.db.models import LineageDigest, LineageEdge, LineageNode
from registry.db.session import reading
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

SHA = "sha256:" + "ab" * 32
MD5 = "md5:" + "0f" * 16
RUN = {
    "system": "github",
    "id": "41",
    "url": "https://ci.test/41",
    "params": {"seed": "7"},
    "metrics": {"auc": 0.9},
    "unmeasured": {"loss": "NaN"},
    "tags": {"team": "risk"},
    "triggered_by": "ann",
    "stated_by": "MLmodel",
    "started_at": "2026-01-02T03:04:05.000000Z",
    "finished_at": "2026-01-02T04:00:00.123456Z",
}
CODE = {"repo": "https://git.test/fraud", "commit": "c0ffee", "branch": "main", "path": "train", "dirty": False,
        "command": "python fraud.py --seed 7"}  # fmt: skip
ENVIRONMENT = {"python": "3.11.9", "lock_digest": SHA, "image_digest": "sha256:" + "cd" * 32}
TRAIN = {"name": "train.csv", "digests": [SHA, MD5], "uri": "s3://data/train.csv", "role": "train", "rows": 7,
         "schema": {"amount": "double", "nested": {"deep": [1, None, 2.5]}}}  # fmt: skip
PARENT = {"model": "base", "version": 1, "relation": "finetune"}
BASE = {"uri": "hf://org/name@0a1b2c", "digests": [SHA, MD5], "relation": "adapter"}
NO_CODE = dict.fromkeys(CODE)
WHOLE: dict[str, Any] = {"run": RUN, "code": CODE, "environment": ENVIRONMENT, "datasets": [TRAIN]}


def trace(api: Api, model: str = "fraud", number: int = 1) -> dict[str, Any]:
    return expect(200, api.get(f"/models/{model}/versions/{number}/lineage"))["lineage"]


def count(app: Flask, *conditions: Any, table: Any = LineageNode) -> int:
    """How many rows of *table* there are."""
    with app.app_context(), reading() as session:
        return session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0


def test_every_part_is_shown_as_it_was_registered(api: Api, registry: RegistryBuilder) -> None:
    registry.model("base").version()
    registry.model("fraud").version(**WHOLE, parents=[PARENT], base_models=[BASE])

    document = expect(200, api.get("/models/fraud/versions/1/lineage"))

    lineage = {**WHOLE, "parents": [PARENT], "base_models": [BASE]}
    assert document == {"model": "fraud", "number": 1, "lineage": lineage}
    assert expect(200, api.get("/models/fraud/versions/1"))["lineage"] == lineage


@pytest.mark.parametrize(
    ("part", "given_part", "shown"),
    [
        ("run", {"system": "ci", "id": "1"},
         {"system": "ci", "id": "1", "url": None, "params": {}, "metrics": {}, "unmeasured": {}, "tags": {},
          "triggered_by": None, "started_at": None, "finished_at": None}),
        ("code", {"repo": "r"}, {**NO_CODE, "repo": "r"}),
        ("code", {"path": "p"}, {**NO_CODE, "path": "p"}),
        ("code", {"command": "make"}, {**NO_CODE, "command": "make"}),
        ("environment", {"python": "3.12"}, {"python": "3.12", "lock_digest": None, "image_digest": None}),
        ("datasets", [{"name": "d", "digests": [MD5]}],
         [{"name": "d", "digests": [MD5], "uri": None, "role": "other", "rows": None, "schema": None}]),
        ("base_models", [{"uri": "hf://org/name"}], [{"uri": "hf://org/name", "digests": [], "relation": None}]),
        ("base_models", [{"digests": [MD5]}], [{"uri": None, "digests": [MD5], "relation": None}]),
    ],
)  # fmt: skip
def test_what_was_not_said_is_null(api: Api, registry: RegistryBuilder, part: str, given_part: Any, shown: Any) -> None:
    registry.model("fraud").version(**{part: given_part})

    lineage = trace(api)

    assert lineage[part] == shown


def test_an_instant_of_another_zone_is_kept_in_utc(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(run={"system": "ci", "id": "1", "started_at": "2026-01-02T03:04:05+05:30"})

    lineage = trace(api)

    assert lineage["run"]["started_at"] == "2026-01-01T21:34:05.000000Z"


def test_lineage_outlives_the_version_and_its_model(api: Api, registry: RegistryBuilder) -> None:
    registry.model("base").version()
    registry.model("fraud").version(**WHOLE, parents=[{"model": "base", "version": 1}])
    before = trace(api)
    expect(200, api.delete("/models/fraud/versions/1"))
    after_version = trace(api)
    expect(200, api.delete("/models/base"))
    expect(200, api.delete("/models/fraud"))

    after_model = trace(api)

    assert after_version == after_model == before
    registry.create_model()
    assert trace(api) == before


def test_data_that_many_versions_used_is_one_node(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    for _ in range(3):
        registry.model("fraud").version(datasets=[TRAIN], run=RUN, code=CODE, environment=ENVIRONMENT)
    registry.model("other").version(datasets=[TRAIN])

    kinds = {
        kind: count(app, LineageNode.kind == kind) for kind in ("version", "dataset", "run", "code", "environment")
    }

    assert kinds == {"version": 4, "dataset": 1, "run": 1, "code": 1, "environment": 1}
    assert count(app, LineageEdge.kind == "used", table=LineageEdge) == 4
    assert trace(api, "other")["datasets"] == trace(api, number=3)["datasets"] == [TRAIN]


@pytest.mark.parametrize(
    "change", [{"digests": [SHA]}, {"name": "other"}, {"rows": 8}, {"uri": None}, {"schema": {"amount": "float"}}]
)
def test_data_that_differs_in_anything_is_another_node(
    app: Flask, api: Api, registry: RegistryBuilder, change: dict[str, Any]
) -> None:
    registry.model("fraud").version(datasets=[TRAIN])

    registry.model("fraud").version(datasets=[{**TRAIN, **change}])

    assert count(app, LineageNode.kind == "dataset") == 2
    assert [trace(api, number=number)["datasets"] for number in (1, 2)] == [[TRAIN], [{**TRAIN, **change}]]


def test_the_same_data_in_two_roles_is_one_node_used_twice(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(datasets=[TRAIN, {**TRAIN, "role": "test"}, TRAIN])

    datasets = trace(api)["datasets"]

    assert datasets == [TRAIN, {**TRAIN, "role": "test"}]
    assert count(app, LineageNode.kind == "dataset") == 1


def test_data_is_found_by_each_of_its_digests(app: Flask, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(datasets=[TRAIN])
    registry.model("other").version(datasets=[{"name": "same bytes", "digests": [SHA, SHA]}])

    found = {
        digest: count(app, LineageDigest.digest == digest, table=LineageDigest)
        for digest in (SHA, MD5, ENVIRONMENT["image_digest"])
    }

    assert found == {SHA: 2, MD5: 1, ENVIRONMENT["image_digest"]: 0}


def test_datasets_and_parents_keep_their_order(api: Api, registry: RegistryBuilder) -> None:
    datasets = [{**TRAIN, "name": name} for name in ("z", "a", "m", "b")]
    for _ in range(3):
        registry.model("base").version()
    parents = [{"model": "base", "version": number, "relation": None} for number in (3, 1, 2)]
    base_models = [{"uri": f"hf://org/{name}", "digests": [], "relation": None} for name in ("z", "a", "m")]

    registry.model("fraud").version(datasets=datasets, parents=parents, base_models=base_models)

    lineage = trace(api)
    assert lineage["base_models"] == base_models
    assert [item["name"] for item in lineage["datasets"]] == ["z", "a", "m", "b"]
    assert lineage["parents"] == parents


@pytest.mark.parametrize("parent", [{"model": "base", "version": 9}, {"model": "none", "version": 1}])
def test_a_parent_that_does_not_exist_is_refused(api: Api, registry: RegistryBuilder, parent: dict[str, Any]) -> None:
    registry.model("base").version()
    registry.create_model()
    before = registry.audit_entry_count()
    parents = [{"model": "base", "version": 1}, parent]

    problem = expect(422, api.post("/models/fraud/versions", {"files": [registry.file()], "parents": parents}))

    assert problem["errors"] == {"parents": {"1": [f"there is no version {parent['model']}:{parent['version']}"]}}
    assert expect(200, api.get("/models/fraud"))["latest_version"] is None
    assert registry.audit_entry_count() == before


@pytest.mark.parametrize("gone", ["/models/base/versions/1", "/models/base"])
def test_a_deleted_parent_is_refused(api: Api, registry: RegistryBuilder, gone: str) -> None:
    registry.model("base").version()
    registry.create_model()
    expect(200, api.delete(gone))
    body = {"files": [registry.file()], "parents": [{"model": "base", "version": 1}]}

    problem = expect(422, api.post("/models/fraud/versions", body))

    assert list(problem["errors"]) == ["parents"]


def test_a_version_cannot_be_its_own_parent(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    body = {"files": [registry.file()], "parents": [{"model": "fraud", "version": 1}]}

    problem = expect(422, api.post("/models/fraud/versions", body))

    assert list(problem["errors"]) == ["parents"]


def test_a_parent_named_twice_is_one_parent(api: Api, registry: RegistryBuilder) -> None:
    registry.model("base").version()

    registry.model("fraud").version(parents=[PARENT] * 2, base_models=[BASE] * 2)

    lineage = trace(api)
    assert (lineage["parents"], lineage["base_models"]) == ([PARENT], [BASE])


def test_a_parent_cannot_be_deleted_and_the_lineage_says_why(api: Api, registry: RegistryBuilder) -> None:
    registry.model("base").version()
    registry.model("fraud").version(parents=[{"model": "base", "version": 1}])

    problems = [expect(409, api.delete("/models/base/versions/1")), expect(409, api.delete("/models/base"))]

    assert [problem["code"] for problem in problems] == ["in_use", "in_use"]
    assert all("fraud:1" in problem["detail"] for problem in problems)


@pytest.mark.parametrize(
    "part",
    [
        {"environment": {}},
        {"environment": {"python": None}},
        {"datasets": [{"name": "d", "digests": []}]},
        {"datasets": [{"name": "d", "digests": [SHA] * 9}]},
        {"datasets": [{"name": "d", "digests": ["sha256:XYZ"]}]},
        {"datasets": [{"name": "d", "digests": [SHA], "role": "holdout"}]},
        {"datasets": [{"name": "d", "digests": [SHA], "rows": -1}]},
        {"run": {"id": "1"}},
        {"run": {"system": "ci"}},
        {"run": {"system": "ci", "id": "1", "started_at": "yesterday"}},
        {"code": {"commit": "c0ffee"}},
        {"code": {"repo": "r", "dirty": "no"}},
        {"code": {"command": "HF_TOKEN=hf_" + "aB" * 17}},
        {"parents": [{"model": "base"}]},
        {"parents": [{"model": "base", "version": 0}]},
        {"parents": [{"model": "base", "version": 1, "relation": "copied"}]},
        {"base_models": [{}]},
        {"base_models": [{"uri": None, "digests": []}]},
        {"base_models": [{"uri": "hf://org/name", "digests": ["sha256:XYZ"]}]},
        {"base_models": [{"uri": "hf://org/name", "relation": "copied"}]},
    ],
)
def test_half_a_fact_is_refused(api: Api, registry: RegistryBuilder, part: dict[str, Any]) -> None:
    registry.create_model()

    problem = expect(422, api.post("/models/fraud/versions", {"files": [registry.file()], **part}))

    assert list(problem["errors"]) == list(part)
