"""Stored bytes that are missing or wrong: recorded in the audit log, and again when they are whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.models import Blob, Model, Version, VersionFile
from registry.domain.access import SYSTEM, Actor
from registry.domain.audit import AuditEntryDraft
from registry.services import audit
from registry.services.audit import row_seals

STORAGE = "storage"
MISSING, CORRUPT = "missing", "corrupt"
SUSPECT = "suspect"  # written to since it was verified, or looked for in vain: the scrubber is to read it again
ABSENT = "absent"  # the scrubber has looked for it in vain once, and is to look again before it is MISSING
DAMAGED = frozenset({MISSING, CORRUPT})
NAMED = 20


def report(session: Session, blob: Blob, condition: str) -> None:
    """Record that a locked blob is MISSING or CORRUPT, once for each time that this changes."""
    if blob.damage == condition:
        return
    before, blob.damage = blob.damage, condition
    _record_damage(session, blob, f"blob.{condition}", before=before, after=condition, actor=SYSTEM)


def suspect(session: Session, blobs: Iterable[Blob]) -> None:
    """Let the scrubber read *blobs*, as they were read, next, and record the result in the audit log.

    Until then an announcement of their digests returns an upload target. Known damage stays recorded.
    """
    keys = {blob.sha256: blob.key for blob in blobs if blob.damage is None}
    # Blobs are locked in the order of their digests everywhere.
    rows = select(Blob).where(Blob.sha256.in_(keys), Blob.damage.is_(None)).order_by(Blob.sha256)
    for blob in session.scalars(rows.with_for_update().execution_options(populate_existing=True)).all():
        if blob.key == keys[blob.sha256]:  # another object may have taken the place of the one that was looked at
            blob.damage, blob.checked_at = SUSPECT, None


def look_soon(session: Session, digests: Collection[str]) -> None:
    """Make the blobs due, as if the scrubber had not looked at them yet: no suspicion, and no new upload."""
    rows = select(Blob).where(Blob.sha256.in_(digests)).order_by(Blob.sha256).with_for_update()
    for blob in session.scalars(rows.execution_options(populate_existing=True)):
        blob.checked_at = None


def repair(session: Session, blob: Blob, *, key: str, etag: str | None, actor: Actor) -> None:
    """Record that a locked blob is whole, in the object *key*."""
    before, blob.damage = blob.damage, None
    key_before, blob.key, blob.checked_at = blob.key, key, None
    mark(blob, etag)
    if before not in DAMAGED and key == key_before:
        return  # a suspicion was never recorded
    facts = {"key_before": key_before}
    _record_damage(session, blob, "blob.repaired", before=before, after=None, actor=actor, facts=facts)


def mark(blob: Blob, etag: str | None) -> None:
    """Note the store's mark of a locked blob's object, whose bytes were just found to be whole."""
    blob.etag, blob.seal = etag, row_seals.of_blob(blob.sha256, blob.size, blob.key, etag)


def _record_damage(
    session: Session,
    blob: Blob,
    action: str,
    *,
    before: str | None,
    after: str | None,
    actor: Actor,
    facts: Mapping[str, str] = MappingProxyType({}),
) -> None:
    chain = audit.lock_chain(session, STORAGE)
    event = audit.begin(chain)
    draft = AuditEntryDraft(
        action,
        {},
        before={"damage": before},
        after={"damage": after, "key": blob.key, "size": str(blob.size), "versions": _users(session, blob)},
        digests={"blob": f"sha256:{blob.sha256}"},
        facts=facts,
    )
    audit.record(session, chain, event, draft, actor=actor)


def _users(session: Session, blob: Blob) -> list[str]:
    """Return some of the versions that the blob belongs to, for readers of the entry."""
    rows = session.execute(
        select(Model.name, Version.number)
        .join(Version, Version.model_id == Model.id)
        .join(VersionFile, VersionFile.version_id == Version.id)
        .where(VersionFile.sha256 == blob.sha256)
        .distinct()
        .order_by(Model.name, Version.number)
        .limit(NAMED)
    )
    return [f"{name}:{number}" for name, number in rows]
