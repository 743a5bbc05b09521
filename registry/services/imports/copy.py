"""Bytes from elsewhere into the store: each file is read and hashed, then copied where the store has it not.

A worker that dies leaves nothing that the next one could trip over: what it copied is found by its digest.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from registry.db.models import Import
from registry.db.session import transaction
from registry.domain.access import Actor, Permission
from registry.domain.errors import UploadMismatch
from registry.domain.manifest import File
from registry.rules import credentials, ignored, mlmodel
from registry.rules.listing import listed
from registry.services import leases
from registry.services.leases import Lease
from registry.services.uploads import credential_files, ingest
from registry.services.uploads.announcement import AnnouncedFile
from registry.storage.checked import Store
from registry.storage.sources import Refused

Read = Callable[[], Iterator[bytes]]

NOTED_AFTER = 1.0
HELD, HELD_BYTES = 100, 8 * 1024 * 1024  # small files that are brought together


@dataclass(frozen=True, slots=True)
class TakenImport:
    """The facts of a job, and the lease under which it is done: a value that outlives any transaction."""

    id: str
    lease_id: str | None
    model_id: str
    version_id: int | None
    source: str
    facts: Mapping[str, Any]
    created_at: datetime
    created_by: str
    permissions: frozenset[Permission] = frozenset()
    token_id: str | None = None


class Beyond(Exception):
    """The files to fetch exceed the bounds of the job."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of a job: a time of the monotonic clock, and a number of bytes."""

    until: float
    bytes: int


class Job:
    """The fetching of a source's files for one requester, with its progress.

    ``facts`` are those of the registration. ``ignored`` are the files and directories of the source that are left out
    by default. ``contents`` has, by their digests, the files that describe the model.
    """

    remedy = credential_files.SETTING

    def __init__(
        self,
        source: str,
        facts: Mapping[str, Any],
        store: Store,
        *,
        requester: Actor,
        allow_secrets: bool,
        bounds: Bounds | None = None,
    ) -> None:
        self.source, self.facts, self.store, self.requester = source, facts, store, requester
        self.files = self.bytes = 0
        self.ignored: dict[str, None] = {}
        self.contents: dict[str, bytes] = {}
        self._allow_secrets = allow_secrets or bool(facts.get("allow_secrets"))
        self._bounds = bounds

    def keeps(self, path: str) -> bool:
        """Return whether the version is to have *path*; note what is left out by default."""
        if not self.facts.get("default_ignores", True):
            return True
        place = ignored.left_out(path)
        if place is not None:
            self.ignored[place] = None
        return place is None

    def check(self, files: Iterable[tuple[str, int | None]]) -> None:
        """Look at the paths and sizes of what is to be fetched.

        Raises Refused, which names the files, when any that is not empty holds credentials by its name, and Beyond.
        """
        files = list(files)
        kinds_by_path = {path: kind for path, size in files if size != 0 and (kind := credentials.by_name(path))}
        if kinds_by_path and not self._allow_secrets:
            raise Refused(credential_files.refusal(kinds_by_path, remedy=self.remedy))
        if self._bounds and sum(size or 0 for _, size in files) > self._bounds.bytes:
            raise Beyond

    def fetch_all(self, files: Iterable[tuple[str, Read]]) -> list[File]:
        """Copy the files' bytes to the store unless they are there, and let the requester register them.

        *files* are paths with functions that return the bytes from the start at each call: twice for a file that the
        store lacks, unless it is small. Raises what those raise, Refused, Unavailable, and what :meth:`pulse` does.
        """
        fetched, small, kind = list[File](), dict[File, ingest.Read](), 0
        for path, read in files:
            file, content = self._hash(path, read)
            fetched.append(file)
            if content is None:
                self._bring({file: partial(self._beating, read)})
                continue
            small[file] = partial(_chunks, content)
            kind += len(content)
            if kind > HELD_BYTES or len(small) == HELD:
                self._bring(small)
                small, kind = {}, 0
        self._bring(small)
        return fetched

    def _hash(self, path: str, read: Read) -> tuple[File, bytes | None]:
        """Read a file; its content is None for one that is not small."""
        digest, size, content = hashlib.sha256(), 0, bytearray()
        for chunk in read():
            digest.update(chunk)
            size += len(chunk)
            # Kept so that a small file is read once at its source: the search for credentials and the copy use these
            # bytes.
            if size <= credentials.MOST_BYTES:
                content += chunk
            self.pulse(len(chunk))
        file = File(path, size, digest.hexdigest())
        if size > credentials.MOST_BYTES:
            return file, None
        whole = bytes(content)
        if not self._allow_secrets:
            self._search(path, whole)
        # The registration reads the model's facts from these files; without this they would be fetched again.
        if path in mlmodel.READ:
            self.contents[file.sha256] = whole
        return file, whole

    def _bring(self, files: Mapping[File, ingest.Read]) -> None:
        if not files:
            return
        readers = {AnnouncedFile(file.sha256, file.size): read for file, read in files.items()}
        try:
            ingest.bring_all(readers, owner=self.requester, store=self.store)
        except UploadMismatch as error:
            paths = listed([file.path for file in files])
            raise Refused(f"{paths} changed while it was read: {error.detail}") from error
        self.files += len(files)
        self.pulse()

    def _search(self, path: str, content: bytes) -> None:
        if kind := credentials.held_by(path, content):
            raise Refused(credential_files.refusal({path: kind}, remedy=self.remedy))

    def take_over(self, files: Iterable[File]) -> set[str]:
        """Let the requester register those bytes that are in the store already, whole; return their digests.

        The caller must have read them at the source just now, so that the requester may have them.
        """
        return ingest.take_over([AnnouncedFile(file.sha256, file.size) for file in files], owner=self.requester)

    def pulse(self, length: int = 0) -> None:
        """Count *length* more bytes that were read; called as the work goes on. Raises Beyond."""
        self.bytes += length
        if self._bounds and (time.monotonic() > self._bounds.until or self.bytes > self._bounds.bytes):
            raise Beyond

    def _beating(self, read: Read) -> Iterator[bytes]:
        for chunk in read():
            self.pulse()
            yield chunk


