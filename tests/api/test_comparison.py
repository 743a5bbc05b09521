"""Comparison of versions over HTTP, and metrics over the versions of a model."""

from __future__ import annotations

from typing import Any

import pytest

from registry.domain.pinned_packages import FILE_BYTES
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

HOSTILE = '50% "off" #1?'
TRAIN, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def compare(api: Api, *references: str, **query: Any) -> dict[str, Any]:
    return expect(200, api.get("/compare", query_string={"v": list(references), **query}))


def rows(comparison: dict[str, Any], section: str) -> dict[str, list[Any]]:
    """Return, by name and group, (value or absence, change) of each cell."""
    (one,) = (part for part in comparison["sections"] if part["name"] == section)
    return {
        row["name"] + (f" {row['group']}" if row["group"] else ""): [
            (cell["absence"] or cell["value"], cell["change"]) for cell in row["cells"]
        ]
        for row in one["rows"]
    }


def test_versions_are_compared_fact_by_fact_with_the_first(api: Api, registry: RegistryBuilder) -> None:
    same, first, second = registry.file(b"same", "same.bin"), registry.file(b"1"), registry.file(b"22")
    fraud = registry.model("fraud")
    fraud.version(
        files=[same, first], params={"depth": "8", "seed": "1"}, metrics={"auc": 0.5, "loss": 0.0},
        code={"repo": "https://gitea.example/a/fraud", "commit": "a" * 40, "dirty": False}, tags={"team": "risk"},
        datasets=[{"name": "train.csv", "digests": [TRAIN], "role": "train"}], stage="production",
        signature={"inputs": '[{"name": "amount", "type": "double"}]'},
    )  # fmt: skip
    fraud.version(
        files=[same, second], params={"depth": "5", "seed": "1"}, metrics={"auc": 0.4, "loss": 1.0, "f1": 0.9},
        code={"repo": "https://gitea.example/a/fraud", "commit": "b" * 40, "dirty": True}, tags={"team": "risk"},
        datasets=[{"name": "train.csv", "digests": ["md5:" + "0" * 32, TRAIN], "role": "train"}], stage="staging",
        signature={"inputs": [{"name": "amount", "type": "double", "required": False}]}, aliases=["challenger"],
    )  # fmt: skip
    registry.model(HOSTILE).version(files=[same])
    registry.transport.call("DELETE", "/models/fraud/versions/1", None)

    comparison = compare(api, "fraud#production", "fraud@challenger", HOSTILE)

    assert [(one["model"], one["number"]) for one in comparison["versions"]] == [
        ("fraud", 1),
        ("fraud", 2),
        (HOSTILE, 1),
    ]
    assert comparison["same"] is False
    assert rows(comparison, "metrics") == {
        "auc": [(0.5, "same"), (0.4, "changed"), ("not_recorded", "removed")],
        "f1": [("absent", "same"), (0.9, "added"), ("not_recorded", "same")],
        "loss": [(0.0, "same"), (1.0, "changed"), ("not_recorded", "removed")],
    }
    (metrics,) = (part for part in comparison["sections"] if part["name"] == "metrics")
    deltas = {row["name"]: row["cells"][1]["delta"] for row in metrics["rows"]}
    assert deltas["auc"] == {"absolute": pytest.approx(-0.1), "percent": pytest.approx(-20)}
    assert deltas["loss"] == {"absolute": 1.0, "percent": None}
    assert deltas["f1"] is None
    verdicts = {row["name"]: [cell["verdict"] for cell in row["cells"]] for row in metrics["rows"]}
    assert verdicts == {"auc": [None, "worse", None], "f1": [None] * 3, "loss": [None, "worse", None]}
    (code,) = (part for part in comparison["sections"] if part["name"] == "code")
    addresses = [cell["address"] for row in code["rows"] if row["name"] == "commit" for cell in row["cells"]]
    assert addresses == [None, f"https://gitea.example/a/fraud/compare/{'a' * 40}...{'b' * 40}", None]
    assert rows(comparison, "params")["depth"][:2] == [("8", "same"), ("5", "changed")]
    assert "seed" not in rows(compare(api, "fraud:1", "fraud:2"), "params")
    assert rows(compare(api, "fraud:1", "fraud:2", all="true"), "params")["seed"] == [("1", "same"), ("1", "same")]
    assert [change for _, change in rows(comparison, "datasets")["train.csv train"]] == ["same", "same", "removed"]
    assert rows(comparison, "code")["dirty"] == [(False, "same"), (True, "changed"), ("not_recorded", "removed")]
    assert rows(comparison, "files")["model.bin"] == [
        ({"sha256": first["sha256"], "size": 1}, "same"),
        ({"sha256": second["sha256"], "size": 2}, "changed"),
        ("absent", "removed"),
    ]
    assert "same.bin" not in rows(comparison, "files")
    assert rows(comparison, "signature")["amount inputs"][:2] == [
        ("double", "same"), ("double, optional", "changed"),
    ]  # fmt: skip
    assert rows(comparison, "tags") == {"team": [("risk", "same"), ("risk", "same"), ("absent", "removed")]}
    (environment,) = (part for part in comparison["sections"] if part["name"] == "environment")
    assert environment["unrecorded"] == ["python", "lock_digest", "image_digest"]
    assert (
        expect(200, api.get("/models/fraud/versions/1/diff/2"))["sections"]
        == compare(api, "fraud:1", "fraud:2")["sections"]
    )


