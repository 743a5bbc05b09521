"""Versions through the API: registered whole, read back exactly, frozen, measured, deleted and restored."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.paging import walk
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

SHA = "sha256:" + "ab" * 32
FULL: dict[str, Any] = {
    "description": "naïve 模型 \U0001f600\nsecond line",
    "tags": {"team": "risk", "empty": ""},
    "params": {"depth": "6", "ünit": "µs"},
    "metrics": {"auc": 0.93, "loss": -1.5e-07, "huge": 1.7976931348623157e308, "count": 3.0},
    "framework": "sklearn",
    "signature": {"inputs": [{"name": "amount", "type": "double"}], "none": None, "nested": {"deep": [1, [2.5]]}},
    "run": {
        "system": "github",
        "id": "ci-41",
        "url": "https://ci.test/runs/41",
        "params": {"seed": "7"},
        "metrics": {"epochs": 12.0},
        "unmeasured": {"loss": "-Infinity"},
        "tags": {"team": "risk", "k" * 250: "v" * 8000},
        "triggered_by": "Ann Lee",
        "started_at": "2026-01-02T03:04:05.678901Z",
        "finished_at": "2026-01-02T04:00:00.000000Z",
    },
    "code": {"repo": "https://git.test/fraud", "commit": "c0ffee", "branch": "topic/x", "path": "train/fraud.py",
             "dirty": True, "command": "python train/fraud.py && echo 'done'"},
    "environment": {"python": "3.11.9", "lock_digest": SHA, "image_digest": SHA.replace("a", "c")},
    "datasets": [
        {"name": "train.csv", "digests": [SHA, "md5:" + "0f" * 16], "uri": "s3://data/train.csv", "role": "train",
         "rows": 10**12, "schema": {"amount": "double"}},
        {"name": "test.csv", "digests": [SHA.replace("b", "d")], "uri": None, "role": "test", "rows": None,
         "schema": None},
    ],
}  # fmt: skip


def canonical_digest(files: list[dict[str, Any]]) -> str:
    """RFC 8785 for what a manifest holds (texts and integers), written down independently."""
    ordered = sorted(files, key=lambda file: file["path"].encode())
    text = json.dumps(ordered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def register(api: Api, files: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return expect(None, api.post("/models/fraud/versions", {"files": files, **fields}))


def test_a_version_is_read_back_exactly_as_it_was_registered(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    registry.model("base").version()
    file = registry.file(b"weights", path="model/weights.bin") | {"media_type": "application/x-weights"}

    registered = register(
        api, [file], **FULL, parents=[{"model": "base", "version": 1}], aliases=["candidate", "Champion_2"]
    )

    version = registered["version"]
    assert registered["created"] is True
    assert version == expect(200, api.get("/models/fraud/versions/1"))
    for name in ("description", "tags", "framework", "signature"):
        assert version[name] == FULL[name]
    assert version["params"] == {"seed": "7", "depth": "6", "ünit": "µs"}
    assert version["metrics"] == {"epochs": 12.0, **FULL["metrics"]}
    assert version["lineage"] == {
        **{name: FULL[name] for name in ("run", "code", "environment", "datasets")},
        "parents": [{"model": "base", "version": 1, "relation": None}],
        "base_models": [],
    }
    assert version["aliases"] == ["Champion_2", "candidate"]
    assert (version["number"], version["state"], version["stage"]) == (1, "ready", "none")
    assert (version["created_by"], version["deleted_at"], version["state_reason"]) == ("all", None, None)
    assert (version["file_count"], version["size"]) == (1, 7)
    assert expect(200, api.get("/models/fraud/versions/1/files"))["items"] == [
        file | {"damage": None, "format": None, "executes_code": None}
    ]
    assert expect(200, api.get("/models/fraud"))["latest_version"] == 1


def test_a_version_needs_no_more_than_its_files(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()

    version = register(api, [registry.file()])["version"]

    assert (version["description"], version["tags"], version["params"], version["metrics"]) == ("", {}, {}, {})
    assert (version["framework"], version["signature"]) == (None, None)
    lists: dict[str, list[Any]] = {"datasets": [], "parents": [], "base_models": []}
    assert version["lineage"] == {"run": None, "code": None, "environment": None, **lists}


def test_the_reply_to_a_registration_says_where_the_version_is(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    body = {"files": [registry.file()]}

    first = api.post("/models/fraud/versions", body, headers={"Idempotency-Key": "r-1"})
    replayed = api.post("/models/fraud/versions", body, headers={"Idempotency-Key": "r-1"})

    assert replayed.headers["Idempotency-Replayed"] == "true"
    assert [reply.headers["Location"] for reply in (first, replayed)] == ["/api/v1/models/fraud/versions/1"] * 2
    assert first.headers["ETag"] == replayed.headers["ETag"] == api.get("/models/fraud/versions/1").headers["ETag"]


def test_the_manifest_digest_is_the_hash_of_its_canonical_json(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    paths = ["z.bin", "a/b.json", "a.bin", "A/é.txt", "\U0001f600.bin", "\ufb01.bin", 'quote".txt', "a-b/c"]
    files = [registry.file(path.encode(), path=path) | {"media_type": "application/json"} for path in paths]
    plain = registry.file(b"plain", path="plain")

    version = register(api, [*files, plain])["version"]

    assert version["manifest_digest"] == canonical_digest([*files, {**plain, "media_type": "application/octet-stream"}])
    assert version["size"] == sum(file["size"] for file in files) + 5
    assert version["file_count"] == 9


def test_a_manifest_of_ten_thousand_files_is_taken_in_one_request(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    one = registry.file()
    files = [{**one, "path": f"shards/{number // 100:03}/part-{number:05}.parquet"} for number in range(10_000)]

    version = register(api, files)["version"]

    assert (version["file_count"], version["size"]) == (10_000, 10_000 * one["size"])
    listed = walk(api, "/models/fraud/versions/1/files", limit=1000)
    assert [file["path"] for file in listed] == [file["path"] for file in files]


def test_a_manifest_of_one_file_more_is_refused(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    one = registry.file()
    files = [{**one, "path": f"part-{number:05}"} for number in range(10_001)]

    problem = expect(422, api.post("/models/fraud/versions", {"files": files}))

    assert problem["code"] == "invalid"
    assert list(problem["errors"]) == ["files"]
    assert expect(200, api.get("/models/fraud/versions"))["items"] == []


def test_bytes_that_were_never_uploaded_are_listed(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    absent = [uuid.uuid4().hex * 2 for _ in range(3)]
    files = [registry.file(path="there"), *({"path": sha, "size": 1, "sha256": sha} for sha in absent)]
    before = registry.audit_entry_count()

    problem = expect(409, api.post("/models/fraud/versions", {"files": files}))

    assert (problem["code"], problem["missing"]) == ("blobs_missing", sorted(absent))
    assert expect(200, api.get("/models/fraud"))["latest_version"] is None
    assert registry.audit_entry_count() == before
    assert registry.model("fraud").version() == 1


def test_an_upload_that_was_not_completed_counts_as_missing(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    content = uuid.uuid4().bytes
    sha256 = hashlib.sha256(content).hexdigest()
    upload = expect(201, api.post("/uploads", {"sha256": sha256, "size": len(content)}))
    registry.send(upload["target"], content)

    problem = expect(
        409, api.post("/models/fraud/versions", {"files": [{"path": "a", "size": len(content), "sha256": sha256}]})
    )

    assert problem["missing"] == [sha256]


def test_a_size_that_is_not_that_of_the_bytes_is_refused(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    file = registry.file(b"four", path="a.bin")

    problem = expect(422, api.post("/models/fraud/versions", {"files": [{**file, "size": 5}]}))

    assert problem["code"] == "invalid"
    assert problem["errors"] == {"files": ["'a.bin' has 4 bytes in the store, not 5"]}


def test_a_versions_own_params_and_metrics_win_over_its_runs(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    run = {"system": "ci", "id": "1", "params": {"depth": "5", "seed": "7"}, "metrics": {"auc": 0.5, "loss": 1.0}}

    version = register(api, [registry.file()], run=run, params={"depth": "6"}, metrics={"auc": 0.9})["version"]

    assert version["params"] == {"depth": "6", "seed": "7"}
    assert version["metrics"] == {"auc": 0.9, "loss": 1.0}
    assert (version["lineage"]["run"]["params"], version["lineage"]["run"]["metrics"]) == (
        run["params"],
        run["metrics"],
    )
    assert len(expect(200, api.get("/models/fraud/versions/1/metrics"))["items"]) == 2


@pytest.mark.parametrize("field", ["params", "metrics"])
@pytest.mark.parametrize("key", [" depth", "a\u202eb", "x" * 251])
def test_a_run_is_held_to_the_same_names_as_the_version(
    api: Api, registry: RegistryBuilder, field: str, key: str
) -> None:
    registry.create_model()
    value = {"params": "1", "metrics": 1.0}[field]
    run = {"system": "ci", "id": "1", field: {key: value}}

    problem = expect(422, api.post("/models/fraud/versions", {"files": [registry.file()], "run": run}))

    assert problem["code"] == "invalid"


@pytest.mark.parametrize(
    "field",
    ["files", "params", "metrics", "framework", "signature", "run", "code", "environment", "datasets", "parents",
     "base_models", "stage", "state", "number", "aliases", "rolled_back"],
)  # fmt: skip
def test_what_is_frozen_cannot_be_edited(api: Api, registry: RegistryBuilder, field: str) -> None:
    registry.model("fraud").version()
    before = expect(200, api.get("/models/fraud/versions/1")), registry.audit_entry_count()

    problem = expect(422, api.patch("/models/fraud/versions/1", {field: None, "description": "changed"}))

    assert list(problem["errors"]) == [field]
    assert (expect(200, api.get("/models/fraud/versions/1")), registry.audit_entry_count()) == before


def test_description_and_tags_can_be_edited(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(description="old", tags={"team": "risk", "gone": "soon"})
    body = {"description": "new", "tags": {"gone": None, "tier": "1"}, "reason": "tidied"}

    edited = expect(200, api.patch("/models/fraud/versions/1", body))

    assert (edited["description"], edited["tags"]) == ("new", {"team": "risk", "tier": "1"})
    assert edited == expect(200, api.get("/models/fraud/versions/1"))
    entry = expect(200, api.get("/models/fraud/versions/1/history"))["items"][0]
    assert (entry["action"], entry["reason"]) == ("version.edited", "tidied")
    assert entry["texts"] == {"description": "new", "tags": '{"gone": null, "tier": "1"}'}


def test_an_edit_of_nothing_writes_nothing(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    before = expect(200, api.get("/models/fraud/versions/1")), registry.audit_entry_count()

    expect(200, api.patch("/models/fraud/versions/1", {"reason": "no reason"}))

    assert (expect(200, api.get("/models/fraud/versions/1")), registry.audit_entry_count()) == before


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [5, 4, 3, 2, 1]),
        ("?stage=none", [5, 4]),
        ("?stage=staging", [3]),
        ("?stage=production", [2]),
        ("?stage=archived", [1]),
        ("?state=ready", [5, 3, 2, 1]),
        ("?state=deleted", [4]),
        ("?state=deleted&stage=none", [4]),
        ("?state=failed", []),
    ],
)
def test_versions_are_listed_newest_first_and_narrowed(
    api: Api, registry: RegistryBuilder, query: str, numbers: list[int]
) -> None:
    for stage in ("archived", "production", "staging", "none", "none"):
        registry.model("fraud").version(stage=stage)
    expect(200, api.delete("/models/fraud/versions/4"))

    listed = expect(200, api.get(f"/models/fraud/versions{query}"))["items"]

    assert [item["number"] for item in listed] == numbers
    assert all(item == expect(200, api.get(f"/models/fraud/versions/{item['number']}")) for item in listed)


@pytest.mark.parametrize("path", ["", "/files", "/metrics", "/lineage", "/history", "/files/model.bin"])
def test_a_version_that_never_was_is_not_found(api: Api, registry: RegistryBuilder, path: str) -> None:
    registry.model("fraud").version()
    registry.model("other").version()
    registry.model("other").version()

    problem = expect(404, api.get(f"/models/fraud/versions/2{path}"))

    assert problem["code"] == "not_found"


def test_a_version_of_an_unknown_model_cannot_be_registered(api: Api, registry: RegistryBuilder) -> None:
    file = registry.file()

    problem = expect(404, api.post("/models/fraud/versions", {"files": [file]}))

    assert problem["code"] == "not_found"
