"""Checks: reports about a version, of which the latest of each name counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask

from registry.domain import sizes
from registry.services import audit
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

CHECKS = "/models/fraud/versions/1/checks"


def report(api: Api, name: str, status: str, **more: Any) -> dict[str, Any]:
    return expect(201, api.post(CHECKS, {"name": name, "status": status, **more}))


def test_the_latest_report_of_each_check_is_listed_and_earlier_ones_are_kept(
    app: Flask, api: Api, registry: RegistryBuilder, as_role: Callable[[str], Api]
) -> None:
    registry.model("fraud").version()
    manifest = expect(200, api.get("/models/fraud/versions/1"))["manifest_digest"]
    writer = as_role("writer")

    first = report(writer, "bias-audit", "failed", url="https://ci.test/1", summary="ann looked at it")
    load = report(writer, "load", "pending")
    second = report(api, "bias-audit", "passed")

    assert (first["manifest_digest"], first["reporter"], first["redacted"]) == (manifest, "writer", False)
    assert (load["url"], load["summary"]) == (None, None)
    assert expect(200, api.get(CHECKS))["items"] == [second, load]
    assert expect(200, api.get(f"{CHECKS}?all=true"))["items"] == [second, load, first]
    (entry, *_) = expect(200, api.get("/models/fraud/versions/1/history?action=version.checked"))["items"]
    assert (entry["id"], entry["after"]["check"], entry["after"]["status"]) == (second["id"], "bias-audit", "passed")

    with app.app_context():
        audit.erase_text(first["id"], "summary", reason="a request")
        problems = [one for each in audit.verify() for one in (*each.problems, *each.uncovered)]
    redacted = expect(200, api.get(f"{CHECKS}?all=true"))["items"][-1]
    assert (redacted, problems) == (first | {"summary": None, "redacted": True}, [])


def test_reports_that_say_too_much_or_nothing_are_refused(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    said = {"name": "bias-audit", "status": "passed"}
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("name", said | {"name": "a check"}),
        ("status", said | {"status": "green"}),
        ("url", said | {"url": "javascript:alert(1)"}),
        ("summary", said | {"summary": "x" * (sizes.CHECK_SUMMARY_LENGTH + 1)}),
    ]

    for field, body in wrong:
        assert list(expect(422, api.post(CHECKS, body))["errors"]) == [field]
    expect(404, api.post("/models/fraud/versions/9/checks", said))
    expect(200, api.delete("/models/fraud/versions/1"))
    assert expect(409, api.post(CHECKS, said))["code"] == "conflict"


def test_only_the_reporters_that_the_policy_names_report_a_check_that_it_declares(
    api: Api, registry: RegistryBuilder, as_role: Callable[[str], Api]
) -> None:
    registry.model("fraud").version()
    checks = {"bias-audit": {"reporters": ["role:promoter"]}}
    policy = {"policy": 1, "checks": checks, "production": [{"rule": "check", "name": "bias-audit"}]}
    expect(200, api.put("/models/fraud/policy", {"document": policy, "reason": "agreed"}))

    refused = as_role("writer").post(CHECKS, {"name": "bias-audit", "status": "passed"})

    assert "role:promoter" in expect(403, refused)["detail"]
    report(as_role("promoter"), "bias-audit", "passed")
    report(as_role("writer"), "load", "passed")
