"""The first bytes of a file, for a preview."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass

from registry.db.models import Blob, VersionFile
from registry.db.queries import artifacts
from registry.db.records import FileRecord
from registry.db.session import reading
from registry.domain.errors import BlobsMissing, NotFound
from registry.services.downloads import urls
from registry.storage.checked import Store

MOST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    """The first bytes of a file; all of them when it ``is_whole``, and then their digest was verified."""

    file: FileRecord
    content: bytes

    @property
    def is_whole(self) -> bool:
        return len(self.content) == self.file.size


def head(model: str, number: int, path: str, *, store: Store, most: int = MOST) -> Head:
    """Return at most *most* of the first bytes of a file of a ready version.

    Reads at most one further chunk from the store. Raises NotFound, NotReady, Conflict when the version is
    deleted, BlobsMissing when the bytes are missing or wrong, or Unavailable.
    """
    with reading() as session:
        version = urls.require_readable(session, model, number)
        wanted = artifacts.stored_files(version, Blob.key, artifacts.recorded_damage())
        row = session.execute(wanted.where(VersionFile.path == path)).first()
    if row is None:
        raise NotFound(f"version {number} of {model!r} has no file {path!r}")
    stored, key, damage = row
    file = FileRecord(stored.path, stored.size, stored.sha256, stored.media_type, damage)
    if key is None or damage is not None:
        raise BlobsMissing(f"the bytes of {path!r} are {damage or 'gone'}", missing=[file.sha256])
    content = b""
    with closing(store.read(key)) as chunks:
        for chunk in chunks:
            content += chunk
            if len(content) > most:
                break
    _require_bytes(file, content, most)
    return Head(file, content[:most])


def _require_bytes(file: FileRecord, content: bytes, most: int) -> None:
    """Raise BlobsMissing for bytes that are known to differ from those of the file."""
    if file.size > most:
        is_right = len(content) >= most
    else:
        is_right = len(content) == file.size and hashlib.sha256(content).hexdigest() == file.sha256
    if not is_right:
        raise BlobsMissing(f"the bytes of {file.path!r} are not what they were", missing=[file.sha256])
