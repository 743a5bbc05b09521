"""Every column of the schema that verification does not compare with the log, and why.

A change of any other column must be found by verification. What is SEALED does nothing once it was changed.
"""

from __future__ import annotations

from collections.abc import Mapping

_KEY = "a key that only other rows and the order refer to; both are compared"
_CHANGED = "the time or the count of the last change of any kind: shown, and part of ETags; history does not rest on it"
_LEASE = "which worker is at it, and how often it was tried"
_WORK = dict.fromkeys(("lease_id", "leased_until", "attempts", "parked_at", "parked_reason"), _LEASE)
_PROGRESS = "how far the work is; what came of it is in the history of the model"
_DATED = "dates a row that no answer shows"

SEALED: Mapping[str, tuple[str, ...]] = {
    "uploads": ("id", "created_by", "sha256", "size", "key", "state", "seal"),
    "imports": ("id", "model_id", "version_id", "source", "facts", "permissions", "created_by", "token_id", "seal"),
    "run_refreshes": ("id", "model_id", "version_id", "server", "run_id", "logged_model", "seal"),
    "idempotency_keys": (
        "principal", "key", "fingerprint", "status", "reply", "etag", "location", "permissions", "seal",
    ),
    "alias_requests": (
        "version_id", "alias", "tenure_id", "may_promote", "requested_at", "requested_by", "token_id", "seal",
    ),
}  # fmt: skip

UNREAD: Mapping[str, Mapping[str, str] | str] = {
    "tokens": {
        "last_used_on": "the day of the last use is for people who tidy up",
        "key_id": "says which tokens need an earlier key; whether one is accepted rests on its hash",
    },
    "idempotency_keys": {"created_at": "says only when the reply is forgotten"},
    "alias_requests": {"id": _KEY},
    "blobs": {
        "verified_at": _DATED,
        "checked_at": "says only when the scrubber reads it next",
        "unreferenced_since": "says only from when on the collector looks whether anything needs it",
        "recognizer": "says only whether workers read it; formats have a column of that name which is sealed",
    },
    "blob_formats": dict.fromkeys(("attempts", "attempted_at"), _LEASE),
    "uploads": {
        **_WORK,
        "reason": _PROGRESS,
        "part_size": "how a client sends the bytes, which are hashed afterwards",
        "handle": "where the store keeps parts, whose bytes are hashed afterwards",
        "created_at": _DATED,
        "expires_at": "says until when bytes may come, which are hashed then",
    },
    "strays": "objects that no row knows; before one is deleted, the rows that could know it are asked again",
    "artifacts": _WORK,
    "audit_commit_base": "orders entries that are still to come; those that are there have an order that is compared, "
    "and on PostgreSQL the service cannot write it",
    "audit_tree": dict.fromkeys(
        ("backfill_next", "backfill_until"),
        "how far the sealing of old entries is; one that would be left out or sealed twice is found",
    ),
    "audit_checkpoints": {
        "signed_at": _DATED,
        "published_at": "whether it is shown; one that was shown and is hidden is a rollback for each reader of it",
    },
    "former_names": {"id": _KEY},
    "models": dict.fromkeys(("row_version", "updated_at", "revised_at"), _CHANGED),
    "versions": dict.fromkeys(("row_version", "updated_at", "revised_at"), _CHANGED),
    "version_metrics": {"id": "a key; that its order is the order of recording is compared"},
    "alias_tenures": {"id": _KEY},
    "imports": {
        **_WORK,
        **dict.fromkeys(("state", "reason", "files", "bytes", "number", "finished_at"), _PROGRESS),
        "ignored": "what of a source no version has; nothing rests on it",
        "created_at": _DATED,
    },
    "run_refreshes": {
        **_WORK,
        **dict.fromkeys(("state", "reason", "due_at", "finished_at"), _PROGRESS),
        "created_at": "until when a worker looks; what it finds is recorded when it is added",
        "created_by": "whose registration it was is in the history of the model",
    },
    "holds": {"id": _KEY},
    "requests": dict.fromkeys(("due_at", "last_refusal"), "when a worker tries next, and what came of it last"),
    "request_acts": {"id": _KEY},
    "lineage_nodes": {"created_at": _DATED},
    "lineage_edges": {"id": _KEY, "created_at": _DATED},
    "lineage_statements": {"id": _KEY},
    "worker_heartbeats": "signs of life, which say nothing of models",
    "census": "counts for metrics, made again by a worker",
    "login_failures": "counts that are deleted after a while; they limit logins and answer nothing",
    "downloads": "counts that are deleted after a while; docs say that they prove nothing",
    "refusals": "counts that are deleted after a while; docs say that they prove nothing",
    "registry": {
        "key": "there is one row",
        "id": "compared with the identity that the store carries, at the start and before anything is deleted",
        "epoch": "as the id; from the first restoration on it is compared with the log as well",
        "created_at": _DATED,
        "secret_keys": "compared with the key in use at every start; from the first rotation on with the log as well",
    },
    "compatible_releases": "which releases may serve; on PostgreSQL the service cannot write it",
}


def is_unread(table: str, column: str) -> bool:
    """Return whether the column is declared as one that no answer or decision about history is read from."""
    declared = UNREAD.get(table, {})
    return isinstance(declared, str) or column in declared
