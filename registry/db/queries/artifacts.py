"""Which bytes there are, who may know of them, and who needs them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from registry.db.models import Artifact, Blob, Model, Upload, Version, VersionFile
from registry.domain.access import Actor, Permission
from registry.domain.stages import State

BATCH = 500


def known_blobs(session: Session, sha256s: Iterable[str], *, actor: Actor, locked: bool = False) -> dict[str, Blob]:
    """Those of the blobs that are whole and that *actor* can read, or has sent itself; nobody learns of others.

    With *locked* the collector cannot take them away before the transaction ends.
    """
    statement = _known(downloads=Permission.FILE_DOWNLOAD in actor.permissions, locked=locked)
    found: dict[str, Blob] = {}
    for some in _batches(sha256s):
        found.update((blob.sha256, blob) for blob in session.scalars(statement, {"some": some, "actor": actor.id}))
    return found


@functools.cache
def _known(*, downloads: bool, locked: bool) -> Select[Blob]:
    """Whole blobs among ``some`` that ``actor`` sent, or may read if he *downloads*."""
    statement = select(Blob).where(Blob.damage.is_(None), Blob.sha256.in_(bindparam("some", expanding=True)))
    statement = statement.where(or_(_sent_by_actor(), _readable()) if downloads else _sent_by_actor())
    statement = statement.order_by(Blob.sha256).execution_options(populate_existing=True)
    return statement.with_for_update(read=True) if locked else statement


def awaited_sizes(session: Session, sha256s: Iterable[str], *, actor: Actor) -> dict[str, int]:
    """Those of the digests whose bytes *actor* has sent and a worker is about to verify, with their sizes.

    Their uploads stay as they are until the transaction ends.
    """
    found: dict[str, int] = {}
    for some in _batches(sha256s):
        rows = session.execute(
            select(Upload.sha256, Upload.size)
            .where(Upload.state == "uploaded", Upload.created_by == actor.id, Upload.sha256.in_(some))
            .with_for_update(read=True)
        )
        found.update((sha256, size) for sha256, size in rows)
    return found


def needed(sha256: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Whether the bytes could still be asked for: by a path, or by a version neither purged nor failed."""
    in_version = exists().where(
        VersionFile.sha256 == sha256,
        VersionFile.version_id == Version.id,
        Version.purged_at.is_(None),
        Version.state != State.FAILED.value,
    )
    return or_(in_version, exists().where(Artifact.sha256 == sha256))


def backed() -> ColumnElement[bool]:
    """Whether the registry has verified bytes for a file of ``VersionFile``."""
    return exists().where(Blob.sha256 == VersionFile.sha256)


def lacking() -> ColumnElement[bool]:
    """Whether a file of ``VersionFile`` has no verified bytes that whoever registered it may refer to.

    While his own upload of them waits to be verified, or if it was found to be something else, they may be somebody
    else's: a name for bytes is no proof of having them.
    """
    return or_(~backed(), and_(_sent_by_owner("uploaded", "failed"), ~_sent_by_owner("verified")))


def count_lacking(session: Session, version: Version) -> int:
    """How many files of the version are ``lacking``."""
    statement = select(func.count()).select_from(VersionFile).where(VersionFile.version_id == version.id, lacking())
    return session.scalars(statement).one()


def keys(session: Session, version: Version) -> dict[str, str]:
    """Return the objects that hold the version's bytes, by sha256. They stay until the transaction ends."""
    files = select(VersionFile.sha256).where(VersionFile.version_id == version.id)
    stored = select(Blob.sha256, Blob.key).where(Blob.sha256.in_(files)).order_by(Blob.sha256)
    return {row.sha256: row.key for row in session.execute(stored.with_for_update(read=True))}


def _sent_by_actor() -> ColumnElement[bool]:
    actor = bindparam("actor", type_=Upload.created_by.type)
    return _any(
        select(Upload.id).where(Upload.sha256 == Blob.sha256, Upload.created_by == actor, Upload.state == "verified")
    )


def _sent_by_owner(*states: str) -> ColumnElement[bool]:
    """Whether the one who registered the file's version has an upload of its bytes in one of the states."""
    owned = aliased(Version)
    sent = exists().where(
        Upload.sha256 == VersionFile.sha256,
        Upload.state.in_(states),
        Upload.created_by == owned.created_by,
        owned.id == VersionFile.version_id,
    )
    return sent.correlate(VersionFile)


def _readable() -> ColumnElement[bool]:
    in_version = _any(
        select(VersionFile.version_id).where(
            VersionFile.sha256 == Blob.sha256,
            VersionFile.version_id == Version.id,
            Version.state == State.READY.value,  # nobody can download the files of others
            Version.model_id == Model.id,
            Model.deleted_at.is_(None),
        )
    )
    return or_(in_version, _any(select(Artifact.sha256).where(Artifact.sha256 == Blob.sha256)))


def _any(rows: Select[Any]) -> ColumnElement[bool]:
    """As EXISTS, but looked up for each blob: under an OR, PostgreSQL would first hash all the rows that there are."""
    return rows.correlate(Blob).limit(1).scalar_subquery().is_not(None)


def _batches(sha256s: Iterable[str]) -> Iterator[list[str]]:
    """In one order, so that two callers who lock the same rows do not wait for each other."""
    distinct = sorted(set(sha256s))
    return (distinct[start : start + BATCH] for start in range(0, len(distinct), BATCH))
