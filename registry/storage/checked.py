"""The store for the rest of the registry: keys checked, time taken, errors named, once around any driver."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import IO

import structlog

from registry.domain import ownership
from registry.domain.errors import (
    BlobsMissing,
    Conflict,
    NotFound,
    Unavailable,
    Unsupported,
    UploadMismatch,
)
from registry.rules.audit_log.notes import MAX_NOTE
from registry.rules.part_sizes import MOST_PARTS
from registry.storage import keys
from registry.storage.announced import SourceFailed, announced
from registry.storage.driver import (
    Driver,
    Gathering,
    ListedObject,
    Missing,
    Part,
    Served,
    SignedTransfers,
    Stat,
    StoreError,
    Target,
    Unfinished,
    unavailable,
)
from registry.storage.guard import Guard, StoreStanding

Pulse = Callable[[int], None]

log = structlog.get_logger(__name__)

_THREADS = 8
READ_AT_ONCE = 64 * 1024 * 1024


class Store:
    """A driver that refuses foreign keys with ValueError, and whose every failure is a domain error.

    An operation that the store cannot do at the moment raises Unavailable: nothing has changed and a retry may work.
    Only Missing passes as it is, for a multipart upload that does not exist (any more). *read_at_once* is how many
    bytes may be read back during a request.
    """

    def __init__(self, driver: Driver, *, read_at_once: int = READ_AT_ONCE) -> None:
        self.driver = driver
        self.read_at_once = read_at_once
        self._guard = Guard()

    @property
    def standing(self) -> StoreStanding:
        """Return the last known owner of the store."""
        return self._guard.standing

    @standing.setter
    def standing(self, new_standing: StoreStanding) -> None:
        self._guard.standing = new_standing

    @property
    def verifies_on_arrival(self) -> bool:
        """Return whether the store itself verifies the digest of an object that came in one PUT."""
        with self._guard.operation("probe", asks=False):
            return self.driver.verifies_on_arrival

    def sign_put(self, key: str, *, sha256: str, size: int, expires_at: datetime) -> Target:
        """Sign a target to which the bytes of the key's digest can be written, once, until *expires_at* (aware)."""
        if keys.digest_of(key) != sha256 or size < 0:
            raise ValueError(f"{key} cannot hold {size} bytes with the sha256 {sha256}")
        with self._guard.operation("sign_put", key, asks=False, changes=True):
            return self.driver.sign_put(key, sha256=sha256, size=size, expires_at=expires_at)

    def sign_get(
        self, key: str, *, filename: str, media_type: str | None = None, expires_at: datetime, holder: str = ""
    ) -> str:
        """Return a URL that downloads the object as *filename* until *expires_at* (aware); it takes Range."""
        keys.require_ours(key)
        with self._guard.operation("sign_get", key, asks=False):
            return self.driver.sign_get(
                key, filename=filename, media_type=media_type, expires_at=expires_at, holder=holder
            )

    def stat(self, key: str) -> Stat | None:
        """Look at an object; None when there is none."""
        keys.require_ours(key)
        with self._guard.operation("stat", key):
            return self.driver.stat(key)

    def read(self, key: str) -> Generator[bytes, None, None]:
        """Stream an object; close it before its end to stop. Raises BlobsMissing at once, not at the first chunk."""
        keys.require_ours(key)
        chunks = self.driver.read(key)
        with self._naming_missing(key), self._guard.operation("read", key):
            first = next(chunks, b"")
        return self._rest(key, first, chunks)

    def read_part(self, key: str, offset: int, length: int) -> bytes:
        """Return *length* bytes of an object that has them at *offset*. Raises BlobsMissing."""
        keys.require_ours(key)
        with self._naming_missing(key), self._guard.operation("read_part", key):
            return self.driver.read_part(key, offset, length)

    @contextmanager
    def _naming_missing(self, key: str) -> Iterator[None]:
        """Turn Missing into BlobsMissing."""
        try:
            yield
        except Missing as error:
            missing = [] if keys.is_incoming(key) else [keys.digest_of(key)]
            raise BlobsMissing("the artifact store has lost these bytes", missing=missing) from error

    def delete(self, key: str) -> None:
        """Delete the object if it exists."""
        keys.require_ours(key)
        with self._guard.operation("delete", key, changes=True):
            self.driver.delete(key)

    def identity(self) -> bytes | None:
        """Return what the store carries to name its registry, as it is; None when it carries nothing."""
        with self._guard.operation("identity"):
            return self.driver.read_identity(max_bytes=ownership.MAX_BYTES)

    def claim(self, content: bytes, *, replace: bool = False) -> None:
        """Write the store's identity. Without *replace* an existing one stays: read ``identity`` afterwards."""
        with self._guard.operation("claim"):
            self.driver.write_identity(content, replace=replace)

    def pin(self) -> tuple[bytes, str] | None:
        """Return the pinned checkpoint of the audit log, as it is, and its tag; None when there is none."""
        with self._guard.operation("pin"):
            return self.driver.read_pin(max_bytes=MAX_NOTE)

    def move_pin(self, content: bytes, *, tag: str | None) -> bool:
        """Write the pin if it still has *tag* (None: if there is none); return whether it was written.

        After a lost answer it may have been written all the same: read ``pin`` after False.
        """
        with self._guard.operation("move_pin", changes=True):
            return self.driver.write_pin(content, tag=tag)

    def gave_no_answer(self) -> None:
        """Count an operation whose end its caller did not wait for as a failure of the store."""
        self._guard.gave_no_answer()

    def check(self) -> None:
        """Raise Unavailable, with the reason for an operator, when the store cannot be used."""
        try:
            self.driver.check()  # it does not prove that objects can be read: the breaker keeps its state
        except (StoreError, OSError) as error:
            log.warning("store.unusable", error=str(error))
            raise Unavailable(f"the artifact store cannot be used: {error}", retry_after=5) from error

    def write(self, key: str, chunks: Iterable[bytes], *, size: int) -> None:
        """Store an object that the registry made, in constant memory; after any error nothing is there.

        Raises UploadMismatch for bytes that are not *size* or do not have the digest in the key. What *chunks* raise
        passes unchanged.
        """
        checked = announced(chunks, sha256=keys.digest_of(key), size=size)
        self._guard.refuse_foreign()
        try:
            # Not operation(): most of the time is that of *chunks*, so a slow source would be logged as a slow store.
            with self._guard.naming_errors("write", key):
                self.driver.write(key, checked, size=size)
        except SourceFailed as failed:
            raise failed.error from failed.error.__cause__

    def begin_parts(self, key: str, *, size: int, part_size: int) -> str:
        """Begin an object whose parts arrive one by one, all but the last of *part_size* bytes; return a handle."""
        keys.digest_of(key)
        if size < 1 or part_size < 1 or size > part_size * MOST_PARTS:
            raise ValueError(f"{size} bytes do not come in at most {MOST_PARTS} parts of {part_size}")
        with self._guard.operation("begin_parts", key, changes=True):
            return self.driver.begin_parts(key, size=size, part_size=part_size)

    def sign_part(self, key: str, handle: str, number: int, *, sha256: str, size: int, expires_at: datetime) -> Target:
        """Sign a target for exactly these bytes as a part until *expires_at* (aware).

        *sha256* is the part's. A part that is sent again replaces the earlier one.
        """
        keys.digest_of(key)
        keys.require_sha256(sha256)
        if not 1 <= number <= MOST_PARTS or size < 1:
            raise ValueError(f"there is no part {number} of {size} bytes")
        with self._guard.operation("sign_part", key, asks=False, changes=True):
            return self.driver.sign_part(key, handle, number, sha256=sha256, size=size, expires_at=expires_at)

    def parts(self, key: str, handle: str) -> list[Part]:
        """Return the parts that have arrived, by number. Raises Missing when there is no such upload.

        Some servers still list an upload that was joined: use ``stat`` to find whether the object exists.
        """
        keys.require_ours(key)
        with self._guard.operation("parts", key):
            return self.driver.parts(key, handle)

    def join_parts(self, key: str, handle: str) -> None:
        """Join the parts that have arrived to one object, and delete them only then. Check with ``parts`` first.

        Raises Missing when there is no such upload, as after a join whose response was lost: check with ``stat`` then.
        Raises Conflict when the driver finds that parts are absent.
        """
        keys.digest_of(key)
        with self._guard.operation("join_parts", key):
            self.driver.join_parts(key, handle)

    def abort_parts(self, key: str, handle: str) -> None:
        """Delete the upload and its parts if it exists. An object that was joined stays."""
        keys.require_ours(key)
        with self._guard.operation("abort_parts", key, changes=True):
            self.driver.abort_parts(key, handle)

    def begin_gathering(self, key: str) -> str:
        """Begin an object of unknown size and digest; return a handle. Raises Unsupported."""
        driver = self._gathering(key)
        with self._guard.operation("begin_gathering", key, changes=True):
            return driver.begin_gathering(key)

    def sign_any_part(self, key: str, handle: str, number: int, *, expires_at: datetime) -> Target:
        """Sign a target for any bytes as a part until *expires_at* (aware). Raises Unsupported."""
        driver = self._gathering(key)
        if not 1 <= number <= MOST_PARTS:
            raise ValueError(f"there is no part {number}")
        with self._guard.operation("sign_any_part", key, asks=False, changes=True):
            return driver.sign_any_part(key, handle, number, expires_at=expires_at)

    def join_named(self, key: str, handle: str, etags: Mapping[int, str]) -> Stat:
        """Join parts to one object, each with the ETag of its arrival; return the object's state.

        Raises Conflict when the store has no such upload or other parts, and Unsupported. Idempotent.
        """
        driver = self._gathering(key)
        try:
            with self._guard.operation("join_named", key):
                driver.join_named(key, handle, etags)
        except Missing as error:  # an answer may have been lost
            if (stat := self.stat(key)) is None:
                raise Conflict("the store no longer has this upload; begin it again") from error
            return stat
        if (stat := self.stat(key)) is None:
            raise Unavailable("the store has not yet what was joined; retry the same request", retry_after=5)
        return stat

    def objects(self) -> Iterator[ListedObject]:
        """Yield the registry's objects in any order and constant memory; other objects are left out."""
        with self._guard.naming_errors("objects", None):
            yield from (entry for entry in self.driver.objects() if keys.is_ours(entry.key))

    def unfinished(self) -> Iterator[Unfinished]:
        """Walk the uploads in parts, of objects of ours, that were neither joined nor aborted."""
        with self._guard.naming_errors("unfinished", None):
            yield from (entry for entry in self.driver.unfinished() if keys.is_ours(entry.key))

    def digest(self, key: str, *, pulse: Pulse | None = None) -> tuple[str, int]:
        """Read an object; return the sha256 and the size of what there is. Raises BlobsMissing.

        *pulse* is called with the length of each chunk, at most a mebibyte.
        """
        digest, size = hashlib.sha256(), 0
        for chunk in self.read(key):
            digest.update(chunk)
            size += len(chunk)
            if pulse is not None:
                pulse(len(chunk))
        return digest.hexdigest(), size

    def confirmed_digest(self, key: str, *, sha256: str, stat: Stat, pulse: Pulse | None = None) -> tuple[str, int]:
        """Return the digest as ``digest`` does; a digest other than *sha256* is confirmed by a second reading.

        Raises Unavailable for readings that differ, and for a length that differs from the object's.
        """
        first = self.digest(key, pulse=pulse)
        if first == (sha256, stat.size):
            return first
        # One wrong reading may come from a cache or a proxy in between. Two equal ones fail the version.
        log.warning("store.read_again", key=key, expected=sha256, found=first[0], size=first[1])
        again = self.digest(key, pulse=pulse)
        if again == (sha256, stat.size) or (again == first and again[1] == stat.size):
            return again
        raise unavailable()

    def verify(
        self,
        key: str,
        *,
        sha256: str,
        size: int,
        in_parts: bool = False,
        seen: Stat | None = None,
        pulse: Pulse | None = None,
    ) -> Stat:
        """Require that the stored bytes have this sha256 and this size; return the object's state.

        Reads the whole object where the store does not verify on arrival, and always when it came *in_parts*: a store
        verifies parts, not the whole. Raises Conflict when nothing has arrived, UploadMismatch for other bytes. *seen*
        is a recent result of ``glance``, *pulse* as for ``digest``.
        """
        stat = seen if seen and seen.size == size else self.require(key, size=size)
        if in_parts or not self.verifies_on_arrival:
            actual, _ = self.confirmed_digest(key, sha256=sha256, stat=stat, pulse=pulse)
            if actual != sha256:
                raise UploadMismatch(f"sha256:{sha256} was announced, sha256:{actual} arrived")
        return stat

    def require(self, key: str, *, size: int) -> Stat:
        """Return only when there is an object of this size. Raises as ``verify``."""
        stat = self.stat(key)
        if stat is None:
            raise Conflict("no bytes arrived for this upload; send them to its target, then complete it")
        if stat.size != size:
            raise UploadMismatch(f"{size} bytes were announced, {stat.size} arrived")
        return stat

    def glance(self, keys_: Sequence[str]) -> Mapping[str, Stat]:
        """Return the state of those objects that one request can list; the others need a ``stat`` each.

        A listed object existed, but may have been deleted just now.
        """
        for key in keys_:
            keys.digest_of(key)
        with self._guard.operation("glance"):
            return self.driver.glance(keys_)

    def absent_or_wrong(self, blobs: Mapping[str, int]) -> list[str]:
        """Return the keys, sorted, under which there is no object of the size that *blobs* maps them to."""
        with ThreadPoolExecutor(max_workers=_THREADS) as pool:
            stats = dict(zip(blobs, pool.map(self.stat, blobs), strict=True))
        return sorted(key for key, stat in stats.items() if stat is None or stat.size != blobs[key])

    def key_of(self, token: str) -> str:
        """Return the key of a ``/transfer/<token>`` upload; see ``LocalDriver.key_of``."""
        with self._guard.operation("key_of", asks=False):
            return self._transfers.key_of(token)

    def receive(self, token: str, stream: IO[bytes], content_length: int | None) -> None:
        """Store the body of a PUT to ``/transfer/<token>``; see ``LocalDriver.receive``."""
        with self._guard.operation("receive", changes=True):
            self._transfers.receive(token, stream, content_length)

    def serve(self, token: str) -> Served:
        """Find the file for a GET of ``/transfer/<token>``; see ``LocalDriver.serve``."""
        with self._guard.operation("serve"):
            return self._transfers.serve(token)

    def sweep(self, *, before: datetime) -> int:
        """Remove what arrivals that crashed before *before* (aware) have left; return how many files and uploads.

        Only a driver that takes the bytes itself has any.
        """
        if not isinstance(self.driver, SignedTransfers):
            return 0
        with self._guard.operation("sweep", changes=True):
            return self.driver.sweep(before=before)

    @property
    def is_reached_directly(self) -> bool:
        """Return whether clients download from the store's server; else this service serves the bytes."""
        return not isinstance(self.driver, SignedTransfers)

    @property
    def gathers(self) -> bool:
        """Return whether the store accepts multipart uploads of unknown size and digest."""
        return isinstance(self.driver, Gathering)

    def _gathering(self, key: str) -> Gathering:
        if not keys.is_incoming(key):
            raise ValueError(f"not a key of bytes that are not hashed: {key!r}")
        if not isinstance(self.driver, Gathering):
            raise Unsupported(
                "Multipart upload is not supported for the current artifact repository: a local directory"
            )
        return self.driver

    @property
    def _transfers(self) -> SignedTransfers:
        if not isinstance(self.driver, SignedTransfers):
            raise NotFound("this registry's store serves its own addresses")
        return self.driver

    def _rest(self, key: str, first: bytes, chunks: Iterator[bytes]) -> Generator[bytes, None, None]:
        """Go on with a stream that has begun. Its time is the reader's, so only its errors are of interest."""
        if first:
            yield first
        with self._guard.naming_errors("read", key):
            yield from chunks
