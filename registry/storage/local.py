"""The store in a directory: the embedded default, with signed addresses that the service itself serves.

Below the root, ``blobs/…`` holds complete objects only and ``tmp/`` those that are still arriving.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from itsdangerous import BadData, URLSafeSerializer

from registry.domain.errors import Forbidden, Malformed, NotFound, UploadExpired, UploadMismatch
from registry.storage.driver import (
    CHUNK,
    OCTET_STREAM,
    Missing,
    Served,
    Stat,
    StoreError,
    Target,
    download_name,
    unavailable,
)


class LocalDriver:
    """Objects are files below *root*; whoever knows *secret* can sign addresses."""

    verifies_on_arrival: Final = True

    def __init__(self, root: Path, secret: str) -> None:
        if not secret:
            raise ValueError("the local store needs a secret to sign its addresses with")
        self._root = root
        self._puts = _signer(secret, "put")
        self._gets = _signer(secret, "get")

    def sign_put(self, key: str, *, sha256: str, size: int, expires_at: datetime) -> Target:
        """Sign an address for one PUT; the URL is relative to the service's own."""
        token = _sign(self._puts, {"key": key, "sha256": sha256, "size": size}, expires_at)
        return Target("PUT", f"/transfer/{token}", {"Content-Type": OCTET_STREAM}, expires_at)

    def sign_get(self, key: str, *, filename: str, media_type: str | None = None, expires_at: datetime) -> str:
        """Sign an address for downloads; the URL is relative to the service's own."""
        claims = {"key": key, "filename": download_name(filename), "media_type": media_type or OCTET_STREAM}
        return f"/transfer/{_sign(self._gets, claims, expires_at)}"

    def receive(self, token: str, stream: IO[bytes], content_length: int | None) -> None:
        """Store the body of a PUT, which is durable and verified when this returns; after an error nothing is there.

        Reads no more than the signed size. Raises Forbidden, UploadExpired, Malformed, UploadMismatch, Unavailable.
        """
        claims = _claims(self._puts, token)
        if _expired(claims):
            raise UploadExpired("this upload address has expired; ask for a new one")
        _check_length(content_length, claims["size"])
        try:
            self._store(claims, stream)
        except OSError as error:
            raise unavailable() from error

    def serve(self, token: str) -> Served:
        """Find the file that a GET asks for. Raises Forbidden, also when the address has expired, or NotFound."""
        claims = _claims(self._gets, token)
        if _expired(claims):
            raise Forbidden("this download address has expired; ask for a new one", permission="signed-url")
        path = self._path(claims["key"])
        if not path.is_file():
            raise NotFound("these bytes are no longer in the store")
        return Served(path, claims["filename"], claims["media_type"])

    def stat(self, key: str) -> Stat | None:
        """Look at an object; None when there is none. Raises StoreError when the whole directory is gone."""
        try:
            return Stat(self._path(key).stat().st_size)
        except FileNotFoundError:
            self._require_root()  # a volume that is not mounted has lost nothing
            return None

    def read(self, key: str) -> Iterator[bytes]:
        """Stream an object in chunks. Raises Missing."""
        try:
            file = self._path(key).open("rb")
        except FileNotFoundError as error:
            raise Missing(key) from error
        with file:
            while chunk := file.read(CHUNK):
                yield chunk

    def delete(self, key: str) -> None:
        """See to it that there is no such object. Its directory stays: another upload may be about to use it."""
        self._path(key).unlink(missing_ok=True)

    def check(self) -> None:
        """Raise when the directory is missing, cannot be written or has no hard links, by trying all that."""
        self._require_root()
        try:
            with self._temporary() as (_, arriving):
                probe = arriving.with_suffix(".probe")
                os.link(arriving, probe)
                probe.unlink()
        except OSError as error:
            raise StoreError(f"cannot write in the directory {self._root}: {error.strerror}") from error

    def sweep(self, *, before: datetime) -> int:
        """Remove what crashes have left in ``tmp/`` since last written before *before*; return how many files."""
        stale = [path for path in self._arriving.glob("*") if _written_before(path, before)]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def _require_root(self) -> None:
        if not self._root.is_dir():
            raise StoreError(f"the directory {self._root} does not exist")

    @property
    def _arriving(self) -> Path:
        return self._root / "tmp"

    def _path(self, key: str) -> Path:
        return self._root / key

    def _store(self, claims: dict[str, Any], stream: IO[bytes]) -> None:
        """Bytes first, link last: the object appears whole or not at all, and outlives a power cut from then on."""
        with self._temporary() as (file, arriving):
            _copy(stream, file, size=claims["size"], sha256=claims["sha256"])
            file.flush()
            os.fsync(file.fileno())
            self._link(arriving, self._path(claims["key"]))

    @contextmanager
    def _temporary(self) -> Iterator[tuple[IO[bytes], Path]]:
        """Lend a new private file in ``tmp/`` that is gone after the block."""
        self._arriving.mkdir(mode=0o700, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._arriving)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file, Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _link(self, arriving: Path, path: Path) -> None:
        """Give verified bytes their name. Where the name exists already it has the same bytes, and keeps them."""
        parents = path.parents[: len(path.relative_to(self._root).parts)]
        for parent in reversed(parents[:-1]):
            parent.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileExistsError):
            os.link(arriving, path)
        # All of them, also those that another request made a moment ago and may not have synced yet.
        for parent in parents:
            _sync_directory(parent)


def _signer(secret: str, purpose: str) -> URLSafeSerializer:
    """One salt a purpose, so that an address for reading is none for writing."""
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(secret, salt=f"registry.storage.local.{purpose}", signer_kwargs=options)


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


def _copy(stream: IO[bytes], file: IO[bytes], *, size: int, sha256: str) -> None:
    """Copy *size* bytes and not one more. Raises UploadMismatch when they are fewer, or others than *sha256* says."""
    digest, left = hashlib.sha256(), size
    while left and (chunk := stream.read(min(left, CHUNK))):
        file.write(chunk)
        digest.update(chunk)
        left -= len(chunk)
    if left:
        raise UploadMismatch(f"{size} bytes were announced, {size - left} arrived")
    if digest.hexdigest() != sha256:
        raise UploadMismatch(f"sha256:{sha256} was announced, sha256:{digest.hexdigest()} arrived")


def _written_before(path: Path, instant: datetime) -> bool:
    try:
        return path.stat().st_mtime < instant.timestamp()
    except FileNotFoundError:
        return False  # its request has ended, or another worker swept it


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
