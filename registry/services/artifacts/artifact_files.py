"""The artifact area: files under paths that may be written again, and a read-only view of registered versions."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import IO

import structlog
from sqlalchemy import and_, case, delete, func, or_, select
from sqlalchemy.orm import Session

from registry.db.models import Artifact, Blob, Model, Version, VersionFile
from registry.db.queries import artifacts, paths
from registry.db.records import EntryOfDirectory
from registry.db.session import reading
from registry.domain import artifact_area, clock
from registry.domain.access import Actor
from registry.domain.artifact_area import VersionPath
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import (
    BlobsMissing,
    Conflict,
    Malformed,
    NotFound,
    TooLarge,
    Unavailable,
    UploadMismatch,
)
from registry.rules import credentials
from registry.rules.disk_space import shortage
from registry.services import audit
from registry.services.catalog import artifact_owners
from registry.services.downloads import urls
from registry.services.integrity.damage import STORAGE
from registry.services.unit_of_work import UnitOfWork, unit_of_work
from registry.services.uploads import announcement, credential_files, ingest
from registry.services.uploads.announcement import AnnouncedFile
from registry.storage.checked import Store
from registry.storage.driver import CHUNK
from registry.storage.keys import is_incoming

log = structlog.get_logger(__name__)
SPOOLED = 1024 * 1024  # of a body that is held in memory; the rest waits on disk until its digest is known


@dataclass(frozen=True, slots=True)
class Signed:
    """A stored file, and where to download it for a while. ``version`` is the model and number that it is a file of."""

    path: str
    size: int
    media_type: str
    key: str
    url: str
    version: tuple[str, int] | None = None

    @property
    def is_passing(self) -> bool:
        """Return whether the object, and its URL, go away as soon as its bytes are hashed."""
        return is_incoming(self.key)


@dataclass(frozen=True, slots=True)
class Content:
    """Target of a path: bytes that were hashed, or the object of bytes that a worker is to hash."""

    size: int
    media_type: str
    sha256: str | None = None
    object: str | None = None


def put(
    path: str,
    body: IO[bytes],
    *,
    announced: int | None,
    media_type: str,
    actor: Actor,
    store: Store,
    most: int,
    allow_secrets: bool,
) -> None:
    """Store the bytes of *body* under *path*, in constant memory; what it named before is left to its versions.

    *announced* is how many bytes there should be, if that is known, *most* how many there may be. Raises Malformed,
    Invalid for a file that holds credentials unless *allow_secrets*, Forbidden, Conflict, TooLarge, UploadMismatch or
    Unavailable; nothing has changed then.
    """
    require_own(path, actor=actor)
    with _received(body, announced=announced, most=most) as (blob, file):
        if not allow_secrets:
            credential_files.require_none(path, _searched(file, blob.size))
        content = Content(blob.size, media_type, sha256=blob.sha256)
        ingest.bring(
            blob,
            lambda: _read_chunks(file),
            owner=actor,
            store=store,
            also=lambda unit: write(unit, path, content, actor=actor, store=store),
        )


def require_own(path: str, *, actor: Actor) -> None:
    """Raise Malformed or Forbidden where *actor* could not write *path* as it is now, before any byte is taken."""
    artifact_area.require_writable(path)
    with reading() as session:
        artifact_owners.require_free(session, path, actor=actor)


def write(unit: UnitOfWork, path: str, content: Content, *, actor: Actor, store: Store) -> None:
    """Let *path* name *content* from now on. An object that nothing refers to any more is deleted after the commit.

    Lock order: blobs and uploads first, then paths. Raises Conflict where a directory would also be a file, Forbidden
    where the path belongs to another account.
    """
    session = unit.session
    chain = audit.lock_chain(session, STORAGE)  # before any path: all who write them wait here, in no other order
    _refuse_clash(session, path)
    artifact_owners.require_free(session, path, actor=actor)
    row = session.get(Artifact, path, with_for_update=True, populate_existing=True)
    if row and _is_same(row, content, actor):
        return
    event, before = audit.begin(chain), _file_facts(row)
    if row and row.object:
        unit.after_commit(partial(announcement.delete_quietly, store, row.object))
    if row is None:
        row = Artifact(path=path, logged_model=artifact_area.logged_model(path))
        session.add(row)
    row.sha256, row.size, row.media_type, row.object = content.sha256, content.size, content.media_type, content.object
    row.created_at, row.created_by = event.at, actor.id
    row.lease_id = row.leased_until = row.registered_at = None
    session.flush()  # the entry below is the transaction's last act
    draft = AuditEntryDraft(
        "artifact.written", {}, before=before, after=_file_facts(row), texts=audit.texts(path=path),
        facts={"media_type": row.media_type},
    )  # fmt: skip
    audit.record(session, chain, event, draft, actor=actor)


def remove(path: str, *, actor: Actor, store: Store) -> None:
    """Delete the file *path* and all files below it. Versions keep their files.

    Raises Malformed, or Forbidden when one of them belongs to another account; then nothing is deleted.
    """
    artifact_area.require_removable(path)
    with unit_of_work() as unit:
        chain = audit.lock_chain(unit.session, STORAGE)
        doomed = paths.within(path)
        others = func.min(case((artifact_owners.foreign(actor), Artifact.path)))
        files, size, foreign = unit.session.execute(
            select(func.count(), func.sum(Artifact.size), others).where(*doomed)
        ).one()
        if foreign is not None:
            artifact_owners.refuse(unit.session, foreign)
        objects = unit.session.scalars(select(Artifact.object).where(*doomed, Artifact.object.is_not(None))).all()
        if files:
            event = audit.begin(chain)
            unit.session.execute(delete(Artifact).where(*doomed), execution_options={"synchronize_session": False})
            summary = {"files": files, "size": str(size)}
            draft = AuditEntryDraft("artifact.deleted", {}, before=summary, texts=audit.texts(path=path))
            audit.record(unit.session, chain, event, draft, actor=actor)
        for key in objects:
            unit.after_commit(partial(announcement.delete_quietly, store, str(key)))


def entries(directory: str) -> list[EntryOfDirectory]:
    """Return the direct entries of *directory* (empty for the top), by name; none for a file or a missing directory.

    Raises Malformed; NotReady or Conflict in a version that cannot be read.
    """
    if directory:
        artifact_area.require(directory)
    with reading() as session:
        if not _is_view(directory):
            return paths.entries(session, Artifact, directory)
        version_path = artifact_area.version_path(directory)
        version = version_shown(session, version_path) if version_path else None
        if version_path is None or version is None:
            return []
        return paths.entries(session, VersionFile, version_path.path, VersionFile.version_id == version.id)


def sign(path: str, *, store: Store, expires_in: int) -> Signed:
    """Return where to download a file for *expires_in* seconds, with Range.

    Raises NotFound, Malformed for a directory, BlobsMissing; NotReady or Conflict in a version that cannot be read.
    """
    artifact_area.require(path)
    with reading() as session:
        version_file = _in_version(session, path) if _is_view(path) else None
        file, key = version_file[:2] if version_file else _in_area(session, path)
    if key is None:
        raise BlobsMissing(f"the bytes of {path!r} are gone", missing=[file.sha256] if file.sha256 else [])
    url = store.sign_get(
        key,
        filename=path.rpartition("/")[2],
        media_type=file.media_type,
        expires_at=clock.now() + timedelta(seconds=expires_in),
        holder=urls.of_version(file.version_id) if isinstance(file, VersionFile) else urls.of_path(path),
    )
    return Signed(
        path, file.size, file.media_type, key, url, (version_file[2], version_file[3]) if version_file else None
    )


def version_shown(session: Session, version_path: VersionPath) -> Version | None:
    """Return the version that a path of the view shows, if its bytes may be read. Raises NotReady or Conflict."""
    named = _version_shown(session, version_path)
    return None if named is None else named[0]


def _version_shown(session: Session, version_path: VersionPath) -> tuple[Version, str] | None:
    """Return what :func:`version_shown` does, with the model's name."""
    of_model = select(Version, Model.name).join(Model, Model.id == Version.model_id)
    row = session.execute(
        of_model.where(Model.id == version_path.model_id, Version.number == version_path.number)
    ).first()
    return None if row is None else (urls.readable(session, row[0], row[1]), row[1])


