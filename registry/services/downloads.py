"""Give bytes out: a signed URL for one file of a version."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from registry.db.models import Blob, Model, VersionFile
from registry.db.queries import catalog
from registry.db.session import reading
from registry.domain import clock
from registry.domain.errors import Conflict, NotFound
from registry.domain.stages import State
from registry.storage.checked import Store


def sign(model: str, number: int, path: str, *, store: Store, expires_in: int) -> str:
    """A URL that serves the file for *expires_in* seconds, with Range.

    Raises NotFound, or Conflict when the version or its model is deleted.
    """
    with reading() as session:
        found = catalog.any_version(session, model, number)
        if found.state == State.DELETED:
            raise Conflict(f"version {number} of {model!r} is deleted; restore it to download its files")
        if session.get_one(Model, found.model_id).deleted_at is not None:
            raise Conflict(
                f"the model {model!r} that had version {number} is deleted; restore it to download its files"
            )
        statement = (
            select(VersionFile, Blob.key)
            .join(Blob, Blob.sha256 == VersionFile.sha256)
            .where(VersionFile.version_id == found.id, VersionFile.path == path)
        )
        row = session.execute(statement).first()
    if row is None:
        raise NotFound(f"version {number} of {model!r} has no file {path!r}")
    file, key = row
    return store.sign_get(
        key,
        filename=path.rsplit("/", 1)[-1],
        media_type=file.media_type,
        expires_at=clock.now() + timedelta(seconds=expires_in),
    )
