"""A registry over one kind of store, and a hand that reaches into the store behind the registry's back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import requests
from flask import Flask
from werkzeug.test import TestResponse

from registry.db.session import db
from registry.http.context import EXTENSION
from registry.services.integrity import scrubbing, store_ownership
from registry.services.uploads import verification
from registry.storage.checked import Store
from tests.support.api import HOST, Api
from tests.support.audit_reader import AuditReader
from tests.support.registry_builder import in_process
from tests.support.replies import expect
from tests.support.s3_server import S3Server
from tests.support.web_server import serving

MIB = 1 << 20
PART = 1000
AT_ONCE = 3 * PART
SECONDS = 60
KEYS = """
    SELECT key FROM blobs WHERE sha256 = :sha256
    UNION ALL SELECT key FROM uploads WHERE sha256 = :sha256 AND state IN ('pending', 'uploaded')
"""


class StoreEditor(Protocol):
    """Reads, replaces and removes what the store has under a key."""

    def read(self, key: str) -> bytes: ...

    def write(self, key: str, content: bytes) -> None: ...

    def remove(self, key: str) -> None: ...


class LocalStoreEditor:
    """An object's file; before there is one, the file in which its parts arrive."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, key: str) -> bytes:
        return self._file(key).read_bytes()

    def write(self, key: str, content: bytes) -> None:
        """Always another file: one that is rewritten within a tick of the clock need not seem to have changed."""
        path = self._file(key)
        planted = path.with_name("planted")
        planted.write_bytes(content)
        planted.rename(path)

    def remove(self, key: str) -> None:
        self._file(key).unlink()

    def _file(self, key: str) -> Path:
        path = self.root / key
        return path if path.exists() else next(self.root.glob("parts/*/data"))


class S3StoreEditor:
    def __init__(self, server: S3Server, bucket: str) -> None:
        self.server, self.bucket = server, bucket

    def read(self, key: str) -> bytes:
        with self.server.client() as client:
            return client.get_object(Bucket=self.bucket, Key=f"models/{key}")["Body"].read()

    def write(self, key: str, content: bytes) -> None:
        with self.server.client() as client:
            client.put_object(Bucket=self.bucket, Key=f"models/{key}", Body=content)

    def remove(self, key: str) -> None:
        with self.server.client() as client:
            client.delete_object(Bucket=self.bucket, Key=f"models/{key}")


DAMAGES: Mapping[str, Callable[[bytes], bytes | None]] = {
    "flipped": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "truncated": lambda content: content[:-1],
    "swapped": lambda content: os.urandom(len(content)),
    "deleted": lambda content: None,
}
"""What is there instead."""


