"""Seals of rows that act or answer though no entry commits to them, keyed as those of audit entries.

They are uploads (the account, and the state of the bytes), imports (the request, and its account) and the kept replies
to an ``Idempotency-Key``. So are blobs (the verified object), formats of blobs, and run refreshes (the run that is read
for a version). SQL alone cannot write such a seal: a row without one, or one that was changed, does nothing. Code that
changes a sealed column seals the row again. An unknown text is sealed as "", also where the row has NULL.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import Import, Registry, RunRefresh, Upload
from registry.domain import fact_digests
from registry.domain.states import ARRIVED, UploadState
from registry.services.audit import sealing

UNSEALED_UNTIL = select(Registry.unsealed_until)
REPLY = ("principal", "key", "fingerprint", "status", "reply", "etag", "location", "permissions")
PROVING = ARRIVED | {UploadState.JOINED}  # the states of an upload that prove that its bytes are stored


def seal_upload(upload: Upload) -> None:
    """Seal a new upload, or one whose state, size or digest has changed."""
    upload.seal = sealing.seal(upload_leaf(upload))


def seal_import(row: Import) -> None:
    """Seal a new import; one that is done needs none."""
    row.seal = sealing.seal(import_leaf(row))


def seal_refresh(row: RunRefresh) -> None:
    """Seal a new refresh of a run."""
    row.seal = sealing.seal(refresh_leaf(row))


def upload_leaf(row: Any) -> str:
    """Return what is sealed of an upload, or of a row with its columns."""
    state = row.state if row.state in PROVING else "open"
    return _leaf("upload", [row.id, row.created_by, row.sha256 or "", row.size, row.key, state])


def import_leaf(row: Any) -> str:
    """Return what is sealed of an import, or of a row with its columns."""
    said = [row.id, row.model_id, row.version_id, row.source, fact_digests.document(row.facts)]
    return _leaf("import", [*said, row.permissions, row.created_by, row.token_id])


def refresh_leaf(row: Any) -> str:
    """Return what is sealed of the refresh of a run, or of a row with its columns."""
    return _leaf("refresh", [row.id, row.model_id, row.version_id, row.server or "", row.run_id, row.logged_model])


def blob_leaf(sha256: str, size: int, key: str, etag: str | None) -> str:
    """Return what is sealed of a blob."""
    return _leaf("blob", [sha256, size, key, etag])


def format_leaf(sha256: str, recognizer: int, name: str, executes_code: str, detail: str) -> str:
    """Return what is sealed of the format of a blob."""
    return _leaf("format", [sha256, recognizer, name, executes_code, detail])


def reply_leaf(row: Mapping[str, Any]) -> str:
    """Return what is sealed of a kept reply."""
    return _leaf("reply", [row[name] for name in REPLY])


def of_blob(sha256: str, size: int, key: str, etag: str | None) -> str:
    """Return the seal of a blob."""
    return sealing.seal(blob_leaf(sha256, size, key, etag))


def of_format(sha256: str, recognizer: int, name: str, executes_code: str, detail: str) -> str:
    """Return the seal of the format of a blob."""
    return sealing.seal(format_leaf(sha256, recognizer, name, executes_code, detail))


def of_reply(row: Mapping[str, Any]) -> str:
    """Return the seal of a kept reply."""
    return sealing.seal(reply_leaf(row))


def is_true(seal: str | None, leaf: str) -> bool:
    """Return whether a stored seal is that of one of this service's keys over *leaf*."""
    return seal is not None and sealing.matches(seal, leaf)


def is_ours(seal: str | None) -> bool:
    """Return whether a stored seal claims to be keyed with one of this service's secrets."""
    return seal is not None and sealing.knows_key_of(seal)


def genuine(session: Session, uploads: Iterable[Any]) -> list[Any]:
    """Return those of the uploads that the service wrote as they are."""
    all_uploads = list(uploads)
    sealed = [row for row in all_uploads if is_true(row.seal, upload_leaf(row))]
    return all_uploads if len(sealed) < len(all_uploads) and accepts_unsealed(session) else sealed


def is_genuine_import(session: Session, row: Any) -> bool:
    """Return whether this service wrote the facts of an import."""
    return is_true(row.seal, import_leaf(row)) or accepts_unsealed(session)


def accepts_unsealed(session: Session) -> bool:
    """Return whether any row counts as sealed now: an earlier release may serve at the same time."""
    return is_rollout(session.scalar(UNSEALED_UNTIL))


def is_rollout(until: datetime | None) -> bool:
    """Return whether the time of ``Registry.unsealed_until`` is still to come."""
    return until is not None and times.now() < until


def _leaf(kind: str, values: list[Any]) -> str:
    return f"{kind} {json.dumps(values, sort_keys=True, separators=(',', ':'))}"