def _is_view(path: str) -> bool:
    return path.partition("/")[0] == artifact_area.VERSIONS


def _in_version(session: Session, path: str) -> tuple[VersionFile, str | None, str, int]:
    version_path = artifact_area.version_path(path)
    named = _version_shown(session, version_path) if version_path else None
    if version_path is None or named is None:
        raise _file_not_found(path)
    version, model = named
    row = session.execute(
        artifacts.stored_files(version, Blob.key).where(VersionFile.path == version_path.path)
    ).first()
    if row is None:
        if not version_path.path or paths.entries(
            session, VersionFile, version_path.path, VersionFile.version_id == version.id
        ):
            raise _folder(path)
        raise _file_not_found(path)
    return row[0], row[1], model, version.number


def _in_area(session: Session, path: str) -> tuple[Artifact, str | None]:
    files = select(Artifact, Blob.key).outerjoin(Blob, Blob.sha256 == Artifact.sha256)
    row = session.execute(files.where(Artifact.path == path)).first()
    if row is None:
        if session.scalars(select(Artifact.path).where(*paths.within(path)).limit(1)).first():
            raise _folder(path)
        raise _file_not_found(path)
    return row[0], row[0].object or row[1]


def _file_not_found(path: str) -> NotFound:
    return NotFound(f"there is no file {path!r}")


