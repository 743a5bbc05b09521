"""The protocol between the registry and the store.

    StoreError      the store refused or could not be reached
    ├── Missing     the store answers, and has no such object
    ├── Denied      the store answers, and refuses the registry's credentials a right
    ├── Full        the disk of the store has no room
    └── Down        the store does not answer, or reports that it is unavailable

A driver moves bytes and signs URLs. It raises StoreError or OSError; ``checked`` turns both into the domain's
errors, once. The value types and the header rules that drivers share are here too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol, runtime_checkable
from urllib.parse import quote

from registry.domain.errors import Unavailable

CHUNK = 1024 * 1024
OCTET_STREAM = "application/octet-stream"


class StoreError(Exception):
    """The store refused or could not be reached; the text is for operators and names no secret."""


class Down(StoreError):
    """The store does not answer, or reports that it is unavailable: repeated requests will not help it."""


class Full(StoreError):
    """The disk of the store has no room.

    The text is for operators and names the directory; ``shortage`` is for clients and does not.
    """

    def __init__(self, directory: Path, shortage: str) -> None:
        self.shortage = shortage
        super().__init__(f"{directory}: {shortage}")


class Denied(StoreError):
    """The store answers, and refuses the registry's credentials a right, which the text names."""


class Missing(StoreError):
    """The store answers, and has no object under this key."""


@dataclass(frozen=True)
class Target:
    """Target of one object or part that a client sends: exactly these headers, besides Host and Content-Length."""

    method: str
    url: str
    headers: Mapping[str, str]
    expires_at: datetime


@dataclass(frozen=True)
class Stat:
    """The state of an object; *size* is in bytes, *etag* changes when the object is replaced."""

    size: int
    etag: str


@dataclass(frozen=True)
class Part:
    """A part that has arrived whole; *number* counts from 1."""

    number: int
    size: int


@dataclass(frozen=True)
class ListedObject:
    """An object as a listing shows it; *modified_at* is aware."""

    key: str
    size: int
    modified_at: datetime


@dataclass(frozen=True)
class Unfinished:
    """An upload in parts that was begun, and neither joined nor aborted; *started_at* is aware."""

    key: str
    handle: str
    started_at: datetime


@dataclass(frozen=True)
class Served:
    """A complete file on this machine, what to call it towards the client, and for what its address was signed."""

    path: Path
    filename: str
    media_type: str
    holder: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Return the response's headers: always a download, never rendered, without content sniffing."""
        return {
            "Content-Disposition": attachment(self.filename),
            "Content-Type": self.media_type,
            "X-Content-Type-Options": "nosniff",
        }


