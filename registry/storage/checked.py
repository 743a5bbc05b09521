"""The store as the rest of the registry sees it: keys checked, time taken, errors named, once around any driver."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import IO

import structlog

from registry.domain.errors import BlobsMissing, Conflict, NotFound, Unavailable, UploadMismatch
from registry.storage import keys
from registry.storage.driver import Driver, Missing, Served, Stat, StoreError, Target, Transfers, unavailable

log = structlog.get_logger(__name__)

_SLOW_SECONDS = 1.0
_THREADS = 8


class Store:
    """A driver that refuses foreign keys with ValueError, and whose every failure is a domain error.

    Whatever the store cannot do at the moment is Unavailable: nothing has changed and a retry may work.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    @property
    def verifies_on_arrival(self) -> bool:
        """Whether an object that is there has the announced bytes without anyone reading them again."""
        with _operation("probe"):
            return self.driver.verifies_on_arrival

    def sign_put(self, key: str, *, sha256: str, size: int, expires_at: datetime) -> Target:
        """Let whoever holds the target write the bytes of the key's digest, once, until *expires_at* (aware)."""
        if keys.digest_of(key) != sha256 or size < 0:
            raise ValueError(f"{key} cannot hold {size} bytes with the sha256 {sha256}")
        with _operation("sign_put", key):
            return self.driver.sign_put(key, sha256=sha256, size=size, expires_at=expires_at)

    def sign_get(self, key: str, *, filename: str, media_type: str | None = None, expires_at: datetime) -> str:
        """Return a URL that downloads the object as *filename* until *expires_at* (aware); it takes Range."""
        keys.digest_of(key)
        with _operation("sign_get", key):
            return self.driver.sign_get(key, filename=filename, media_type=media_type, expires_at=expires_at)

    def stat(self, key: str) -> Stat | None:
        """Look at an object; None when there is none."""
        keys.digest_of(key)
        with _operation("stat", key):
            return self.driver.stat(key)

    def read(self, key: str) -> Iterator[bytes]:
        """Stream an object. Raises BlobsMissing at once, not at the first chunk, when there is none."""
        digest = keys.digest_of(key)
        chunks = self.driver.read(key)
        try:
            with _operation("read", key):
                first = next(chunks, b"")
        except Missing as error:
            raise BlobsMissing("the artifact store has lost these bytes", missing=[digest]) from error
        return _rest(key, first, chunks)

    def delete(self, key: str) -> None:
        """See to it that there is no such object."""
        keys.digest_of(key)
        with _operation("delete", key):
            self.driver.delete(key)

    def check(self) -> None:
        """Raise Unavailable, whose detail tells an operator why, when the store cannot be used."""
        try:
            self.driver.check()
        except (StoreError, OSError) as error:
            log.warning("store.unusable", error=str(error))
            raise Unavailable(f"the artifact store cannot be used: {error}", retry_after=5) from error

    def verify(self, key: str, *, sha256: str, size: int) -> None:
        """Return only when the stored bytes are known to have this sha256 and this size.

        Reads the whole object where the store does not verify on arrival. Raises Conflict when nothing has arrived,
        UploadMismatch when something else has.
        """
        found = self.stat(key)
        if found is None:
            raise Conflict("no bytes arrived for this upload; send them to its target, then complete it")
        if found.size != size:
            raise UploadMismatch(f"{size} bytes were announced, {found.size} arrived")
        if not self.verifies_on_arrival and (actual := self._hash(key)) != sha256:
            raise UploadMismatch(f"sha256:{sha256} was announced, sha256:{actual} arrived")

    def absent_or_wrong(self, blobs: Mapping[str, int]) -> list[str]:
        """Return the keys, sorted, under which there is no object of the size that *blobs* maps them to."""
        with ThreadPoolExecutor(max_workers=_THREADS) as pool:
            found = pool.map(self.stat, blobs)
            return sorted(key for (key, size), stat in zip(blobs.items(), found, strict=True) if stat != Stat(size))

    def receive(self, token: str, stream: IO[bytes], content_length: int | None) -> None:
        """Store the body of a PUT to ``/transfer/<token>``; see ``LocalDriver.receive``."""
        with _operation("receive"):
            self._transfers.receive(token, stream, content_length)

    def serve(self, token: str) -> Served:
        """Find the file for a GET of ``/transfer/<token>``; see ``LocalDriver.serve``."""
        with _operation("serve"):
            return self._transfers.serve(token)

    def sweep(self, *, before: datetime) -> int:
        """Remove what arrivals that crashed before *before* (aware) have left; return how many files.

        Only a driver that takes the bytes itself has any.
        """
        if not isinstance(self.driver, Transfers):
            return 0
        with _operation("sweep"):
            return self.driver.sweep(before=before)

    @property
    def _transfers(self) -> Transfers:
        if not isinstance(self.driver, Transfers):
            raise NotFound("this registry's store serves its own addresses")
        return self.driver

    def _hash(self, key: str) -> str:
        digest = hashlib.sha256()
        for chunk in self.read(key):
            digest.update(chunk)
        return digest.hexdigest()


def _rest(key: str, first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Go on with a stream that has begun. Its time is the reader's, so only its errors are of interest."""
    if first:
        yield first
    with _naming_errors("read", key):
        yield from chunks


@contextmanager
def _operation(name: str, key: str | None = None) -> Iterator[None]:
    """Name the errors of one operation, and log it when it is slow."""
    start = time.perf_counter()
    with _naming_errors(name, key):
        yield
    seconds = time.perf_counter() - start
    if seconds > _SLOW_SECONDS:
        log.warning("store.slow", operation=name, key=key, seconds=round(seconds, 3))


@contextmanager
def _naming_errors(operation: str, key: str | None) -> Iterator[None]:
    """Turn a driver's failure into Unavailable; Missing and the domain's own errors pass."""
    try:
        yield
    except Missing:
        raise
    except (StoreError, OSError) as error:
        log.warning("store.failed", operation=operation, key=key, error=str(error), kind=type(error).__name__)
        raise unavailable() from error