def _folder(path: str) -> Malformed:
    return Malformed(f"{path!r} is a folder, not a file; list it with ?path= and download its files")


def _refuse_clash(session: Session, path: str) -> None:
    first, end = artifact_area.below(path)
    beside = or_(Artifact.path.in_(artifact_area.parents(path)), and_(Artifact.path >= first, Artifact.path < end))
    if clash := session.scalars(select(Artifact.path).where(beside).limit(1)).first():
        folder, file = sorted((path, clash), key=len)
        raise Conflict(f"{folder!r} cannot be a file and a folder, which {file!r} needs; delete it, or write elsewhere")


def _is_same(row: Artifact, content: Content, actor: Actor) -> bool:
    """Return whether nothing would change: the same bytes, and the path is the actor's already."""
    mine = row.created_by == actor.id and row.registered_at is None
    return mine and bool(content.sha256) and (row.sha256, row.media_type) == (content.sha256, content.media_type)


def _file_facts(row: Artifact | None) -> dict[str, str]:
    """Return the audited facts of a file; its path is a text of the entry."""
    if row is None:
        return {}
    return {"size": str(row.size)} | (
        {"sha256": f"sha256:{row.sha256}"} if row.sha256 else {"object": row.object or ""}
    )


@contextmanager
def _received(body: IO[bytes], *, announced: int | None, most: int) -> Iterator[tuple[AnnouncedFile, IO[bytes]]]:
    """Lend a file of the body's bytes, with what is known of them."""
    with _naming_disk_errors(announced), tempfile.SpooledTemporaryFile(max_size=SPOOLED) as file:
        digest, size = hashlib.sha256(), 0
        while chunk := body.read(CHUNK):
            size += len(chunk)
            if size > most:
                raise TooLarge(f"one file has at most {most} bytes, this body has more", limit=most)
            digest.update(chunk)
            file.write(chunk)
        if announced is not None and size != announced:
            raise UploadMismatch(f"{announced} bytes were announced, {size} arrived")
        yield AnnouncedFile(digest.hexdigest(), size), file


@contextmanager
def _naming_disk_errors(needed: int | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        directory = tempfile.gettempdir()
        reason = shortage(error, Path(directory), needed=needed) or error.strerror
        log.warning("area.body_not_received", directory=directory, error=reason)
        raise Unavailable(f"the server cannot store the body of this request: {reason}", retry_after=5) from error


def _searched(file: IO[bytes], size: int) -> bytes:
    """Return what of a file is searched for credentials: all of it, or a byte where it is too large for that."""
    file.seek(0)
    return file.read(size if size <= credentials.MOST_BYTES else 1)


def _read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(CHUNK):
        yield chunk
