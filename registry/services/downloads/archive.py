"""A version's files as one tar stream: of a length known in advance, in constant memory, verified while it is sent."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.db.models import Blob, VersionFile
from registry.db.queries import artifacts
from registry.db.session import reading
from registry.domain.errors import BlobsMissing
from registry.services.downloads import urls
from registry.services.integrity.damage import DAMAGED
from registry.storage.checked import Store


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the archive; ``key`` is its object's."""

    path: str
    size: int
    sha256: str
    key: str


@dataclass(frozen=True, slots=True)
class Archive:
    """``length`` is that of the whole stream in bytes."""

    name: str
    members: Sequence[Member]
    at: datetime

    @property
    def length(self) -> int:
        ended = sum(len(self.header(member)) + _padded(member.size, tarfile.BLOCKSIZE) for member in self.members)
        return _padded(ended + 2 * tarfile.BLOCKSIZE, tarfile.RECORDSIZE)

    def header(self, member: Member) -> bytes:
        """Return the same bytes for the same version at any time: every file is readable and as old as the version."""
        info = tarfile.TarInfo(member.path)
        info.size, info.mtime, info.mode = member.size, int(self.at.timestamp()), 0o644
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def open_(model: str, number: int, *, store: Store) -> Archive:
    """Return the archive of a ready version, whose objects are all there.

    Raises NotFound, NotReady, Conflict when it is deleted, BlobsMissing, or Unavailable.
    """
    with reading() as session:
        version = urls.require_readable(session, model, number)
        statement = artifacts.stored_files(version, Blob.key, Blob.damage).order_by(VersionFile.path)
        rows = session.execute(statement).all()
        at = version.created_at
    wrong = {file.sha256 for file, key, damage in rows if key is None or damage in DAMAGED}
    # Before the first byte is sent: afterwards an error can only cut the stream off.
    absent = set(store.absent_or_wrong({key: file.size for file, key, _ in rows if key}))
    if wrong := wrong | {file.sha256 for file, key, _ in rows if key in absent}:
        text = f"{len(wrong)} of the files of {model}:{number} are gone from the store or are not what they were"
        raise BlobsMissing(text, missing=sorted(wrong))
    return Archive(f"{model}-{number}", [Member(file.path, file.size, file.sha256, key) for file, key, _ in rows], at)


def stream(archive: Archive, *, store: Store) -> Iterator[bytes]:
    """Yield the archive's bytes.

    Raises BlobsMissing in the middle when a file's bytes are wrong, so that the archive ends early.
    """
    sent = 0
    for member in archive.members:
        for chunk in _member(archive, member, store):
            sent += len(chunk)
            yield chunk
    yield bytes(archive.length - sent)


def _member(archive: Archive, member: Member, store: Store) -> Iterator[bytes]:
    yield archive.header(member)
    digest, size = hashlib.sha256(), 0
    for chunk in store.read(member.key):
        digest.update(chunk)
        size += len(chunk)
        # The header has announced the size: a longer object would shift every member after it.
        if size > member.size:
            break
        yield chunk
    if (size, digest.hexdigest()) != (member.size, member.sha256):
        raise BlobsMissing(f"the bytes of {member.path!r} are not what they were", missing=[member.sha256])
    yield bytes(_padded(size, tarfile.BLOCKSIZE) - size)


def _padded(size: int, block: int) -> int:
    return -(-size // block) * block