class DamageableService:
    """Reads at most 3,000 bytes back at once; larger objects wait for ``work``."""

    def __init__(self, kind: str, app: Flask, token: str, audit_reader: AuditReader, store_editor: StoreEditor) -> None:
        self.kind, self.app, self.token, self.audit_reader, self.store_editor = (
            kind,
            app,
            token,
            audit_reader,
            store_editor,
        )
        self.api = Api(app.test_client(), token)
        self.registry = in_process(self.api, put=self.send)

    @property
    def large(self) -> bytes:
        """New bytes that are read back by a worker."""
        return os.urandom(AT_ONCE + 500 + (5 * MIB if self.kind == "swift" else 0))

    @property
    def small(self) -> bytes:
        """New bytes that are read back at once, unless the store has verified them."""
        return os.urandom(AT_ONCE - 500)

    def send(self, target: Mapping[str, Any], content: bytes) -> TestResponse | requests.Response:
        """PUT *content* to a target."""
        if target["url"].startswith(HOST):
            path = target["url"].removeprefix(HOST)
            return self.api.client.put(path, base_url=HOST, data=content, headers=dict(target["headers"]))
        return requests.put(target["url"], data=content, headers=dict(target["headers"]), timeout=SECONDS)

    def sent(self, content: bytes) -> Any:
        """Announce bytes and send them; the upload, which is not complete."""
        body = {"sha256": sha256(content), "size": len(content)}
        upload = expect(None, self.api.post("/uploads", body))
        if upload["target"]:
            assert self.send(upload["target"], content).status_code < 300
        elif upload["id"]:
            self._send_parts(upload, content)
        return upload

    def complete(self, upload: Mapping[str, Any]) -> TestResponse:
        return self.api.post(f"/uploads/{upload['id']}/complete")

    def brought(self, content: bytes) -> dict[str, Any]:
        """A manifest line for bytes that are in the store, and verified."""
        if (upload := self.sent(content))["id"]:
            expect(200, self.complete(upload))
            self.work()
        return line(content)

    def register(self, content: bytes, model: str = "fraud") -> TestResponse:
        return self.api.post(f"/models/{model}/versions", {"files": [line(content)]})

    def damage(self, content: bytes, how: str) -> None:
        """Let what the store has of *content* be something else."""
        (row,) = self.audit_reader.rows(KEYS, sha256=sha256(content))
        found = DAMAGES[how](self.store_editor.read(row.key))
        if found is None:
            self.store_editor.remove(row.key)
        else:
            self.store_editor.write(row.key, found)

    def work(self) -> None:
        """Verify what waits for it."""
        with self.app.app_context():
            while verification.verify_next(store=self.store):
                pass
            verification.settle(store=self.store, protected=())

    def scrub(self) -> None:
        """Read again what is due."""
        with self.app.app_context():
            while scrubbing.scrub_next(store=self.store, interval=timedelta(days=1)):
                pass

    @property
    def store(self) -> Store:
        store: Store = self.app.extensions[EXTENSION].store
        return store

    @property
    def place(self) -> dict[str, Any]:
        """The settings that name the store."""
        settings = self.app.extensions[EXTENSION].settings
        return {name: getattr(settings, name) for name in ("storage_url", "s3_endpoint_url", "s3_region")}

    def online(self) -> Any:
        """Serve the app over HTTP for a while; its URL."""
        return serving(self.app)

    def _send_parts(self, upload: Mapping[str, Any], content: bytes) -> None:
        size = upload["part_size"]
        pieces = {at // size + 1: content[at : at + size] for at in range(0, len(content), size)}
        wanted = [{"number": number, "sha256": sha256(piece)} for number, piece in pieces.items()]
        signed = expect(200, self.api.post(f"/uploads/{upload['id']}/parts", {"parts": wanted}))
        for part in signed["items"]:
            assert self.send(part["target"], pieces[part["number"]]).status_code < 300


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def line(content: bytes) -> dict[str, Any]:
    """A manifest line."""
    return {"path": "model.bin", "size": len(content), "sha256": sha256(content)}


@contextmanager
def running_service(
    kind: str, make_app: Callable[..., Flask], token: str, url: str, **where: Any
) -> Iterator[DamageableService]:
    """A registry over the database at *url*, made by *make_app* from settings, until the block ends.

    *where* is the ``root`` of a local store, or an S3 ``server`` with a new bucket on it, and settings.
    """
    with ExitStack() as stack:
        sizes: dict[str, Any] = {"inline_bytes": 0, "inline_verify_bytes": AT_ONCE}
        store_editor: StoreEditor
        if kind == "local":
            root = where.pop("root")
            sizes |= {"single_put_bytes": PART, "part_bytes": PART, "storage_url": f"file://{root}"}
            store_editor = LocalStoreEditor(root)
        else:
            server: S3Server = where.pop("server")
            bucket = server.new_bucket()
            sizes |= {"single_put_bytes": 5 * MIB, "part_bytes": 5 * MIB, "storage_url": f"s3://{bucket}/models"}
            sizes |= {"s3_endpoint_url": server.endpoint_url, "s3_region": server.region}
            store_editor = S3StoreEditor(server, bucket)
        app = make_app(**sizes | where)
        with app.app_context():
            store_ownership.confirm_at_start(app.extensions[EXTENSION].store)  # as the service does

        def close() -> None:
            with app.app_context():
                db.engine.dispose()

        stack.callback(close)
        yield DamageableService(kind, app, token, AuditReader(url, app), store_editor)
