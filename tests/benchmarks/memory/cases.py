"""The largest legal request to each endpoint."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from registry.domain.sizes import NOTE_LENGTH
from registry.http.bodies import MANIFEST_VALUES, PART_BYTES
from registry.rules import inline_bytes
from registry.rules.names import TAG_VALUE_LENGTH
from registry.rules.part_sizes import MOST_SIGNED
from tests.benchmarks.memory.full_registry import DESCRIPTION, LONG, METRICS, PARAMS, REPORT, REQUEST_ID, TAGS, manifest

UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"
PLACED = [{"namespace": "s3://lake", "name": f"{number}-{'x' * 400}"} for number in range(1000)]
PIPELINE_EVENT = {  # as many edges as an event may state
    "eventType": "COMPLETE", "eventTime": "2026-11-20T12:00:00Z", "producer": "https://ci.test",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json", "run": {"runId": UNKNOWN_ID},
    "job": {"namespace": "airflow", "name": "clean"}, "inputs": PLACED, "outputs": PLACED[:1],
}  # fmt: skip
ADDED = [
    {"name": f"{number}" + "x" * 200, "digests": [f"sha256:{number:064}"], "uri": "s3://" + "x" * 2000}
    for number in range(100)
]
# With the names of their datasets as many bytes as one version may have; so are METRICS on the dataset after them.
EVALUATIONS = [
    {"metrics": {f"{number:02}{index:02}" + "m" * 240: 0.1 for index in range(100)},
     "dataset_digest": f"sha256:{number:064}", "dataset_name": "d" * 200}
    for number in range(20)
]  # fmt: skip
ON_DATA = {"dataset_digest": f"sha256:{1:064}", "dataset_name": "d" * 480}
BIG = "/api/v1/models/big"
AREA = "/api/2.0/mlflow-artifacts"
FACE = "/api/2.0/mlflow"


_RULE = {"rule": "metric", "metric": "auc", "at_least": 0.5, "explanation": "x" * 500}
LARGE_POLICY = {"policy": 1, "staging": [_RULE] * 25, "production": [_RULE] * 25}


@dataclass(frozen=True)
class Case:
    """One request. ``body`` is JSON unless it is bytes already."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] | None = None

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()


