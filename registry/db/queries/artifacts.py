"""Queries about blobs: which exist, which an actor may refer to, and which are needed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from registry.db.base import Rows
from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Artifact, Blob, Model, Upload, Version, VersionFile
from registry.db.queries.cached_fragments import Fixed
from registry.db.write_session import writing
from registry.domain.access import Actor, Permission
from registry.domain.states import ARRIVED, Damage, UploadState, VersionState

BATCH = 500
Genuine = Callable[[Session, Iterable[Any]], list[Any]]
_SEALED = (Upload.id, Upload.created_by, Upload.sha256, Upload.size, Upload.key, Upload.state, Upload.seal)


def known_blobs(
    session: Session, sha256s: Iterable[str], *, actor: Actor, genuine: Genuine, locked: bool = False
) -> dict[str, Blob]:
    """Return those of the blobs that are whole and that *actor* can read, or has sent; others are not disclosed.

    *genuine* returns those of some uploads that count. With *locked* the collector cannot delete the blobs before the
    transaction ends.
    """
    queries = ask_for_blobs(sha256s, actor=actor, locked=locked)
    for query in queries:  # one after the other: together they would be one long lock
        writing(session).ask(query)
    return read_blobs(session, queries, genuine=genuine)


def ask_for_blobs(sha256s: Iterable[str], *, actor: Actor, locked: bool = False) -> list[Query]:
    """Return the queries of :func:`known_blobs`, to be executed together with others before :func:`read_blobs`."""
    statement = _select_known(downloads=Permission.FILE_DOWNLOAD in actor.permissions, locked=locked)
    return [Query(statement, some=some, actor=actor.id) for some in batches(sha256s)]


def read_blobs(session: Session, queries: Iterable[Query], *, genuine: Genuine) -> dict[str, Blob]:
    """Return what :func:`known_blobs` does, of queries that were executed."""
    blobs: dict[str, Blob] = {}
    for query in queries:
        rows = [(writing(session).adopt(Blob, row), row.readable, _Sent(*row[-len(_SEALED) :])) for row in query.rows]
        blobs.update((blob.sha256, blob) for blob, readable, _ in rows if readable)
        sent = [upload for blob, _, upload in rows if upload.id is not None and blob.sha256 not in blobs]
        proven = {upload.sha256 for upload in genuine(session, sent)}
        blobs.update((blob.sha256, blob) for blob, _, _ in rows if blob.sha256 in proven)
    return blobs


class _Sent(NamedTuple):
    """The sealed columns of an upload."""

    id: str | None
    created_by: str
    sha256: str
    size: int
    key: str
    state: str
    seal: str | None


@functools.cache
def _select_known(*, downloads: bool, locked: bool) -> FixedStatement:
    """Select whole blobs among ``some``, each with the uploads by which ``actor`` sent it.

    A column has whether the blob is readable, if the actor *downloads*.
    """
    actor = bindparam("actor", type_=Upload.created_by.type)
    sent = and_(Upload.sha256 == Blob.sha256, Upload.created_by == actor, Upload.state == UploadState.VERIFIED)
    readable = _readable() if downloads else false()
    columns = [column.label(f"sent_{column.key}") for column in _SEALED]
    statement = select(Blob.__table__, readable.label("readable"), *columns).outerjoin(Upload, sent)
    statement = statement.where(Blob.damage.is_(None), Blob.sha256.in_(bindparam("some", expanding=True)))
    statement = statement.order_by(Blob.sha256)
    return FixedStatement(statement.with_for_update(read=True, of=Blob) if locked else statement)


def awaited_sizes(session: Session, sha256s: Iterable[str], *, actor: Actor, genuine: Genuine) -> dict[str, int]:
    """Return those of the digests whose bytes *actor* has sent and a worker is about to verify, with their sizes.

    Their uploads stay as they are until the transaction ends. *genuine* is as in :func:`known_blobs`.
    """
    sizes: dict[str, int] = {}
    for some in batches(sha256s):
        rows = session.execute(
            select(*_SEALED)
            .where(Upload.state == UploadState.UPLOADED, Upload.created_by == actor.id, Upload.sha256.in_(some))
            .with_for_update(read=True)
        )
        sizes.update((row.sha256, row.size) for row in genuine(session, rows))
    return sizes


def sent_for(version: Version) -> Select[Upload]:
    """Select the uploads with which the account that registered the version sent its files."""
    files = select(VersionFile.sha256).where(VersionFile.version_id == version.id)
    sent = select(Upload).where(Upload.sha256.in_(files), Upload.created_by == version.created_by)
    return sent.where(Upload.state.in_(ARRIVED)).order_by(Upload.id)


def needed(sha256: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Return the condition that a path, or a version neither purged nor failed, refers to the bytes."""
    in_version = exists().where(
        VersionFile.sha256 == sha256,
        VersionFile.version_id == Version.id,
        Version.purged_at.is_(None),
        Version.state != VersionState.FAILED.value,
    )
    return or_(in_version, exists().where(Artifact.sha256 == sha256))


