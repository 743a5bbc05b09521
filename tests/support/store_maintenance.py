"""Care for what is stored as a worker and an operator do, and do to it what disks and strangers do."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import update

from registry.db.models import Blob, Stray
from registry.db.session import transaction
from registry.domain import clock
from registry.http.context import EXTENSION, Adapters
from registry.services.integrity import scrubbing
from registry.services.maintenance import fsck, garbage_collection
from registry.services.maintenance.fsck import Finding
from registry.services.maintenance.garbage_collection import Waste
from registry.storage.checked import Store
from registry.storage.keys import blob_key
from tests.support.audit_reader import AuditReader
from tests.support.databases import Database

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
NO_TIME = timedelta()
STORED = "SELECT body FROM audit_entries WHERE aggregate = 'storage' ORDER BY seq"


class StoreMaintenance:
    """The stored bytes of one app, in a directory that is empty at first."""

    def __init__(self, app: Flask, database: Database, root: Path) -> None:
        self.app, self.root = app, root
        self.audit_reader = AuditReader(database.url, app)
        for leftover in ("blobs", "parts", "tmp"):
            shutil.rmtree(root / leftover, ignore_errors=True)

    @property
    def adapters(self) -> Adapters:
        adapters: Adapters = self.app.extensions[EXTENSION]
        return adapters

    @property
    def store(self) -> Store:
        return self.adapters.store

    @contextmanager
    def adapted(self, *, store: Store | None = None, **settings: Any) -> Iterator[None]:
        """Run the app with another store or with other settings for a while."""
        kept = self.adapters
        changed = replace(kept.settings, **settings)
        self.app.extensions[EXTENSION] = replace(kept, store=store or kept.store, settings=changed)
        try:
            yield
        finally:
            self.app.extensions[EXTENSION] = kept

    def collect(self, *, grace: timedelta = NO_TIME, dry_run: bool = False) -> list[Waste]:
        """One round of the collector."""
        with self.app.app_context():
            return list(garbage_collection.collect(store=self.store, grace=grace, dry_run=dry_run))

    def deleted(self, *, grace: timedelta = NO_TIME, dry_run: bool = False) -> list[str]:
        """The names of what one round of the collector deletes."""
        return [waste.name for waste in self.collect(grace=grace, dry_run=dry_run) if waste.deleted]

    def scrub(self, *, interval: timedelta = DAY) -> int:
        """Let the scrubber read all that is due; how many blobs that was."""
        read = 0
        with self.app.app_context():
            while scrubbing.scrub_next(store=self.store, interval=interval):
                read += 1
        return read

    def scrub_twice(self) -> int:
        """Let the scrubber read all that is due, and a minute later again, as what is missing takes; how many blobs."""
        read = self.scrub()
        self.pass_(MINUTE)
        return read + self.scrub()

    def fsck(self, *, deep: bool = False, mark: bool = False) -> list[Finding]:
        with self.app.app_context():
            return list(fsck.check(store=self.store, deep=deep, mark=mark))

    def pass_(self, time: timedelta) -> None:
        """Let *time* go by since everything was marked and looked at; the database's clock cannot be turned."""
        columns = ((Blob, Blob.unreferenced_since), (Blob, Blob.checked_at), (Stray, Stray.found_at))
        with self.app.app_context(), transaction() as session:
            for table, column in columns:
                earlier = update(table).where(column.is_not(None)).values({column: clock.now() - time})
                session.execute(earlier, execution_options={"synchronize_session": False})

    def object(self, sha256: str) -> Path:
        """The one object with that digest in its key."""
        (found,) = self.objects(sha256)
        return found

    def objects(self, sha256: str = "*") -> list[Path]:
        return sorted(self.root.glob(f"blobs/*/{sha256}/*"))

    def flip(self, sha256: str) -> None:
        """Change a byte and not the size, as a disk does: in another file, so that no clock's tick can hide it."""
        content = self.object(sha256).read_bytes()
        self.put(self.object(sha256), bytes([content[0] ^ 1]) + content[1:])

    def put(self, path: Path, content: bytes) -> Path:
        """Write a file behind the registry's back."""
        path.parent.mkdir(parents=True, exist_ok=True)
        planted = path.with_name("planted")
        planted.write_bytes(content)
        return planted.replace(path)

    def stray(self, content: bytes = b"nobody's") -> str:
        """Put an object into the store that no row knows; its key."""
        key = blob_key(hashlib.sha256(content).hexdigest(), str(uuid.uuid4()))
        self.put(self.root / key, content)
        return key

    def rows(self, query: str, **values: Any) -> list[Any]:
        return self.audit_reader.rows(query, **values)

    def entries(self) -> list[dict[str, Any]]:
        """What the chain of stored bytes says, in its order."""
        return [json.loads(bytes(row.body)) for row in self.rows(STORED)]

    def actions(self) -> list[str]:
        return [entry["action"] for entry in self.entries()]

    def snapshot(self) -> tuple[list[Any], ...]:
        """Everything that a dry run could have changed."""
        tables = ("blobs", "strays", "uploads", "audit_entries", "audit_chains", "versions")
        return (*(sorted(map(str, self.rows(f"SELECT * FROM {table}"))) for table in tables), self.objects())