def cases(file: Mapping[str, Any]) -> dict[str, Case]:
    """The largest request to each endpoint."""
    registration = {"files": manifest(file), "anew": True, "tags": TAGS, "evaluations": EVALUATIONS}
    digests = [{"sha256": f"{number:064x}", "size": 1} for number in range(500)]
    parts = [{"number": number, "sha256": f"{number:064x}"} for number in range(1, 1001)]
    mlflow_tags = [{"key": key, "value": value} for key, value in TAGS.items()]
    named = {"name": "big", "version": "1"}
    return {
        "aliases.delete_alias": Case("DELETE", f"{BIG}/aliases/none"),
        "aliases.unprotect_alias": Case("DELETE", f"{BIG}/aliases/none/protection"),
        "aliases.get_alias": Case("GET", f"{BIG}/aliases/champion"),
        "aliases.list_alias_history": Case("GET", f"{BIG}/aliases/champion/history?limit=200"),
        "aliases.list_aliases": Case("GET", f"{BIG}/aliases?limit=200"),
        "aliases.set_alias": Case("PUT", f"{BIG}/aliases/other", {"version": 2, "reason": "x" * 2000}),
        "aliases.protect_alias": Case("PUT", f"{BIG}/aliases/other/protection", {}),
        "audit.get_audit_entry": Case("GET", f"/api/v1/audit/{UNKNOWN_ID}"),
        "audit.verify_model_history": Case("GET", f"{BIG}/history/verification"),
        "audit.list_audit": Case("GET", "/api/v1/audit?limit=200"),
        "audit.list_model_history": Case("GET", f"{BIG}/history?limit=200"),
        "audit.list_version_history": Case("GET", f"{BIG}/versions/1/history?limit=200"),
        "comparison.compare_versions": Case("GET", "/api/v1/compare?all=true&" + "&".join(
            f"v={name}" for name in ("wide:1", "big:1", "big:2", "big:3", "big:4", "big:5"))),
        "comparison.compare_file": Case("GET", "/api/v1/compare/file?v=locked:1&v=locked:2&path=requirements.txt"),
        "comparison.diff_versions": Case("GET", f"{BIG}/versions/1/diff/2?all=true"),
        "comparison.list_metric_series": Case("GET", "/api/v1/models/wide/metrics?limit=200"),
        "overview.list_attention": Case("GET", "/api/v1/attention"),
        "overview.list_changes": Case("GET", "/api/v1/changes?limit=200"),
        "overview.list_inventory": Case("GET", "/api/v1/inventory?limit=200"),
        "evidence.download_evidence": Case("GET", "/api/v1/models/wide/evidence?profile=iso-42001"),
        "files.download_archive": Case("GET", "/api/v1/models/wide/versions/1/archive"),
        "files.download_file": Case("GET", f"{BIG}/versions/1/files/0.bin"),
        "files.list_files": Case("GET", "/api/v1/models/wide/versions/1/files?limit=1000&signed=true"),
        "imports.get_import": Case("GET", f"/api/v1/imports/{UNKNOWN_ID}"),
        "imports.import_version": Case(
            "POST", f"{BIG}/imports", {"source": "https://files.example/models/x", "params": PARAMS}
        ),
        "jobs.list_jobs": Case("GET", "/api/v1/jobs?limit=200"),
        "jobs.retry_job": Case("POST", f"/api/v1/jobs/{UNKNOWN_ID}/retry"),
        "metrics.metrics": Case("GET", "/metrics"),
        "mlflow.change_webhook": Case("PATCH", f"{FACE}/webhooks/none", {}),
        "mlflow.create_model_version": Case(
            "POST", f"{FACE}/model-versions/create",
            {"name": "big", "source": "mlflow-artifacts:/area", "tags": mlflow_tags[:9]},
        ),
        "mlflow.create_registered_model": Case(
            "POST", f"{FACE}/registered-models/create", {"name": "made", "tags": mlflow_tags}
        ),
        "mlflow.create_webhook": Case(
            "POST", f"{FACE}/webhooks", {"name": "x", "url": "x" * 1_000_000, "events": [{}]}
        ),
        "mlflow.delete_model_version": Case("DELETE", f"{FACE}/model-versions/delete", named | {"version": "99"}),
        "mlflow.delete_model_version_tag": Case(
            "DELETE", f"{FACE}/model-versions/delete-tag", named | {"key": "none"}
        ),
        "mlflow.delete_registered_model": Case("DELETE", f"{FACE}/registered-models/delete", {"name": "none"}),
        "mlflow.delete_registered_model_alias": Case(
            "DELETE", f"{FACE}/registered-models/alias", {"name": "big", "alias": "none"}
        ),
        "mlflow.delete_registered_model_tag": Case(
            "DELETE", f"{FACE}/registered-models/delete-tag", {"name": "big", "key": "none"}
        ),
        "mlflow.get_download_uri": Case("GET", f"{FACE}/model-versions/get-download-uri?name=big&version=1"),
        "mlflow.get_latest_versions": Case(
            "POST", f"{FACE}/registered-models/get-latest-versions", {"name": "big", "stages": ["None"] * 5000}
        ),
        "mlflow.get_model_version": Case("GET", f"{FACE}/model-versions/get?name=big&version=1"),
        "mlflow.get_model_version_by_alias": Case("GET", f"{FACE}/registered-models/alias?name=big&alias=champion"),
        "mlflow.get_registered_model": Case("GET", f"{FACE}/registered-models/get?name=big"),
        "mlflow.get_webhook": Case("GET", f"{FACE}/webhooks/none"),
        "mlflow.health": Case("GET", "/health"),
        "mlflow.list_webhooks": Case("GET", f"{FACE}/webhooks"),
        "mlflow.release": Case("GET", "/version"),
        "mlflow.rename_registered_model": Case(
            "POST", f"{FACE}/registered-models/rename", {"name": "none", "new_name": "x"}
        ),
        "mlflow.search_model_versions": Case("GET", f"{FACE}/model-versions/search?max_results=200000"),
        "mlflow.search_registered_models": Case("GET", f"{FACE}/registered-models/search?max_results=1000"),
        "mlflow.set_model_version_tag": Case(
            "POST", f"{FACE}/model-versions/set-tag", named | {"key": "t1", "value": "y" * TAG_VALUE_LENGTH}
        ),
        "mlflow.set_registered_model_alias": Case(
            "POST", f"{FACE}/registered-models/alias", named | {"alias": "third"}
        ),
        "mlflow.set_registered_model_tag": Case(
            "POST", f"{FACE}/registered-models/set-tag",
            {"name": "big", "key": "t1", "value": "y" * TAG_VALUE_LENGTH},
        ),
        "mlflow.test_webhook": Case("POST", f"{FACE}/webhooks/none/test", {}),
        "mlflow.transition_stage": Case(
            "POST", f"{FACE}/model-versions/transition-stage", named | {"stage": "Staging"}
        ),
        "mlflow.unknown": Case("POST", f"{FACE}/nothing", b"x" * 1_000_000),
        "mlflow.update_model_version": Case(
            "PATCH", f"{FACE}/model-versions/update", named | {"description": DESCRIPTION}
        ),
        "mlflow.update_registered_model": Case(
            "PATCH", f"{FACE}/registered-models/update", {"name": "big", "description": DESCRIPTION}
        ),
        "mlflow_artifacts.abort_parts": Case(
            "POST", f"{AREA}/mpu/abort/x", {"path": "x" * 1_000_000, "upload_id": "x"}
        ),
        "mlflow_artifacts.begin_parts": Case("POST", f"{AREA}/mpu/create/x", {"path": "x", "num_parts": MOST_SIGNED}),
        "mlflow_artifacts.complete_parts": Case(
            "POST", f"{AREA}/mpu/complete/x",
            {"path": "x", "upload_id": UNKNOWN_ID,
             "parts": [{"part_number": number, "etag": "x" * 256, "url": "u" * (PART_BYTES - 512)}
                       for number in range(1, 1001)]},
        ),
        "mlflow_artifacts.delete": Case("DELETE", f"{AREA}/artifacts/none"),
        "mlflow_artifacts.download": Case("GET", f"{AREA}/artifacts/area/00001{LONG}"),
        "mlflow_artifacts.list_artifacts": Case("GET", f"{AREA}/artifacts?path=area"),
        "mlflow_artifacts.presign": Case("GET", f"{AREA}/presigned/area/00001{LONG}"),
        "mlflow_artifacts.server_info": Case("GET", "/api/3.0/mlflow/server-info"),
        "mlflow_artifacts.upload": Case("PUT", f"{AREA}/artifacts/up/load.bin", b"x" * 100_000_000),
        "models.delete_model": Case("DELETE", "/api/v1/models/none"),
        "models.get_model": Case("GET", BIG),
        "models.list_models": Case("GET", "/api/v1/models?limit=200"),
        "models.edit_model": Case("PATCH", BIG, {"tags": TAGS}),
        "models.create_model": Case("POST", "/api/v1/models", {"name": "other", "tags": TAGS}),
        "models.restore_model": Case("POST", "/api/v1/models/none/restore", {}),
        "operations.docs": Case("GET", "/docs"),
        "operations.docs_asset": Case("GET", "/docs/swagger-ui-bundle.js"),
        "operations.docs_script": Case("GET", "/docs.js"),
        "operations.livez": Case("GET", "/livez"),
        "operations.openapi": Case("GET", "/openapi.json"),
        "operations.readyz": Case("GET", "/readyz"),
        "downloads.list_downloads": Case("GET", "/api/v1/downloads?limit=200"),
        "refusals.list_refusals": Case("GET", "/api/v1/refusals?limit=200"),
        "audit.list_audit_chains": Case("GET", "/api/v1/audit/chains?limit=200"),
        "audit.list_audit_entries": Case("GET", "/api/v1/audit/entries?limit=200"),
        "sealed_log.list_sealed_entries": Case("GET", "/api/v1/audit/sealed?limit=200"),
        "sealed_log.prove_entry": Case("GET", f"/api/v1/audit/{UNKNOWN_ID}/proof"),
        "tiles.get_checkpoint": Case("GET", "/audit/checkpoint"),
        "tiles.get_log_keys": Case("GET", "/audit/keys"),
        "tiles.get_tile": Case("GET", "/audit/tile/entries/000.p/20"),
        "lineage.get_reproducibility": Case("GET", f"{BIG}/versions/2/reproducibility"),
        "lineage.list_impact": Case("GET", f"/api/v1/lineage/impact?digest=sha256:{1:064}&limit=200"),
        "search.complete_filter": Case("GET", "/api/v1/search/complete?q=tags.t1%20%3D%20"),
        "search.search_models": Case("GET", "/api/v1/search/models?limit=200"),
        "search.search_models_by_body": Case("POST", "/api/v1/search/models", {"limit": 200}),
        "search.search_versions_by_body": Case("POST", "/api/v1/search/versions", {"order_by": "tags.t1"}),
        "search.search_versions": Case("GET", "/api/v1/search/versions?limit=200&order_by=tags.t1"),
        "stages.get_stage_holder": Case("GET", f"{BIG}/stages/staging"),
        "stages.get_rollback_targets": Case("GET", f"{BIG}/rollback"),
        "stages.get_stage_options": Case("GET", f"{BIG}/versions/2/stage"),
        "stages.list_tenures": Case("GET", f"{BIG}/tenures?limit=200"),
        "stages.get_stages": Case("GET", f"{BIG}/stages"),
        "stages.roll_back": Case("POST", f"{BIG}/rollback", {"reason": "x" * 2000}),
        "stages.acknowledge_break_glass": Case(
            "POST", f"{BIG}/versions/2/break-glass/acknowledge", {"reason": "x" * 2000}
        ),
        "stages.change_stage": Case("PUT", f"{BIG}/versions/2/stage", {"stage": "staging", "reason": "x" * 2000}),
        "tokens.list_my_sessions": Case("GET", "/api/v1/me/sessions?limit=200"),
        "tokens.close_my_sessions": Case("DELETE", "/api/v1/me/sessions"),
        "tokens.revoke_my_token": Case("DELETE", "/api/v1/me/tokens/000000000000"),
        "tokens.revoke_token": Case("DELETE", "/api/v1/tokens/000000000000"),
        "tokens.get_me": Case("GET", "/api/v1/me"),
        "tokens.list_my_tokens": Case("GET", "/api/v1/me/tokens?limit=200"),
        "tokens.list_tokens": Case("GET", "/api/v1/tokens?limit=200"),
        "tokens.create_token": Case("POST", "/api/v1/tokens", {"owner": "ann", "roles": ["reader"], "name": "x" * 255}),
        "transfer.receive": Case("PUT", "/transfer/none", b"x" * 1_000_000),
        "transfer.serve": Case("GET", "/transfer/none"),
        "uploads.complete_upload": Case("POST", f"/api/v1/uploads/{UNKNOWN_ID}/complete"),
        "uploads.complete_uploads": Case("POST", "/api/v1/uploads/batch/complete", {"ids": [UNKNOWN_ID] * 500}),
        "uploads.abort_upload": Case("DELETE", f"/api/v1/uploads/{UNKNOWN_ID}"),
        "uploads.list_upload_parts": Case("GET", f"/api/v1/uploads/{UNKNOWN_ID}/parts"),
        "uploads.get_upload": Case("GET", f"/api/v1/uploads/{UNKNOWN_ID}"),
        "uploads.announce_upload": Case("POST", "/api/v1/uploads", digests[1]),
        "uploads.announce_uploads": Case("POST", "/api/v1/uploads/batch", {"uploads": digests}),
        "uploads.sign_upload_parts": Case("POST", f"/api/v1/uploads/{UNKNOWN_ID}/parts", {"parts": parts}),
        "versions.delete_version": Case("DELETE", f"{BIG}/versions/99"),
        "lineage.get_lineage": Case("GET", f"{BIG}/versions/1/lineage?depth=50"),
        "lineage.add_lineage": Case("POST", f"{BIG}/versions/1/lineage", {"used": ADDED}),
        "lineage.add_data_lineage": Case(
            "POST", "/api/v1/lineage/datasets", {"dataset": ADDED[0], "part_of": ADDED[1:]}
        ),
        "lineage.add_event": Case("POST", "/api/v1/lineage/events", PIPELINE_EVENT),
        "lineage.export_lineage": Case("GET", "/api/v1/models/wide/versions/1/lineage/export?format=cyclonedx-1.7"),
        "lineage.get_edge": Case("GET", "/api/v1/lineage/edges/1"),
        "lineage.put_edge": Case("PUT", "/api/v1/lineage/edges/1", {"retracted": True, "reason": "x" * 2000}),
        "requests.open_request": Case(
            "POST", "/api/v1/requests", {"model": "big", "version": 2, "target": "@a", "reason": "\x01" * 2000}
        ),
        "requests.list_requests": Case("GET", "/api/v1/requests?limit=200"),
        "requests.get_request": Case("GET", f"/api/v1/requests/{REQUEST_ID}"),
        "requests.comment_request": Case(
            "POST", f"/api/v1/requests/{REQUEST_ID}/comment", {"comment": "\x01" * 2000}
        ),
        **{
            f"requests.{act}_request": Case("POST", f"/api/v1/requests/{UNKNOWN_ID}/{act}", {"comment": "\x01" * 2000})
            for act in ("approve", "reject", "withdraw", "apply")
        },
        "holds.place_hold": Case(
            "POST", "/api/v1/holds", {"kind": "base_model", "target": "x" * 2000, "reason": "\x01" * 2000}
        ),
        "holds.list_holds": Case("GET", "/api/v1/holds?limit=200&state=all"),
        "holds.get_hold": Case("GET", "/api/v1/holds/1"),
        "holds.list_held_versions": Case("GET", "/api/v1/holds/1/versions?limit=200"),
        "holds.release_hold": Case("POST", "/api/v1/holds/2/release", {"reason": "\x01" * 2000}),
        "versions.get_version": Case("GET", f"{BIG}/versions/1"),
        "gates.get_gates": Case("GET", f"{BIG}/versions/1/gates"),
        "gates.list_evaluations": Case("GET", f"{BIG}/versions/1/gates/history?limit=200"),
        "gates.get_evaluation": Case("GET", f"{BIG}/versions/1/gates/history/{UNKNOWN_ID}"),
        "policies.set_policy": Case("PUT", f"{BIG}/policy", {"document": LARGE_POLICY, "reason": "x" * 2000}),
        "policies.get_policy": Case("GET", f"{BIG}/policy"),
        "policies.list_policies": Case("GET", f"{BIG}/policy/history?limit=200"),
        "policies.remove_policy": Case("DELETE", f"{BIG}/policy?reason={'x' * 2000}"),
        "policies.set_default_policy": Case("PUT", "/api/v1/policy", {"document": LARGE_POLICY, "reason": "x" * 2000}),
        "policies.get_default_policy": Case("GET", "/api/v1/policy"),
        "policies.list_default_policies": Case("GET", "/api/v1/policy/history?limit=200"),
        "policies.remove_default_policy": Case("DELETE", f"/api/v1/policy?reason={'x' * 2000}"),
        "policies.get_policy_document": Case("GET", f"/api/v1/policies/sha256:{'0' * 64}"),
        "policies.test_policy": Case(
            "POST", "/api/v1/policies/test", {"document": LARGE_POLICY, "against": "history", "limit": 50}
        ),
        "checks.list_checks": Case("GET", f"{BIG}/versions/1/checks?limit=200&all=true"),
        "checks.report_check": Case("POST", f"{BIG}/versions/2/checks", REPORT),
        "notes.list_notes": Case("GET", f"{BIG}/versions/1/notes?limit=200"),
        "notes.note_version": Case("POST", f"{BIG}/versions/2/notes", {"text": "\x01" * NOTE_LENGTH}),
        "versions.list_metrics": Case("GET", "/api/v1/models/wide/versions/1/metrics?limit=200"),
        "versions.list_versions": Case("GET", f"{BIG}/versions?limit=200"),
        "versions.edit_version": Case("PATCH", f"{BIG}/versions/1", {"tags": TAGS}),
        "versions.measure_version": Case(
            "POST", "/api/v1/models/wide/versions/1/metrics", {"metrics": METRICS, **ON_DATA}
        ),
        "versions.register_version": Case(
            "POST", f"{BIG}/versions", registration, {"Idempotency-Key": "the-largest-registration"}
        ),
        "versions.purge_version": Case("POST", f"{BIG}/versions/99/purge", {"reason": "x" * 2000}),
        "versions.restore_version": Case("POST", f"{BIG}/versions/99/restore", {}),
    }  # fmt: skip


