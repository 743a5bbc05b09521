"""The store in a directory: the embedded default, with signed addresses that the service itself serves.

Below the root, ``blobs/…`` holds complete objects only, ``tmp/`` what is arriving now, and ``parts/`` the objects some
of whose parts have arrived.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final

from itsdangerous import BadData, URLSafeSerializer

from registry.domain.errors import Forbidden, Malformed, NotFound, UploadExpired, UploadMismatch
from registry.rules.disk_space import shortage
from registry.storage.driver import (
    CHUNK,
    OCTET_STREAM,
    Full,
    ListedObject,
    Missing,
    Part,
    Served,
    Stat,
    StoreError,
    Target,
    Unfinished,
    download_name,
    unavailable,
)
from registry.storage.keys import IDENTITY, PIN, PLACES
from registry.storage.local_files import copy, link, replace_file, temporary, written_before
from registry.storage.local_multipart import PartsDirectory, Plan
from registry.storage.local_pin import PinFile


class LocalDriver:
    """Objects are files below *root*; addresses are signed with *secret*, and those of *previous* secrets accepted."""

    verifies_on_arrival: Final = True

    def __init__(self, root: Path, secret: str, *, previous: Sequence[str] = ()) -> None:
        if not secret:
            raise ValueError("the local store needs a secret to sign its addresses with")
        self._root = root
        self._parts = PartsDirectory(root)
        self._pin = PinFile(self._path(PIN), drafts=self._arriving)
        self._puts = _signer([*previous, secret], "put")
        self._gets = _signer([*previous, secret], "get")

    def sign_put(self, key: str, *, sha256: str, size: int, expires_at: datetime) -> Target:
        """Sign an address for one PUT; the URL is relative to the service's own."""
        return self._sign_put({"key": key, "sha256": sha256, "size": size}, expires_at)

    def sign_get(
        self, key: str, *, filename: str, media_type: str | None = None, expires_at: datetime, holder: str = ""
    ) -> str:
        """Sign an address for downloads; the URL is relative to the service's own."""
        claims = {"key": key, "filename": download_name(filename), "media_type": media_type or OCTET_STREAM}
        if holder:
            claims["holder"] = holder
        return f"/transfer/{_sign(self._gets, claims, expires_at)}"

    def key_of(self, token: str) -> str:
        """Return the key that the address of a PUT was signed for. Raises Forbidden, or UploadExpired."""
        return str(self._put_claims(token)["key"])

    def receive(self, token: str, stream: IO[bytes], content_length: int | None) -> None:
        """Store the body of a PUT, which is durable and verified when this returns; an error leaves all as it was.

        Reads no more than the signed size. Raises Forbidden, UploadExpired, Malformed, UploadMismatch, Unavailable, and
        NotFound for a part of an upload that has ended.
        """
        claims = self._put_claims(token)
        _check_length(content_length, claims["size"])
        try:
            with self._naming_full(claims["size"]):
                self._store(claims, stream)
        except OSError as error:
            raise unavailable() from error

    def serve(self, token: str) -> Served:
        """Return the file of a GET request. Raises Forbidden, also when the URL has expired, or NotFound."""
        claims = _claims(self._gets, token)
        if _expired(claims):
            raise Forbidden("this download address has expired; request a new one", permission="signed-url")
        path = self._path(claims["key"])
        if not path.is_file():
            raise NotFound("these bytes are no longer in the store")
        return Served(path, claims["filename"], claims["media_type"], claims.get("holder", ""))

    def stat(self, key: str) -> Stat | None:
        """Look at an object; None when there is none. Raises StoreError when the whole directory is gone."""
        try:
            status = self._path(key).stat()
        except FileNotFoundError:
            self._require_root()  # a volume that is not mounted has lost nothing
            return None
        return Stat(status.st_size, f"{status.st_mtime_ns:x}-{status.st_ino:x}")

    def glance(self, keys: Sequence[str]) -> Mapping[str, Stat]:
        """Return nothing: a ``stat`` of one file is cheap enough."""
        return {}

    def read(self, key: str) -> Iterator[bytes]:
        """Stream an object in chunks. Raises Missing."""
        try:
            file = self._path(key).open("rb")
        except FileNotFoundError as error:
            raise Missing(key) from error
        with file:
            while chunk := file.read(CHUNK):
                yield chunk

    def read_part(self, key: str, offset: int, length: int) -> bytes:
        """Return some bytes of an object. Raises Missing."""
        try:
            with self._path(key).open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError as error:
            raise Missing(key) from error

    def delete(self, key: str) -> None:
        """Delete the object if it exists. Its directory stays: another upload may be about to use it."""
        self._path(key).unlink(missing_ok=True)

    def write(self, key: str, chunks: Iterable[bytes], *, size: int) -> None:
        """Store an object that the registry made, durably; after an error nothing is there."""
        with self._naming_full(size), temporary(self._arriving) as (file, arriving):
            for chunk in chunks:
                file.write(chunk)
            if file.tell() != size:
                raise UploadMismatch(f"{size} bytes were announced, {file.tell()} arrived")
            self._keep(file, arriving, key)

    def begin_parts(self, key: str, *, size: int, part_size: int) -> str:
        """Make room, as holes, for an object whose parts arrive one by one. Raises OSError when there is none."""
        self._require_root()
        return self._parts.begin(Plan(key, size, part_size))

    def sign_part(self, key: str, handle: str, number: int, *, sha256: str, size: int, expires_at: datetime) -> Target:
        """Sign an address for PUTs of one part; the URL is relative to the service's own."""
        claims = {"key": key, "handle": handle, "number": number, "sha256": sha256, "size": size}
        return self._sign_put(claims, expires_at)

    def parts(self, key: str, handle: str) -> list[Part]:
        """Return the parts that have arrived, by number. Raises Missing when there is no such upload any more."""
        self._require_root()
        return self._parts.finished(handle, key)

    def join_parts(self, key: str, handle: str) -> None:
        """Make the parts one object, durably, in a time that does not depend on its size. Raises Missing, Conflict."""
        self._require_root()
        self._parts.join(handle, key, self._path(key))

    def abort_parts(self, key: str, handle: str) -> None:
        """Delete the upload and its parts if it exists."""
        self._require_root()
        self._parts.abort(handle, key)

    def objects(self) -> Iterator[ListedObject]:
        """Walk all files where objects lie. Raises StoreError when the whole directory is gone."""
        self._require_root()
        for path in chain.from_iterable(_files_below(self._root / place) for place in PLACES):
            with suppress(FileNotFoundError):  # deleted in between
                status = path.stat(follow_symlinks=False)
                modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
                yield ListedObject(path.relative_to(self._root).as_posix(), status.st_size, modified_at)

    def unfinished(self) -> Iterator[Unfinished]:
        """Walk the uploads in parts that were neither joined nor aborted."""
        self._require_root()
        return self._parts.unfinished()

    def read_identity(self, *, max_bytes: int) -> bytes | None:
        """Return the file that names the registry; None when there is none. Raises StoreError without a directory."""
        try:
            with self._path(IDENTITY).open("rb") as file:
                return file.read(max_bytes)
        except FileNotFoundError:
            self._require_root()
            return None

    def write_identity(self, content: bytes, *, replace: bool) -> None:
        """Write that file, whole and durably; without *replace* the first of several writers succeeds."""
        self._require_root()
        if replace:
            replace_file(self._path(IDENTITY), content, drafts=self._arriving)
            return
        with temporary(self._arriving) as (file, arriving):
            file.write(content)
            self._keep(file, arriving, IDENTITY)

    def read_pin(self, *, max_bytes: int) -> tuple[bytes, str] | None:
        """Return the file that pins the audit log, and its tag. Raises StoreError without a directory."""
        self._require_root()
        return self._pin.read(max_bytes)

    def write_pin(self, content: bytes, *, tag: str | None) -> bool:
        """Write that file, whole and durably, if it has *tag*; return whether it was written."""
        self._require_root()
        with self._naming_full(len(content)):
            return self._pin.write(content, tag)

    def check(self) -> None:
        """Raise when the directory is missing, cannot be written or has no hard links, by trying all that."""
        self._require_root()
        try:
            with temporary(self._arriving) as (_, arriving):
                probe = arriving.with_suffix(".probe")
                os.link(arriving, probe)
                probe.unlink()
        except OSError as error:
            raise StoreError(f"cannot write in the directory {self._root}: {error.strerror}") from error

    def sweep(self, *, before: datetime) -> int:
        """Remove what crashes have left, if last written before *before*; return how many files and uploads."""
        stale = [path for path in self._arriving.glob("*") if written_before(path, before)]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale) + self._parts.sweep(before=before)

    @contextmanager
    def _naming_full(self, size: int) -> Iterator[None]:
        """Turn the error of a full disk into Full."""
        try:
            yield
        except OSError as error:
            if text := shortage(error, self._root, needed=size):
                raise Full(self._root, text) from error
            raise

    def _require_root(self) -> None:
        if not self._root.is_dir():
            raise StoreError(f"the directory {self._root} does not exist")

    @property
    def _arriving(self) -> Path:
        return self._root / "tmp"

    def _path(self, key: str) -> Path:
        return self._root / key

    def _put_claims(self, token: str) -> dict[str, Any]:
        claims = _claims(self._puts, token)
        if _expired(claims):
            raise UploadExpired("this upload address has expired; request a new one")
        return claims

    def _sign_put(self, claims: dict[str, Any], expires_at: datetime) -> Target:
        token = _sign(self._puts, claims, expires_at)
        return Target("PUT", f"/transfer/{token}", {"Content-Type": OCTET_STREAM}, expires_at)

    def _store(self, claims: dict[str, Any], stream: IO[bytes]) -> None:
        """Store the bytes first and the name last: an object or a part appears whole or not at all, durably."""
        part = (claims["handle"], claims["number"]) if "handle" in claims else None
        if part:
            self._parts.require(*part, claims["size"])
        with temporary(self._arriving) as (file, arriving):
            copy(stream, file, size=claims["size"], sha256=claims["sha256"])
            if part:
                self._parts.put(*part, claims["sha256"], file)
            else:
                self._keep(file, arriving, claims["key"])

    def _keep(self, file: IO[bytes], arriving: Path, key: str) -> None:
        file.flush()
        os.fsync(file.fileno())
        link(arriving, self._path(key), root=self._root)


def _signer(secrets: list[str], purpose: str) -> URLSafeSerializer:
    """Sign with the last of *secrets*, accept all. One salt a purpose: an address for reading is none for writing."""
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(secrets, salt=f"registry.storage.local.{purpose}", signer_kwargs=options)


def _sign(signer: URLSafeSerializer, claims: dict[str, Any], expires_at: datetime) -> str:
    token = signer.dumps({**claims, "expires_at": expires_at.timestamp()})
    return token if isinstance(token, str) else token.decode("ascii")


def _claims(signer: URLSafeSerializer, token: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = signer.loads(token)
    except BadData as error:
        raise Forbidden("this address was not signed here for this", permission="signed-url") from error
    return claims


def _expired(claims: dict[str, Any]) -> bool:
    return datetime.now(UTC).timestamp() >= float(claims["expires_at"])


def _check_length(content_length: int | None, size: int) -> None:
    if content_length is None:
        raise Malformed("send a Content-Length; the store takes no body of unknown length")
    if content_length != size:
        raise UploadMismatch(f"{size} bytes were announced, Content-Length is {content_length}")


def _files_below(directory: Path) -> Iterator[Path]:
    """Yield regular files in constant memory, without symbolic links; files may be added and removed in between."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
