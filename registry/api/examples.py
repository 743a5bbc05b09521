"""The examples of the OpenAPI document: one story about the model ``fraud``.

Version 1 is in production when it begins. A test sends each request to a server and compares the responses.
"""

from __future__ import annotations

import hashlib
from typing import Any

from registry.api.schemas.search import VERSIONS_FILTER
from registry.domain.access import Role, permissions_of
from registry.rules.manifest import digest as manifest_digest

CONTENT, EARLIER_CONTENT = b"an example of a model", b"an earlier model"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file(content: bytes) -> dict[str, Any]:
    sha256 = _sha256(content)
    return {"path": "model.bin", "size": len(content), "sha256": sha256, "media_type": "application/octet-stream"}


TRAINING, TEST = f"sha256:{_sha256(b'payments')}", f"sha256:{_sha256(b'payments-test')}"
MANIFEST = manifest_digest([_file(CONTENT)])

MODEL = {"name": "fraud", "description": "Scores card payments.", "tags": {"team": "risk"}}
MODEL_CHANGE = {"tags": {"tier": "1", "old": None}, "reason": "reviewed by the risk team"}
UPLOAD = {"sha256": _sha256(CONTENT), "size": len(CONTENT)}
REGISTRATION = {
    "files": [_file(CONTENT)],
    "description": "Trained on the payments of November.",
    "tags": {"season": "autumn"},
    "params": {"max_depth": "6"},
    "framework": "sklearn",
    "run": {"system": "github", "id": "8123456789", "url": "https://ci.example.com/runs/8123456789"},
    "code": {
        "repo": "https://git.example.com/risk/fraud",
        "commit": "7b1d0f6e2c9a",
        "branch": "main",
        "dirty": False,
        "command": "python train.py",
    },
    "datasets": [{"name": "payments", "digests": [TRAINING], "uri": "s3://data/payments", "role": "train"}],
}
VERSION_CHANGE = {"tags": {"season": None, "reviewed": "yes"}, "reason": "reviewed by the risk team"}
EVALUATION = {"metrics": {"auc": 0.93}, "dataset_digest": TEST, "dataset_name": "payments-test", "slice": ""}
NOTE = {"text": "The test data lacks payments of September: do not compare the AUC with version 1."}
CHECK = {
    "name": "bias-audit",
    "status": "passed",
    "url": "https://ci.example.com/runs/8123456790",
    "summary": "no difference between regions above 0.5 %",
}
ALIAS = {"version": 2, "reason": "the best one on payments-test"}
PROMOTION = {"stage": "production", "reason": "AUC 0.93 on payments-test", "expected_current": 1}
ACKNOWLEDGEMENT = {"reason": "outage of 30 November; the gates are met since"}
VERSION_SEARCH = {"filter": VERSIONS_FILTER, "order_by": "metrics.auc DESC", "limit": 10}
ROLLBACK = {"reason": "false alarms since the promotion", "expected_current": 2}
TOKEN = {"owner": "ci", "roles": ["writer"], "name": "training pipeline", "expires_in_days": 30}


_LINEAGE = {
    "run": {
        "system": "github",
        "id": "8123456789",
        "url": "https://ci.example.com/runs/8123456789",
        "params": {},
        "metrics": {},
        "unmeasured": {},
        "tags": {},
        "triggered_by": None,
        "started_at": None,
        "finished_at": None,
    },
    "code": {
        "repo": "https://git.example.com/risk/fraud",
        "commit": "7b1d0f6e2c9a",
        "branch": "main",
        "path": None,
        "dirty": False,
        "command": "python train.py",
    },
    "environment": None,
    "datasets": [
        {
            "name": "payments",
            "digests": [TRAINING],
            "uri": "s3://data/payments",
            "role": "train",
            "rows": None,
            "schema": None,
        }
    ],
    "parents": [],
    "base_models": [],
}
_VERSION = {
    "model": "fraud",
    "number": 2,
    "state": "ready",
    "state_reason": None,
    "stage": "none",
    "rolled_back": False,
    "break_glass": None,
    "manifest_digest": MANIFEST,
    "file_count": 1,
    "size": len(CONTENT),
    "damaged": False,
    "description": "Trained on the payments of November.",
    "tags": {"season": "autumn"},
    "aliases": [],
    "holds": [],
    "params": {"max_depth": "6"},
    "metrics": {},
    "evaluations": [],
    "framework": "sklearn",
    "signature": None,
    "lineage": _LINEAGE,
    "run_state": None,
    "source": None,
    "claimed": None,
    "created_at": "2026-11-21T13:05:02.118000Z",
    "created_by": "ci",
    "updated_at": "2026-11-21T13:05:02.118000Z",
    "deleted_at": None,
    "purged_at": None,
}
_EARLIER = _VERSION | {
    "number": 1,
    "stage": "production",
    "manifest_digest": manifest_digest([_file(EARLIER_CONTENT)]),
    "size": len(EARLIER_CONTENT),
    "description": "",
    "tags": {},
    "params": {},
    "framework": None,
    "lineage": {"run": None, "code": None, "environment": None, "datasets": [], "parents": [], "base_models": []},
    "created_at": "2026-10-17T08:30:11.002000Z",
    "updated_at": "2026-11-21T16:40:55.731000Z",
}
_MEASURED = {
    "metrics": {"auc": 0.93},
    "evaluations": [
        {"metric": "auc", "value": 0.93, "dataset_digest": TEST, "dataset_name": "payments-test", "slice": ""}
    ],
    "updated_at": "2026-11-21T13:06:40.901000Z",
}
_PROMOTED = {"stage": "production", "aliases": ["champion"], "updated_at": "2026-11-21T13:20:00.250000Z"}
PROMOTION_ENTRY_ID = "3b4f064f-ef97-4a40-98cc-4bd42bb0e5e1"

