"""Give bytes out: signed URLs for files of a version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.models import Artifact, Blob, Model, Version, VersionFile
from registry.db.queries import artifacts, catalog, records
from registry.db.records import Page
from registry.db.session import reading
from registry.domain import clock
from registry.domain.errors import BlobsMissing, Conflict, Forbidden, NotFound, NotReady
from registry.domain.states import VersionState
from registry.storage.checked import Store


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A file and where to download it for a while, with Range."""

    path: str
    size: int
    sha256: str
    media_type: str
    damage: str | None
    url: str


def sign(model: str, number: int, path: str, *, store: Store, expires_in: int) -> str:
    """Return a URL that serves the file for *expires_in* seconds, with Range.

    Raises NotFound, NotReady, or Conflict when the version or its model is deleted.
    """
    with reading() as session:
        version = require_readable(session, model, number)
        row = session.execute(artifacts.stored_files(version, Blob.key).where(VersionFile.path == path)).first()
    if row is None:
        raise NotFound(f"version {number} of {model!r} has no file {path!r}")
    return _sign(row, store, expires_in)


def sign_page(
    model: str, number: int, *, store: Store, expires_in: int, after: tuple[Any, ...] | None, limit: int
) -> Page[SignedFile]:
    """Return the version's files by path, each with its URL. Raises as :func:`sign`."""
    with reading() as session:
        version = require_readable(session, model, number)
        statement = artifacts.stored_files(version, Blob.key, artifacts.recorded_damage())
        if after is not None:
            statement = statement.where(VersionFile.path > after[0])
        rows = records.page(session, statement.order_by(VersionFile.path), by=(VersionFile.path,), limit=limit)
    signed = [
        SignedFile(file.path, file.size, file.sha256, file.media_type, damage, _sign((file, key), store, expires_in))
        for file, key, damage in rows.items
    ]
    return Page(signed, rows.next_after)


def of_version(version_id: int) -> str:
    """Return what an address is signed for that serves a file of a version."""
    return f"version:{version_id}"


def of_path(path: str) -> str:
    """Return what an address is signed for that serves a file of the artifact area."""
    return f"path:{path}"


def require_current(holder: str) -> None:
    """Raise Forbidden when what an address was signed for is deleted by now. An earlier release signed for nothing."""
    kind, _, name = holder.partition(":")
    with reading() as session:
        if kind == "version":
            ready = select(Version.id).join(Model, Model.id == Version.model_id)
            current = (Version.state == VersionState.READY, Model.deleted_at.is_(None))
            ready = ready.where(Version.id == int(name), *current)
            is_current = session.execute(ready).first() is not None
        else:
            is_current = (
                not kind or session.execute(select(Artifact.path).where(Artifact.path == name)).first() is not None
            )
    if not is_current:
        raise Forbidden("what this download address was signed for is deleted", permission="signed-url")


def require_readable(session: Session, model: str, number: int) -> Version:
    """Return the version, if its bytes may be read. Raises NotFound, NotReady, or Conflict when it is deleted."""
    return readable(session, catalog.any_version(session, model, number), model)


def readable(session: Session, version: Version, model: str) -> Version:
    """Return *version* of *model* if its bytes may be read. Raises NotReady, or Conflict when it is deleted."""
    number = version.number
    if version.state == VersionState.DELETED:
        fate = "purged; its bytes are gone" if version.purged_at else "deleted; restore it to download its files"
        raise Conflict(f"version {number} of {model!r} is {fate}")
    if version.state != VersionState.READY:
        raise NotReady(
            f"version {number} of {model!r} is {version.state}; only a ready one has bytes that are verified"
        )
    if session.get_one(Model, version.model_id).deleted_at is not None:
        raise Conflict(f"the model {model!r} that had version {number} is deleted; restore it to download its files")
    return version


def _sign(row: Sequence[Any], store: Store, expires_in: int) -> str:
    file, key = row
    if key is None:
        raise BlobsMissing(f"the bytes of {file.path!r} are gone", missing=[file.sha256])
    return store.sign_get(
        key,
        filename=file.path.rsplit("/", 1)[-1],
        media_type=file.media_type,
        expires_at=clock.now() + timedelta(seconds=expires_in),
        holder=of_version(file.version_id),
    )
