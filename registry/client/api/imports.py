"""Versions from bytes that are elsewhere: the registry's worker copies and hashes them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from registry.client import errors
from registry.client.api import polling
from registry.client.http.transport import Transport, path
from registry.client.progress import Progress
from registry.client.types import ImportView


class Imports:
    """Copies from ``s3://bucket/prefix`` and ``https://…``, where the registry allows it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def start(self, model: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> ImportView:
        """Start the import of a version of *model*; *body* has ``source`` and the facts to register."""
        return self._transport.one(ImportView, "POST", path("models", model, "imports"), body=body, key=idempotency_key)

    def get(self, import_id: str) -> ImportView:
        """Return the progress of an import."""
        return self._transport.one(ImportView, "GET", path("imports", import_id))

    def wait(self, import_id: str, *, progress: Progress | None = None) -> ImportView:
        """Return when the import is done; raises ImportFailed with its reason."""
        for pause in polling.pauses():
            view = self.get(import_id)
            if progress:
                progress("import", view["bytes"], 0)
            if view["state"] in {"failed", "parked"}:
                reason = view["reason"] or "it gives no reason."
                raise errors.ImportFailed(f"{view['source']}: {reason}", extras={"import": view})
            if view["state"] == "done":
                return view
            time.sleep(pause)
        raise AssertionError("unreachable: pauses() has no end")