CREATED_MODEL: dict[str, Any] = {
    "id": "1dc34f19-5f1a-4ef8-9783-ec58c495751d",
    "name": "fraud",
    "description": "Scores card payments.",
    "tags": {"team": "risk"},
    "lifecycle": "enforced",
    "state": "active",
    "latest_version": None,
    "stages": {"staging": [], "production": []},
    "aliases": {},
    "protected_aliases": [],
    "claimed": None,
    "created_at": "2026-10-17T08:30:10.452000Z",
    "created_by": "ann",
    "updated_at": "2026-10-17T08:30:10.452000Z",
    "deleted_at": None,
}
VERIFIED_UPLOAD = {
    "id": "9c985dce-891d-475f-bc18-81706e9d7bed",
    "state": "verified",
    "sha256": _sha256(CONTENT),
    "size": len(CONTENT),
    "expires_at": "2026-11-22T13:05:01.591000Z",
    "reason": None,
    "part_size": None,
    "target": None,
}
ANNOUNCED_UPLOAD = VERIFIED_UPLOAD | {
    "state": "pending",
    "target": {
        "method": "PUT",
        "url": "https://registry.example.com/transfer/.eJyljVsOAiEMAO_S78WlQIHuZUxbIBpNNK4fPuLd…",
        "headers": {"Content-Type": "application/octet-stream"},
        "expires_at": "2026-11-21T13:10:01.591000Z",
    },
}
REGISTERED = {"created": True, "updated": [], "version": _VERSION}
MEASURED = _VERSION | _MEASURED
NOTED = {
    "id": "6f6ee1b1-7fd1-4f0a-9f4c-0f3ad9e0c7d6",
    "model": "fraud",
    "version": 2,
    "at": "2026-11-21T13:06:55.118000Z",
    "author": "ann",
    "text": NOTE["text"],
    "redacted": False,
}
CHECKED = {
    "id": "b0a3f2a5-3a8e-4a5c-9a53-6a9b3f1f4a20",
    "model": "fraud",
    "version": 2,
    **CHECK,
    "manifest_digest": MANIFEST,
    "at": "2026-11-21T13:07:02.204000Z",
    "reporter": "ci-bias",
    "redacted": False,
}
ALIASED = {
    "model": "fraud",
    "alias": "champion",
    "number": 2,
    "manifest_digest": MANIFEST,
    "since": "2026-11-21T13:07:12.637000Z",
    "until": None,
    "entry": "35a3bd7f-7aa4-4a9b-8cae-26643292bc1f",
    "actor": "ann",
    "reason": "the best one on payments-test",
    "break_glass": None,
    "holds": [],
    "state": "ready",
    "protected": False,
}
PROMOTED = {
    "model": "fraud",
    "number": 2,
    "kind": "promote",
    "source": "staging",
    "target": "production",
    "changed": True,
    "displaced": 1,
    "dry_run": False,
    "at": "2026-11-21T13:20:00.250000Z",
    "version": _VERSION | _MEASURED | _PROMOTED,
    "warnings": [],
    "entry": PROMOTION_ENTRY_ID,
    "gates": None,
}
HOLDER = {
    "model": "fraud",
    "stage": "production",
    "number": 2,
    "manifest_digest": MANIFEST,
    "since": "2026-11-21T13:20:00.250000Z",
    "until": None,
    "entry": PROMOTION_ENTRY_ID,
    "kind": "promote",
    "actor": "ann",
    "reason": "AUC 0.93 on payments-test",
    "break_glass": None,
    "holds": [],
}
_LASTING = {"ended_kind": None, "ended_entry": None, "ended_by": None, "ended_reason": None, "successor": None}
_EARLIER_TENURE = HOLDER | {
    "number": 1,
    "manifest_digest": _EARLIER["manifest_digest"],
    "since": "2026-10-17T09:02:44.118000Z",
    "until": "2026-11-21T13:20:00.250000Z",
    "entry": "f1f0a8a4-5c37-4b58-9d0e-0a3a7f0f6f5e",
    "reason": "arranged",
    "holds": [],
    "ended_kind": "supersede",
    "ended_entry": PROMOTION_ENTRY_ID,
    "ended_by": "ann",
    "ended_reason": "AUC 0.93 on payments-test",
    "successor": 2,
    "state": "ready",
    "rolled_back": False,
}
TENURES = {
    "items": [HOLDER | _LASTING | {"state": "ready", "rolled_back": False}, _EARLIER_TENURE],
    "next_cursor": None,
}
WAYS_BACK = {
    "model": "fraud",
    "holder": 2,
    "target": 1,
    "refusal": None,
    "earlier": [{"number": 1, "tenure": _EARLIER_TENURE, "refusal": None}],
    "more": False,
}
_MOVABLE = {"allowed": True, "leave_vacant": False, "refusal": None, "forbidden": None, "gates": None}
OPTIONS = {
    "model": "fraud",
    "number": 2,
    "stage": "staging",
    "holder": 1,
    "options": [
        {"stage": "none", "move": {"kind": "demote", "displaced": None}, **_MOVABLE},
        {"stage": "production", "move": {"kind": "promote", "displaced": 1}, **_MOVABLE},
        {"stage": "archived", "move": {"kind": "archive", "displaced": None}, **_MOVABLE},
    ],
}
COMPLETION = {"start": 8, "end": 12, "items": [{"text": "'production'", "kind": "value"}]}
FOUND = {"items": [_VERSION | _MEASURED | _PROMOTED], "next_cursor": None, "warnings": [], "best": None}
INVENTORY = {
    "items": [HOLDER | {"named": "fraud", "now": 2, "staged": None, "damaged": False, "uncertain": False}],
    "next_cursor": None,
    "at": "2026-11-21T14:02:11.004000Z",
    "since": "2026-11-21T13:20:00.250000Z",
    "previous_change": "2026-11-21T09:14:40.101000Z",
    "next_change": None,
    "warnings": [],
}
ATTENTION = {
    "items": [
        {
            "kind": "unrecorded",
            "model": "fraud",
            "version": 1,
            "since": "2026-11-21T16:40:55.731000Z",
            "text": "it is in production without training data",
        }
    ],
    "more": [],
    "requests": [],
}
ROLLED_BACK = {
    "model": "fraud",
    "number": 1,
    "kind": "rollback",
    "source": "archived",
    "target": "production",
    "changed": True,
    "displaced": 2,
    "dry_run": False,
    "at": "2026-11-21T16:40:55.731000Z",
    "version": _EARLIER,
    "warnings": [],
    "entry": "0c7d2f0e-6f0f-4e0b-9f57-3c4b8d0b2f11",
    "gates": None,
}
ISSUED = {
    "id": "EOuE2hW2teM9",
    "owner": "ci",
    "name": "training pipeline",
    "roles": ["writer"],
    "created_at": "2026-11-21T09:00:00.779000Z",
    "created_by": "root",
    "expires_at": "2026-12-21T09:00:00.779000Z",
    "last_used_on": None,
    "revoked_at": None,
    "token": "mrp_EOuE2hW2teM9…",
}
ME = {
    "id": "5c0e8f4b-2f53-4c0c-a8f8-31dca2bd7a60",
    "name": "ci",
    "kind": "user",
    "roles": ["writer"],
    "permissions": sorted(permissions_of([Role.WRITER])),
    "token": {
        "id": "EOuE2hW2teM9",
        "name": "training pipeline",
        "expires_at": "2026-12-21T09:00:00.779000Z",
        "issued_by": "root",
    },
    "foreign_tokens": 1,
    "mode": "production",
}
