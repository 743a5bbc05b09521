"""What must hold after every fault: no ready version has other bytes than its own, and nothing is kept in vain."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from flask import Flask

from registry.db.session import db
from registry.http.context import EXTENSION
from registry.services.maintenance import fsck, garbage_collection
from registry.services.maintenance.fsck import Finding
from registry.storage.checked import Store
from tests.support.api import HOST, Api
from tests.support.audit_reader import AuditReader
from tests.support.replies import expect

MINUTE = 60
UNBACKED = """
    SELECT models.name, versions.number, version_files.path
    FROM version_files JOIN versions ON versions.id = version_id JOIN models ON models.id = model_id
    LEFT JOIN blobs ON blobs.sha256 = version_files.sha256
    WHERE versions.state = 'ready' AND blobs.sha256 IS NULL
"""


class Invariants:
    """Judges one database and its store, through an app of its own; nobody else may be at work."""

    def __init__(self, app: Flask, url: str, token: str) -> None:
        self.app = app
        self.api = Api(app.test_client(), token)
        self.audit_reader = AuditReader(url, app)

    def assert_sound(self) -> dict[str, str]:
        """All is well now, and still is when what nobody needs was collected. The states of the versions."""
        before = self.read_back()
        self.assert_backed()
        assert [finding for finding in self.fsck() if finding.harm] == []
        self.collect()
        assert self.fsck() == []
        assert self.read_back() == before
        self.audit_reader.assert_chains()
        return before

    def read_back(self) -> dict[str, str]:
        """Every file of every ready version has its digest, as a client downloads it. The states of all versions."""
        states = {}
        for model in self._items("/models"):
            for version in self._items(f"/models/{model['name']}/versions"):
                states[f"{model['name']}:{version['number']}"] = version["state"]
                if version["state"] == "ready":
                    self._read_version(model["name"], version["number"])
        return states

    def assert_backed(self) -> None:
        """Each file of a ready version has a blob, and each blob an object of its size."""
        assert self.audit_reader.rows(UNBACKED) == []
        blobs = {row.key: row.size for row in self.audit_reader.rows("SELECT key, size FROM blobs")}
        with self.app.app_context():
            assert self.store.absent_or_wrong(blobs) == []

    def fsck(self) -> list[Finding]:
        """What ``registry admin fsck --deep`` finds."""
        with self.app.app_context():
            return list(fsck.check(store=self.store, deep=True))

    def collect(self) -> None:
        """One round of the collector that spares nothing, and of the sweeper."""
        with self.app.app_context():
            list(garbage_collection.collect(store=self.store, grace=timedelta()))
            self.store.sweep(before=datetime.now(UTC) + timedelta(days=1))

    def objects(self, sha256: str = "") -> list[str]:
        """The keys of the objects with that digest, whatever the database says."""
        return sorted(found.key for found in self.store.objects() if sha256 in found.key)

    def close(self) -> None:
        with self.app.app_context():
            db.engine.dispose()

    @property
    def store(self) -> Store:
        store: Store = self.app.extensions[EXTENSION].store
        return store

    def _read_version(self, model: str, number: int) -> None:
        for file in self._items(f"/models/{model}/versions/{number}/files?signed=true"):
            content = self._download(file["url"])
            found = (len(content), hashlib.sha256(content).hexdigest())
            assert found == (file["size"], file["sha256"]), f"{model}:{number} {file['path']}"

    def _download(self, url: str) -> bytes:
        if url.startswith(HOST):
            with self.api.client.get(url.removeprefix(HOST), base_url=HOST) as response:
                assert response.status_code == 200, response.get_data(as_text=True)
                return response.get_data()
        reply = requests.get(url, timeout=MINUTE)
        assert reply.status_code == 200, reply.text
        return reply.content

    def _items(self, path: str) -> Iterator[dict[str, Any]]:
        cursor = ""
        while True:
            mark = "&" if "?" in path else "?"
            page = expect(200, self.api.get(f"{path}{mark}limit=100" + (f"&cursor={cursor}" if cursor else "")))
            yield from page["items"]
            if not (cursor := page["next_cursor"] or ""):
                return