def backed() -> ColumnElement[bool]:
    """Return the condition that the registry has verified bytes for a file of ``VersionFile``."""
    return exists().where(Blob.sha256 == VersionFile.sha256)


def lacking() -> ColumnElement[bool]:
    """Return the condition that a file of ``VersionFile`` has no verified bytes that its registrant may refer to.

    Bytes of that digest may belong to another account while the registrant's own upload is not verified, or was found
    to be different: a digest does not prove possession.
    """
    unverified = _sent_by_owner(UploadState.UPLOADED, UploadState.FAILED)
    return or_(~backed(), and_(unverified, ~_sent_by_owner(UploadState.VERIFIED)))


def count_lacking(session: Session, version: Version) -> int:
    """Return how many files of the version are ``lacking``."""
    statement = select(func.count()).select_from(VersionFile).where(VersionFile.version_id == version.id, lacking())
    return session.scalars(statement).one()


def stored_files(version: Version, *columns: Any) -> Rows:
    """Return the version's files, each with *columns* of its blob: NULL for bytes that the registry has not."""
    rows = select(VersionFile, *columns).outerjoin(Blob, Blob.sha256 == VersionFile.sha256)
    return rows.where(VersionFile.version_id == version.id)


def recorded_damage() -> ColumnElement[str | None]:
    """Return what was found wrong with ``Blob``: missing, corrupt, or NULL. A suspicion is no damage."""
    return case((_is_damaged(Blob), Blob.damage))


def has_damage() -> ColumnElement[bool]:
    """Return whether a blob of ``Version`` is missing or corrupt.

    Without any damaged blob that is one look-up in a statement. Else the files of each version are looked up.
    """
    one: Any = literal_column("1")
    some, own = aliased(Blob), aliased(Blob)
    anywhere = select(some.sha256).where(_is_damaged(some)).limit(one).scalar_subquery().is_not(None)
    damaged = select(own.sha256).where(own.sha256 == VersionFile.sha256, _is_damaged(own))
    files = select(VersionFile.version_id).where(
        VersionFile.version_id == Version.id,
        damaged.correlate(VersionFile).limit(one).scalar_subquery().is_not(None),
    )
    # As _any: under a condition PostgreSQL would hash all files of all versions.
    here = files.correlate(Version).limit(one).scalar_subquery().is_not(None)
    return Fixed("version_damaged", case((anywhere, here), else_=false())).label("damaged")


def _is_damaged(blob: type[Blob]) -> ColumnElement[bool]:
    # Literals: the partial index of damaged blobs serves them in a plan that is made once.
    return blob.damage.in_([literal_column(f"'{damage}'", String()) for damage in Damage])


def keys(session: Session, version: Version) -> dict[str, str]:
    """Return the objects that hold the version's bytes, by sha256. They stay until the transaction ends."""
    files = select(VersionFile.sha256).where(VersionFile.version_id == version.id)
    stored = select(Blob.sha256, Blob.key).where(Blob.sha256.in_(files)).order_by(Blob.sha256)
    return {row.sha256: row.key for row in session.execute(stored.with_for_update(read=True))}


def _sent_by_owner(*states: str) -> ColumnElement[bool]:
    """Return the condition that the version's creator has an upload of the file's bytes in one of the states."""
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
            Version.state == VersionState.READY.value,  # the files of other versions cannot be downloaded
            Version.model_id == Model.id,
            Model.deleted_at.is_(None),
        )
    )
    return or_(in_version, _any(select(Artifact.sha256).where(Artifact.sha256 == Blob.sha256)))


def _any(rows: Select[Any]) -> ColumnElement[bool]:
    """Return EXISTS as a lookup for each blob: under an OR, PostgreSQL would hash all rows first."""
    return rows.correlate(Blob).limit(1).scalar_subquery().is_not(None)


def batches(sha256s: Iterable[str]) -> Iterator[list[str]]:
    """Yield the digests in one order, so that two callers that lock the same rows cannot deadlock."""
    distinct = sorted(set(sha256s))
    return (distinct[start : start + BATCH] for start in range(0, len(distinct), BATCH))