def deliveries(file: Mapping[str, Any]) -> dict[str, Case]:
    """A registration that brings as many bytes as it may, beside the largest manifest that fits into the body then."""
    contents = [bytes([number]) * (inline_bytes.MOST_BYTES // inline_bytes.MOST_FILES) for number in range(32)]
    encoded = {hashlib.sha256(content).hexdigest(): b64encode(content).decode() for content in contents}
    brought = [
        {"path": f"{sha256}.bin", "size": len(content), "sha256": sha256}
        for sha256, content in zip(encoded, contents, strict=True)
    ]
    body = {"files": [*manifest(file)[:9000], *brought], "contents": encoded, "create_model": True}
    keyed = {"Idempotency-Key": "the-largest-delivery"}
    return {"a registration with its bytes": Case("POST", "/api/v1/models/brought/versions", body, keyed)}


def hostile() -> dict[str, Case]:
    """Requests that are refused, whose refusal must not cost more than what is taken."""
    lists = b'{"files": [' + b"[]," * (8 * 2**20 // 3 - 100) + b"[]]}"
    deep = b"[" * (8 * 2**20 - 1)
    short = b'{"parts": [' + b"[]," * (PART_BYTES * 1000 // 3 - 100) + b"[]]}"
    empty = b'{"files": [' + b'{"path":"a"},' * (MANIFEST_VALUES // 2 - 100) + b"{}]}"
    return {
        "a manifest of empty lists": Case("POST", f"{BIG}/versions", lists),
        "a manifest that is too deep": Case("POST", f"{BIG}/versions", deep),
        "a manifest of wrong files": Case("POST", f"{BIG}/versions", empty),
        "parts that are empty lists": Case("POST", f"{AREA}/mpu/complete/x", short),
        "a tag of a model in a million pieces": Case("POST", f"{FACE}/registered-models/create", lists[: 2**20 - 2]),
    }


def endpoints(app: Flask) -> Iterator[str]:
    """Everything that *app* serves; what browsers reach below another prefix is the same function.

    Pages are left out: they call the services of the API with fewer rows.
    """
    rules: list[Rule] = [rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith("web.")]
    yield from sorted({rule.endpoint.replace("ajax_", "") for rule in rules})
