"""Every route that writes: those that can change a stage, a protected alias or a policy, and why the others cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MODEL, V1, V2 = "/models/fraud", "/models/fraud/versions/1", "/models/fraud/versions/2"
CHAMPION = f"{MODEL}/aliases/champion"
WHY = {"reason": "round it"}
DOCUMENT = {"document": {"policy": 1}, **WHY}
SOURCE = "https://sources.test/models/fraud.bin"
MLFLOW = "/api/2.0/mlflow"


@dataclass(frozen=True, slots=True)
class Way:
    """A request of *role* that would lead round the policy; *guard* is what refuses it.

    In the world of the attempt, version 1 of ``fraud`` is in production and has the alias ``champion``, version 2 is in
    staging with an open ``request`` for production; neither meets the policy, which protects the alias.
    """

    guard: str
    role: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None


GATES = "services.gates.verdicts, below services.stages.transitions and services.catalog.alias_gates"
PROMOTE = "version:promote, where the version is in production or the alias is protected"
LIFECYCLE = "model:lifecycle, and version:promote while a version is in production; gates hold in lifecycle open too"
NEVER_HELD = "a rollback leads to a version that was in production, and never to a held or damaged one"
POLICY = "policy:set"
GUARDED: Mapping[str, Way] = {
    "stages.change_stage": Way(GATES, "promoter", "PUT", f"{V2}/stage", {"stage": "production", **WHY}),
    "stages.roll_back": Way(NEVER_HELD, "promoter", "POST", f"{MODEL}/rollback", {"to": 2, **WHY}),
    "aliases.set_alias": Way(GATES, "promoter", "PUT", CHAMPION, {"version": 2}),
    "aliases.delete_alias": Way(PROMOTE, "writer", "DELETE", CHAMPION),
    "aliases.unprotect_alias": Way("the policy protects it", "promoter", "DELETE", f"{CHAMPION}/protection"),
    "versions.register_version": Way(
        GATES, "promoter", "POST", f"{MODEL}/versions", {"files": [], "aliases": ["champion"]}
    ),
    "imports.import_version": Way(
        PROMOTE, "admin", "POST", f"{MODEL}/imports", {"source": SOURCE, "aliases": ["champion"]}
    ),
    "holds.place_hold": Way(
        NEVER_HELD, "promoter", "POST", "/holds", {"kind": "version", "target": "fraud:1", "rollback": True, **WHY}
    ),
    "requests.apply_request": Way(GATES, "promoter", "POST", "/requests/{request}/apply", {}),
    "versions.delete_version": Way("it is in use", "promoter", "DELETE", V1),
    "models.edit_model": Way(LIFECYCLE, "admin", "PATCH", MODEL, {"lifecycle": "open", **WHY}),
    "models.delete_model": Way("it is in use; a new model of the name inherits its policy", "admin", "DELETE", MODEL),
    "policies.set_policy": Way(POLICY, "promoter", "PUT", f"{MODEL}/policy", DOCUMENT),
    "policies.remove_policy": Way(POLICY, "promoter", "DELETE", f"{MODEL}/policy?reason=x"),
    "policies.set_default_policy": Way(POLICY, "promoter", "PUT", "/policy", DOCUMENT),
    "policies.remove_default_policy": Way(POLICY, "promoter", "DELETE", "/policy?reason=x"),
    "mlflow.transition_stage": Way(
        GATES, "promoter", "POST", f"{MLFLOW}/model-versions/transition-stage",
        {"name": "fraud", "version": "2", "stage": "Production", "archive_existing_versions": True},
    ),
    "mlflow.set_registered_model_alias": Way(
        GATES, "promoter", "POST", f"{MLFLOW}/registered-models/alias",
        {"name": "fraud", "alias": "champion", "version": "2"},
    ),
    "mlflow.delete_registered_model_alias": Way(
        PROMOTE, "writer", "DELETE", f"{MLFLOW}/registered-models/alias", {"name": "fraud", "alias": "champion"}
    ),
    "mlflow.delete_model_version": Way(
        "it is in use", "promoter", "DELETE", f"{MLFLOW}/model-versions/delete", {"name": "fraud", "version": "1"}
    ),
    "mlflow.delete_registered_model": Way(
        "it is in use", "admin", "DELETE", f"{MLFLOW}/registered-models/delete", {"name": "fraud"}
    ),
    "mlflow.rename_registered_model": Way(
        PROMOTE, "admin", "POST", f"{MLFLOW}/registered-models/rename", {"name": "fraud", "new_name": "other"}
    ),
    "web.set_policy": Way(POLICY, "promoter", "POST", f"{MODEL}/policy/set", {"document": "policy: 1", **WHY}),
    "web.set_default_policy": Way(POLICY, "promoter", "POST", "/policy/set", {"document": "policy: 1", **WHY}),
    "web.remove_policy": Way(POLICY, "promoter", "POST", f"{MODEL}/policy/remove", WHY),
    "web.remove_default_policy": Way(POLICY, "promoter", "POST", "/policy/remove", WHY),
    "web.move": Way(GATES, "promoter", "POST", f"{V2}/stage", {"to": "production", **WHY}),
    "web.break_glass": Way(
        "version:break_glass", "promoter", "POST", f"{V2}/break-glass", {"to": "production", **WHY}
    ),
    "web.hold_version": Way(NEVER_HELD, "promoter", "POST", f"{V1}/hold", {"rollback": "yes", **WHY}),
    "web.apply_request": Way(GATES, "promoter", "POST", "/requests/{request}/apply", WHY),
    "web.rollback": Way(NEVER_HELD, "promoter", "POST", f"{MODEL}/rollback", {"to": "2", **WHY}),
    "web.set_alias": Way(GATES, "promoter", "POST", CHAMPION, {"version": "2", "expected": "1", **WHY}),
    "web.new_alias": Way(GATES, "promoter", "POST", f"{MODEL}/aliases", {"alias": "Champion", "version": "2", **WHY}),
    "web.delete_alias": Way(PROMOTE, "writer", "POST", f"{CHAMPION}/delete", WHY),
    "web.lifecycle": Way(LIFECYCLE, "admin", "POST", f"{MODEL}/lifecycle", {"lifecycle": "open", **WHY}),
    "web.delete_model": Way("it is in use", "admin", "POST", f"{MODEL}/delete", {"name": "fraud", **WHY}),
    "web.delete_version": Way("it is in use", "promoter", "POST", f"{V1}/delete", WHY),
}  # fmt: skip

_TEXTS = "changes texts, tags or metrics, which the gates read when a version moves"
_BYTES = "brings bytes in; an alias that waits for them is set under the gates when the version is ready"
_CREDENTIALS = "changes credentials or what a browser keeps"
_LINEAGE = "adds lineage, which the gates read when a version moves"
_NEW = "creates something without a stage and without aliases; a new model inherits the policy of its name"
_BACK = "brings back what was deleted as it was: a version without a stage, a model with its own policy and stages"
_AREA = "changes files that no version has yet"
_READS = "reads"
_ASKS = "changes a request, and moves nothing; a worker applies it under the gates, in the name of its requester"
_ONLY_AWAY = "takes versions out of staging only, or frees bytes of a deleted one"
CANNOT: Mapping[str, str] = {
    "aliases.protect_alias": "protects one alias more",
    "checks.report_check": "reports a result; whether the reporter counts is decided by the policy",
    "holds.release_hold": "ends a hold, and moves nothing",
    "jobs.retry_job": "repeats work that was admitted, with the permissions of its request",
    "lineage.add_data_lineage": _LINEAGE,
    "lineage.add_event": _LINEAGE,
    "lineage.add_lineage": _LINEAGE,
    "lineage.put_edge": _LINEAGE,
    "mlflow.change_webhook": "is not implemented",
    "mlflow.create_model_version": _NEW,
    "mlflow.create_registered_model": _NEW,
    "mlflow.create_webhook": "is not implemented",
    "mlflow.delete_model_version_tag": _TEXTS,
    "mlflow.delete_registered_model_tag": _TEXTS,
    "mlflow.get_latest_versions": _READS,
    "mlflow.set_model_version_tag": _TEXTS,
    "mlflow.set_registered_model_tag": _TEXTS,
    "mlflow.test_webhook": "is not implemented",
    "mlflow.unknown": "is not implemented",
    "mlflow.update_model_version": _TEXTS,
    "mlflow.update_registered_model": _TEXTS,
    "mlflow_artifacts.abort_parts": _AREA,
    "mlflow_artifacts.begin_parts": _AREA,
    "mlflow_artifacts.complete_parts": _AREA,
    "mlflow_artifacts.delete": _AREA,
    "mlflow_artifacts.upload": _AREA,
    "models.create_model": _NEW,
    "models.restore_model": _BACK,
    "notes.note_version": _TEXTS,
    "policies.test_policy": _READS,
    "requests.approve_request": _ASKS,
    "requests.comment_request": _ASKS,
    "requests.open_request": _ASKS,
    "requests.reject_request": _ASKS,
    "requests.withdraw_request": _ASKS,
    "search.search_models_by_body": _READS,
    "search.search_versions_by_body": _READS,
    "stages.acknowledge_break_glass": "ends the mark of a move that was made, by request:approve",
    "tokens.close_my_sessions": _CREDENTIALS,
    "tokens.create_token": _CREDENTIALS,
    "tokens.revoke_my_token": _CREDENTIALS,
    "tokens.revoke_token": _CREDENTIALS,
    "transfer.receive": _BYTES,
    "uploads.abort_upload": _BYTES,
    "uploads.announce_upload": _BYTES,
    "uploads.announce_uploads": _BYTES,
    "uploads.complete_upload": _BYTES,
    "uploads.complete_uploads": _BYTES,
    "uploads.sign_upload_parts": _BYTES,
    "versions.edit_version": _TEXTS,
    "versions.measure_version": _TEXTS,
    "versions.purge_version": _ONLY_AWAY,
    "versions.restore_version": _BACK,
    "web.acknowledge_break_glass": "ends the mark of a move that was made, by request:approve",
    "web.add_data": _LINEAGE,
    "web.add_lineage": _LINEAGE,
    "web.add_note": _TEXTS,
    "web.approve_request": _ASKS,
    "web.archive_older": _ONLY_AWAY,
    "web.close_session": _CREDENTIALS,
    "web.close_sessions": _CREDENTIALS,
    "web.comment_request": _ASKS,
    "web.edit_model": _TEXTS,
    "web.edit_version": _TEXTS,
    "web.login": _CREDENTIALS,
    "web.logout": _CREDENTIALS,
    "web.new_hold": "places a hold, and moves nothing",
    "web.new_model": _NEW,
    "web.new_token": _CREDENTIALS,
    "web.open_request": _ASKS,
    "web.reject_request": _ASKS,
    "web.release_hold": "ends a hold, and moves nothing",
    "web.restore_model": _BACK,
    "web.restore_version": _BACK,
    "web.revoke_my_token": _CREDENTIALS,
    "web.revoke_token": _CREDENTIALS,
    "web.settings": _CREDENTIALS,
    "web.state_edge": _LINEAGE,
    "web.withdraw_request": _ASKS,
}
