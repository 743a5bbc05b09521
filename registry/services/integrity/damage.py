"""Stored bytes that are missing or wrong: recorded in the audit log, and again when they are whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.db.models import Blob, Model, Version, VersionFile
from registry.db.queries import artifacts, catalog
from registry.db.records import FileRecord
from registry.db.session import reading
from registry.domain.access import SYSTEM, Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.states import Damage
from registry.services import audit
from registry.services.audit import row_seals

STORAGE = "storage"
MISSING, CORRUPT = Damage.MISSING.value, Damage.CORRUPT.value
SUSPECT = "suspect"  # written to since it was verified, or looked for in vain: the scrubber is to read it again
ABSENT = "absent"  # the scrubber has looked for it in vain once, and is to look again before it is MISSING
DAMAGED = frozenset(Damage)
NAMED = 20


@dataclass(frozen=True, slots=True)
class DamagedFiles:
    """The damaged files of a version: how many, and the first of them by path."""

    count: int = 0
    first: Sequence[FileRecord] = ()


def of_version(model: str, number: int, *, limit: int = NAMED) -> DamagedFiles:
    """Return the files of the version whose stored bytes were found to be missing or corrupt. Raises NotFound."""
    with reading() as session:
        version = catalog.any_version(session, model, number)
        damaged = artifacts.stored_files(version, Blob.damage, func.count().over()).where(Blob.damage.in_(DAMAGED))
        rows = session.execute(damaged.order_by(VersionFile.path).limit(limit)).all()
    files = [FileRecord(file.path, file.size, file.sha256, file.media_type, damage) for file, damage, _ in rows]
    return DamagedFiles(rows[0][-1] if rows else 0, files)


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
        after={"damage": after, "key": blob.key, "size": str(blob.size), "versions": users(session, blob)},
        digests={"blob": f"sha256:{blob.sha256}"},
        facts=facts,
    )
    audit.record(session, chain, event, draft, actor=actor)


def users(session: Session, blob: Blob) -> list[str]:
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