class ImportJob(Job):
    """An import that this worker holds, into *model*."""

    def __init__(
        self,
        claimed: TakenImport,
        lease: Lease[Import],
        store: Store,
        *,
        model: str,
        requester: Actor,
        allow_secrets: bool,
    ) -> None:
        super().__init__(claimed.source, claimed.facts, store, requester=requester, allow_secrets=allow_secrets)
        self.taken, self.lease, self.model = claimed, lease, model
        self.remedy = credential_files.OPTION if claimed.version_id is None else credential_files.SETTING
        self._noted = time.monotonic()

    def pulse(self, length: int = 0) -> None:
        """Renew the lease, and record from time to time how much was read. Raises Lost."""
        self.lease.pulse()
        super().pulse(length)
        if time.monotonic() - self._noted >= NOTED_AFTER:
            self.note()

    def note(self) -> None:
        """Record how much was read. Raises Lost."""
        with transaction() as session:
            write(session, self.taken, files=self.files, bytes=self.bytes)
        self._noted = time.monotonic()


def _chunks(content: bytes) -> Iterator[bytes]:
    if content:
        yield content


def write(session: Session, claimed: TakenImport, **values: Any) -> None:
    """Write to an import that this worker still holds. Raises Lost."""
    mine = update(Import).where(Import.id == claimed.id, Import.lease_id == claimed.lease_id)
    done = session.execute(mine.values(**values), execution_options={"synchronize_session": False})
    if not done.rowcount:  # type: ignore[attr-defined]  # Result is a CursorResult here
        raise leases.Lost