class Driver(Protocol):
    """A place for immutable objects. A key is never written twice with other bytes."""

    @property
    def verifies_on_arrival(self) -> bool:
        """Return whether the store refuses bytes other than the announced ones."""

    def sign_put(self, key: str, *, sha256: str, size: int, expires_at: datetime) -> Target:
        """Sign a target for this one object until *expires_at*; *sha256* is 64 hex digits."""

    def sign_get(
        self, key: str, *, filename: str, media_type: str | None = None, expires_at: datetime, holder: str = ""
    ) -> str:
        """Sign a URL to download the object as *filename* until *expires_at*; Range works there.

        *holder* is what it was signed for; a driver whose URLs the service serves returns it from ``serve``.
        """

    def stat(self, key: str) -> Stat | None:
        """Look at an object; None when there is none."""

    def glance(self, keys: Sequence[str]) -> Mapping[str, Stat]:
        """Return the state of those objects that can be listed more cheaply than by ``stat`` of each; perhaps none.

        A listed object existed, but may have been deleted just now.
        """

    def read(self, key: str) -> Iterator[bytes]:
        """Stream an object in chunks of bounded size. Raises Missing."""

    def read_part(self, key: str, offset: int, length: int) -> bytes:
        """Return *length* bytes, at least one, that begin at *offset* within the object. Raises Missing."""

    def delete(self, key: str) -> None:
        """Delete the object if it exists."""

    def write(self, key: str, chunks: Iterable[bytes], *, size: int) -> None:
        """Store an object that the registry made, in constant memory.

        *chunks* end after *size* bytes, or raise: then nothing is there, and what they raised passes.
        """

    def begin_parts(self, key: str, *, size: int, part_size: int) -> str:
        """Begin an object of *size* bytes whose parts arrive one by one, all but the last of *part_size* bytes.

        Return a handle of at most 1,024 characters.
        """

    def sign_part(self, key: str, handle: str, number: int, *, sha256: str, size: int, expires_at: datetime) -> Target:
        """Sign a target for this one part until *expires_at*; the part that was sent last counts."""

    def parts(self, key: str, handle: str) -> list[Part]:
        """Return the parts that have arrived, by number. Raises Missing when there is no such upload.

        A server may still list an upload that was joined.
        """

    def join_parts(self, key: str, handle: str) -> None:
        """Join the parts to one object, durably.

        Raises Missing when there is no such upload, Conflict without its parts.

        A second join raises Missing or changes nothing. Only a driver that has the part size can list its parts.
        """

    def abort_parts(self, key: str, handle: str) -> None:
        """Delete the upload and its parts if it exists. An object that was joined stays."""

    def objects(self) -> Iterator[ListedObject]:
        """Yield all objects below the registry's prefixes, in constant memory and any order, foreign ones included."""

    def unfinished(self) -> Iterator[Unfinished]:
        """Walk the uploads in parts that were neither joined nor aborted, foreign ones included."""

    def read_identity(self, *, max_bytes: int) -> bytes | None:
        """Return at most *max_bytes* of the object that names the store's registry; None when there is none."""

    def write_identity(self, content: bytes, *, replace: bool) -> None:
        """Write that object durably. Without *replace* one that exists stays, where the store can compare: read it."""

    def read_pin(self, *, max_bytes: int) -> tuple[bytes, str] | None:
        """Return at most *max_bytes* of the object that pins the audit log, and its tag; None when there is none."""

    def write_pin(self, content: bytes, *, tag: str | None) -> bool:
        """Write that object durably if it has *tag*, or with None if there is none; return whether it was written."""

    def check(self) -> None:
        """Raise StoreError or OSError, saying why, when the store cannot be used."""


@runtime_checkable
class Gathering(Protocol):
    """A driver for multipart uploads of unknown size and digest."""

    def begin_gathering(self, key: str) -> str:
        """Begin such an object; return a handle of at most 1,024 characters."""

    def sign_any_part(self, key: str, handle: str, number: int, *, expires_at: datetime) -> Target:
        """Sign a target for one part until *expires_at*; the part that was sent last counts."""

    def join_named(self, key: str, handle: str, etags: Mapping[int, str]) -> None:
        """Make the parts of these marks one object. Raises Missing, or Conflict when the store has others."""


@runtime_checkable
class SignedTransfers(Protocol):
    """A driver whose signed addresses the service serves itself, at ``/transfer/<token>``."""

    def key_of(self, token: str) -> str:
        """Return the key that the address of a PUT was signed for. Raises Forbidden, or UploadExpired."""

    def receive(self, token: str, stream: IO[bytes], content_length: int | None) -> None:
        """Store the body of a PUT, an object's or a part's. It is durable and verified when this returns.

        When it raises, nothing has changed.
        """

    def serve(self, token: str) -> Served:
        """Return the file of a GET request."""

    def sweep(self, *, before: datetime) -> int:
        """Remove what crashes have left, if last written before *before*; return how many files and uploads."""


def unavailable(retry_after: int = 5) -> Unavailable:
    """Name any failure of the store towards clients: they can only come back."""
    return Unavailable("the artifact store cannot be used right now; retry the same request", retry_after=retry_after)


def download_name(path: str) -> str:
    """Return the last part of *path* without control, format and surrogate characters; never empty, never a dot."""
    visible = "".join(c for c in path if not unicodedata.category(c).startswith("C"))
    return visible.replace("\\", "/").rpartition("/")[2].strip(" .") or "download"


def attachment(filename: str) -> str:
    """Return a Content-Disposition (RFC 6266) that no file name can break out of.

    Names that need it have RFC 5987's ``filename*`` in addition to the plain ASCII one.
    """
    name = download_name(filename)
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    if plain == name:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