def test_four_kinds_of_absence_are_told_apart(api: Api, registry: RegistryBuilder) -> None:
    fraud = registry.model("fraud")
    fraud.version(files=[registry.file(b"1")], metrics={"auc": 0.5}, aliases=["old"])
    fraud.version(metrics={"f1": 0.5})
    fraud.version()
    fraud.version(source="s3://elsewhere/model", files=[])
    expect(200, api.delete("/models/fraud/versions/3"))

    comparison = compare(api, "fraud:1", "fraud:2", "fraud:3", "fraud:4")

    absences = [absence for absence, _ in rows(comparison, "metrics")["auc"]]
    assert absences == [0.5, "absent", "not_recorded", "not_recorded"]
    assert rows(comparison, "stage")["aliases"][1:] == [
        ("absent", "removed"),
        ("deleted", "removed"),
        ("absent", "removed"),
    ]


def test_a_comparison_refuses_what_it_cannot_read(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    registry.create_model("empty")
    expect_codes = {
        (): 422, ("fraud:1",): 422, ("fraud:1",) * 7: 422, ("fraud:1", "fraud:0"): 422, ("fraud:1", "a/b"): 422,
        ("fraud:1", ""): 422, ("fraud:1", "x" * 601): 422, ("fraud:1", "fraud:2"): 404,
        ("fraud:1", "fraud:9999999999"): 404, ("fraud:1", "empty"): 404, ("fraud:1", "none"): 404,
        ("fraud:1", "fraud@champion"): 404, ("fraud:1", "fraud#production"): 404, ("fraud:1", "fraud\x00:1"): 422,
        ("fraud:1", "fr\u202eaud:1"): 422,
    }  # fmt: skip

    statuses = {
        references: api.get("/compare", query_string={"v": list(references)}).status_code for references in expect_codes
    }

    assert statuses == expect_codes
    assert compare(api, "fraud:1", "fraud:1", "fraud")["same"] is True


def test_metrics_are_listed_over_the_versions_of_a_model(api: Api, registry: RegistryBuilder) -> None:
    fraud = registry.model(HOSTILE)
    for number in range(1, 6):
        fraud.version(metrics={"auc": number / 10} | ({"f1": 1.0} if number == 2 else {}))
    path = "/models/50%25%20%22off%22%20%231%3F"
    expect(
        201,
        api.post(
            f"{path}/versions/5/metrics",
            {"metrics": {"auc": 0.75}, "dataset_digest": TRAIN, "dataset_name": "payments"},
        ),
    )

    page = expect(200, api.get(f"{path}/metrics", query_string={"key": ["auc", "none"], "limit": 3}))
    rest = expect(200, api.get(f"{path}/metrics", query_string={"cursor": page["next_cursor"]}))
    csv = api.get(f"{path}/metrics", query_string={"format": "csv", "limit": 1})

    on = {"dataset": TRAIN, "key": "auc"}
    train = expect(200, api.get(f"{path}/metrics", query_string=on))
    csv_train = api.get(f"{path}/metrics", query_string={**on, "format": "csv"}).text
    nothing = expect(200, api.get(f"{path}/metrics", query_string={**on, "dataset": OTHER}))

    assert [[point["value"] for point in item["points"]] for item in train["items"]] == [[0.75], [], [], [], []]
    assert train["items"][0]["points"][0]["dataset_name"] == "payments"
    assert [line.rsplit(",", 1)[1] for line in csv_train.splitlines()] == ["auc", "0.75", "", "", "", ""]
    assert [item["points"] for item in nothing["items"]] == [[]] * 5
    assert api.get(f"{path}/metrics?dataset=nothing").status_code == 422
    assert page["keys"] == ["auc", "f1"]
    assert [(item["number"], [point["value"] for point in item["points"]]) for item in page["items"]] == [
        (5, [0.75]), (4, [0.4]), (3, [0.3]),
    ]  # fmt: skip
    assert page["items"][0]["points"][0]["dataset_digest"] == TRAIN
    assert [sorted((p["key"], p["value"]) for p in item["points"]) for item in rest["items"]] == [
        [("auc", 0.2), ("f1", 1.0)], [("auc", 0.1)],
    ]  # fmt: skip
    assert csv.content_type == "text/csv; charset=utf-8"
    assert csv.text.splitlines()[0] == "version,stage,state,created_at,auc,f1"
    assert [line.split(",")[0] for line in csv.text.splitlines()[1:]] == ["5", "4", "3", "2", "1"]
    assert csv.text.splitlines()[4].endswith(",0.2,1.0")
    registry.create_model("empty")
    assert expect(200, api.get("/models/empty/metrics")) == {"items": [], "next_cursor": None, "keys": []}
    assert api.get("/models/none/metrics").status_code == 404
    assert api.get("/models/none/metrics?key=a").status_code == 404


def test_a_text_file_is_compared_line_by_line_and_by_package(api: Api, registry: RegistryBuilder) -> None:
    fraud = registry.model(HOSTILE)
    for number, text in enumerate(("a==1\nb==1\n", "a==2\nb==1\n"), start=1):
        files = [
            registry.file(text.encode(), "requirements.txt"),
            registry.file(b"\x00" + bytes([number]), "model.bin"),
        ]
        fraud.version(files=[*files, registry.file(b"x" * (65_536 + number), "large.txt")])
    fraud.version(files=[registry.file(b"a==2\nb==1\n", "requirements.txt")], stage="staging")

    def compare_file(other: str, path: str, status: int = 200) -> Any:
        query = {"v": [f"{HOSTILE}:1", f"{HOSTILE}{other}"], "path": path}
        return expect(status, api.get("/compare/file", query_string=query))

    lines = compare_file("#staging", "requirements.txt")
    assert lines["hunks"] == [
        {"first": 1, "other": 1, "lines": [
            {"change": "removed", "text": "a==1"}, {"change": "added", "text": "a==2"},
            {"change": "same", "text": "b==1"}]},
    ]  # fmt: skip
    assert lines["packages"] == [{"name": "a", "first": "1", "other": "2", "change": "changed"}]
    assert compare_file(":2", "model.bin")["kind"] == "binary"
    assert compare_file(":2", "large.txt")["kind"] == "large"
    assert compare_file(":1", "large.txt")["kind"] == "same"
    removed = compare_file(":3", "large.txt")
    assert (removed["kind"], removed["digests"][1]) == ("large", None)
    compare_file(":2", "none.txt", 404)
    compare_file(":4", "model.bin", 404)
    compare_file(":2", "../x", 422)
    expect(200, api.delete(f"{fraud.path}/versions/2"))
    compare_file(":2", "requirements.txt", 409)


def test_a_lock_file_of_two_megabytes_is_compared_by_package(api: Api, registry: RegistryBuilder) -> None:
    fraud = registry.model("fraud")
    for newer in (0, 501):
        fraud.version(files=[registry.file(_lock_file(newer).encode(), "uv.lock")])
    fraud.version(files=[registry.file(b"a" * (FILE_BYTES + 1), "uv.lock")])
    fraud.version(files=[registry.file("\n".join(f"{n:x}" for n in range(30_000)).encode(), "requirements.txt")])
    fraud.version(files=[registry.file(b"numpy==2", "requirements.txt")])

    def compare_file(first: int, other: int, path: str) -> Any:
        return expect(200, api.get(f"/compare/file?v=fraud:{first}&v=fraud:{other}&path={path}"))

    assert len(_lock_file(0)) > 2_000_000
    compared = compare_file(1, 2, "uv.lock")
    assert (compared["kind"], compared["hunks"], compared["omitted_packages"]) == ("large", [], 1)
    assert compared["packages"][0] == {"name": "package-00000", "first": "1.0", "other": "2.0", "change": "changed"}
    assert len(compared["packages"]) == 500
    too_large, too_many = compare_file(1, 3, "uv.lock"), compare_file(4, 5, "requirements.txt")
    assert [(one["kind"], one["packages"]) for one in (too_large, too_many)] == [("large", None)] * 2


def _lock_file(newer: int) -> str:
    """Return a lock file of more than 2 MB, whose first packages are newer."""
    wheel = f'    {{ url = "https://example.com/{"w" * 60}.whl", hash = "{TRAIN}" }},\n'
    versions = ["2.0"] * newer + ["1.0"] * (1200 - newer)
    return "".join(
        f'[[package]]\nname = "package-{number:05}"\nversion = "{version}"\nwheels = [\n{wheel * 11}]\n'
        for number, version in enumerate(versions)
    )
