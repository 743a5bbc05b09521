"""Each code that the OpenAPI document lists for an operation, and not for all of its kind, can be brought about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from registry.api import description
from registry.api.operation_docs import ALWAYS, OF_BODIES
from registry.api.problems import MEDIA_TYPE
from registry.db.models import Blob, Upload, VersionFile
from registry.db.session import transaction
from registry.domain import errors
from registry.http.context import EXTENSION
from tests.api.hostile.world import PARKED_UPLOAD, SMALL_UPLOAD, World
from tests.support.api import Api
from tests.support.registry_builder import in_process
from tests.support.replies import expect

TESTS = Path(__file__).parents[1]
OF_ALL = {kind.code for kind in (*ALWAYS, *OF_BODIES, errors.IdempotencyMismatch, errors.ClockImplausible,
                                 errors.PreconditionFailed, errors.NotJson)}  # fmt: skip
REASON = {"reason": "a test"}
PROMOTION = {"stage": "production", "reason": "a test"}
DATA = {"name": "test", "digests": ["md5:" + "0f" * 16]}
UNKNOWN = "tags.nothing = 'x'"
# (operation, code, path, body). ``fraud`` is that of the hostile world, with version 6 pending. In ``back`` version 1
# is deleted, the bytes of 2 and 5 are gone, 3 is in production, 4 was rolled back, and 5 is in staging.
TRIED: list[tuple[str, str, str, Any]] = [
    ("create_model", "already_exists", "/models", {"name": "Fraud"}),
    ("list_models", "unknown_value", "/models?name=nothing", None),
    ("get_default_policy", "not_found", "/policy", None),
    ("remove_default_policy", "not_found", "/policy?reason=why", None),
    ("delete_model", "in_use", "/models/fraud", None),
    ("register_version", "blobs_missing", "/models/fraud/versions",
     {"files": [{"path": "a", "size": 1, "sha256": "ef" * 32}]}),
    ("delete_version", "in_use", "/models/fraud/versions/2", None),
    ("change_stage", "illegal_transition", "/models/fraud/versions/4/stage", PROMOTION),
    ("change_stage", "stale", "/models/fraud/versions/3/stage", PROMOTION | {"expected_current": 1}),
    ("change_stage", "not_ready", "/models/fraud/versions/6/stage", REASON | {"stage": "staging"}),
    ("change_stage", "blobs_missing", "/models/back/versions/5/stage", PROMOTION),
    ("change_stage", "gates_unmet", "/models/guarded/versions/1/stage", REASON | {"stage": "staging"}),
    ("get_default_policy", "not_found", "/policy", None),
    ("open_request", "not_found", "/requests", REASON | {"target": "policy"}),
    ("remove_default_policy", "not_found", "/policy?reason=a+test", None),
    ("test_policy", "not_found", "/policies/test", {"document": "policy: 1", "against": "staging", "model": "nothing"}),
    ("roll_back", "stale", "/models/fraud/rollback", REASON | {"expected_current": 1}),
    ("roll_back", "no_previous", "/models/empty/rollback", REASON),
    ("roll_back", "not_ready", "/models/back/rollback", REASON | {"to": 1}),
    ("roll_back", "blobs_missing", "/models/back/rollback", REASON | {"to": 2}),
    ("roll_back", "illegal_transition", "/models/back/rollback", REASON | {"to": 4}),
    ("set_alias", "stale", "/models/fraud/aliases/champion", {"version": 3, "expected_current": 1}),
    ("set_alias", "not_ready", "/models/fraud/aliases/champion", {"version": 6}),
    ("complete_uploads", "not_found", "/uploads/batch/complete", {"ids": ["00000000-0000-4000-8000-00000000000f"]}),
    ("get_upload", "conflict", f"/uploads/{PARKED_UPLOAD}", None),
    ("list_upload_parts", "conflict", f"/uploads/{SMALL_UPLOAD}/parts", None),
    ("list_files", "conflict", "/models/fraud/versions/5/files?signed=true", None),
    ("list_files", "not_ready", "/models/fraud/versions/6/files?signed=true", None),
    ("download_archive", "conflict", "/models/fraud/versions/5/archive", None),
    ("download_archive", "not_ready", "/models/fraud/versions/6/archive", None),
    ("download_archive", "blobs_missing", "/models/back/versions/2/archive", None),
    ("download_file", "conflict", "/models/fraud/versions/5/files/model.bin", None),
    ("download_file", "not_ready", "/models/fraud/versions/6/files/model.bin", None),
    ("list_impact", "not_found", "/lineage/impact?dataset=nothing", None),
    ("place_hold", "not_found", "/holds", {"kind": "version", "target": "fraud:99", "reason": "why"}),
    ("place_hold", "blobs_missing", "/holds", {"kind": "version", "target": "back:3", "rollback": True, **REASON}),
    ("add_lineage", "cycle", "/models/fraud/versions/1/lineage", {"parents": [{"model": "fraud", "version": 1}]}),
    ("add_data_lineage", "cycle", "/lineage/datasets", {"dataset": DATA, "part_of": [DATA]}),
    ("compare_versions", "not_found", "/compare?v=fraud:1&v=fraud:99", None),
    ("compare_file", "not_found", "/compare/file?v=fraud:1&v=fraud:2&path=nothing", None),
    ("compare_file", "conflict", "/compare/file?v=back:3&v=fraud:5&path=model.bin", None),
    ("compare_file", "not_ready", "/compare/file?v=back:3&v=fraud:6&path=model.bin", None),
    ("compare_file", "blobs_missing", "/compare/file?v=fraud:1&v=back:2&path=2.bin", None),
    ("search_models", "unknown_value", f"/search/models?filter={UNKNOWN}", None),
    ("search_models_by_body", "unknown_value", "/search/models", {"filter": UNKNOWN}),
    ("search_versions", "unknown_value", f"/search/versions?filter={UNKNOWN}", None),
    ("search_versions_by_body", "unknown_value", "/search/versions", {"filter": UNKNOWN}),
    ("list_inventory", "unknown_value", f"/inventory?filter={UNKNOWN}", None),
    ("list_changes", "unknown_value", "/changes?action=nothing", None),
    ("list_model_history", "unknown_value", "/models/fraud/history?action=nothing", None),
    ("list_version_history", "unknown_value", "/models/fraud/versions/1/history?action=nothing", None),
    ("list_audit", "unknown_value", "/audit?model=nothing", None),
    ("list_audit_chains", "not_found", "/audit/chains?model=nothing", None),
    ("list_audit_entries", "not_found", "/audit/entries?chain=nothing", None),
    ("get_checkpoint", "not_found", "/audit/checkpoint", None),
    ("list_refusals", "unknown_value", "/refusals?code=nothing", None),
    ("list_downloads", "unknown_value", "/downloads?model=nothing", None),
    ("download_evidence", "not_sealed", "/models/fraud/evidence", None),
]  # fmt: skip
# What needs more than a request is brought about by these tests.
ELSEWHERE = {
    ("register_version", "facts_differ"): "api/test_repeated_registrations.py",
    ("report_check", "not_ready"): "services/imports/test_unknown_manifests.py",
    ("open_request", "already_exists"): "api/test_requests.py",
    ("apply_request", "gates_unmet"): "api/test_requests.py",
    ("register_version", "gates_unmet"): "api/test_ways_past_policies.py",
    ("set_alias", "gates_unmet"): "api/test_ways_past_policies.py",
    ("register_version", "upload_mismatch"): "api/test_deliveries.py",
    ("register_version", "upload_expired"): "api/test_deliveries.py",
    ("purge_version", "in_use"): "api/test_purge.py",
    ("protect_alias", "not_ready"): "api/test_protected_aliases.py",
    ("download_evidence", "conflict"): "api/test_evidence.py",
    ("prove_entry", "not_sealed"): "api/test_sealed_log.py",
    ("prove_entry", "conflict"): "api/test_sealed_log.py",
    ("get_tile", "conflict"): "api/test_sealed_log.py",
    ("list_audit", "position_lost"): "api/test_audit_incremental.py",
    ("put_edge", "cycle"): "api/test_lineage_additions.py",
    **dict.fromkeys(
        [
            *(
                (name, "held")
                for name in (
                    "change_stage",
                    "roll_back",
                    "set_alias",
                    "register_version",
                    "restore_model",
                    "place_hold",
                )
            ),
            ("place_hold", "no_previous"),
        ],
        "api/test_holds.py",
    ),
    ("complete_upload", "upload_mismatch"): "api/test_uploads.py",
    ("complete_upload", "upload_expired"): "api/test_uploads.py",
    ("sign_upload_parts", "upload_expired"): "api/test_uploads_in_parts.py",
    ("roll_back", "bytes_unchecked"): "faults/test_store.py",
    ("get_alias", "time_uncertain"): "faults/test_clocks.py",
    ("get_stage_holder", "time_uncertain"): "faults/test_clocks.py",
}


@pytest.fixture
def arranged(app: Flask, world: World) -> Api:
    api = Api(world.client, world.tokens["all"])
    registry = in_process(api)
    registry.model("fraud").version(
        files=[{"path": "model.bin", "size": 10, "sha256": "ad" * 32}]
    )  # a worker is to verify the bytes
    for number in range(1, 5):
        registry.model("back").version(stage="production", files=[registry.file(path=f"{number}.bin")])
    registry.model("back").rollback()
    expect(200, api.delete("/models/back/versions/1"))
    registry.model("back").version(stage="staging", files=[registry.file(path="5.bin")])
    registry.model("guarded").version(files=[registry.file(b"two bytes")])
    rules = {"policy": 1, "staging": [{"rule": "size", "at_most": 1}]}
    expect(200, api.put("/models/guarded/policy", {"document": rules, **REASON}))
    with app.app_context(), transaction() as session:
        session.execute(update(Upload).where(Upload.id == PARKED_UPLOAD).values(size=11))  # its seal breaks
        keys = select(Blob.key).join(VersionFile, VersionFile.sha256 == Blob.sha256)
        lost = session.scalars(keys.where(VersionFile.path.in_(["2.bin", "5.bin"]))).all()
    for key in lost:
        app.extensions[EXTENSION].store.delete(key)
    return api


def listed() -> dict[tuple[str, str], str]:
    """The method by operation and code, without what every operation of its kind can refuse."""
    document = description.document()
    found = {}
    for path, item in document["paths"].items():
        for method in item.keys() - {"parameters"}:
            operation = item[method]
            writes = any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))
            usual = OF_ALL | ({"conflict"} if writes else set()) | ({"not_found"} if "{" in path else set())
            for response in operation["responses"].values():
                shared = document["components"]["responses"].get(response.get("$ref", "").rpartition("/")[2])
                codes = (shared or response).get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}).keys()
                found |= {(operation["operationId"], code): method.upper() for code in codes - usual}
    return found


def test_every_listed_code_can_be_brought_about(arranged: Api) -> None:
    methods = listed()
    wrong = []
    for name, code, path, body in TRIED:
        answer = arranged(methods[name, code], path, json=body)
        if answer.status_code < 400 or answer.get_json(force=True)["code"] != code:
            wrong.append(f"{name}: {code} expected: {answer.get_data(as_text=True)}")

    assert wrong == []
    assert methods.keys() == {(name, code) for name, code, *_ in TRIED} | ELSEWHERE.keys()
    for (_, code), test in ELSEWHERE.items():
        assert code in (TESTS / test).read_text(), test
