"""The API's uploads, one call each. ``sending`` moves files with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from registry.client.http.transport import Items, Transport, path
from registry.client.types import PartsView, PartView, UploadView


class Uploads:
    """Announce bytes, send them to the store, have them verified."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def begin(self, *, sha256: str, size: int) -> UploadView:
        """Announce bytes; an answer in state ``verified`` means that the registry has them already."""
        return self._transport.one(UploadView, "POST", "/uploads", body={"sha256": sha256, "size": size})

    def begin_many(self, announced: Iterable[Mapping[str, Any]]) -> list[UploadView]:
        """Announce up to 500 different blobs, each ``{"sha256", "size"}``; the answers in the same order."""
        return self._items("/uploads/batch", {"uploads": list(announced)})

    def get(self, upload_id: str) -> UploadView:
        """Return the upload, with a freshly signed target while it is pending."""
        return self._transport.one(UploadView, "GET", path("uploads", upload_id))

    def parts(self, upload_id: str) -> PartsView:
        """Return which parts of an upload the store has."""
        return self._transport.one(PartsView, "GET", path("uploads", upload_id, "parts"))

    def sign_parts(self, upload_id: str, parts: Iterable[Mapping[str, Any]]) -> list[PartView]:
        """Sign the URLs of up to 1,000 parts, each ``{"number", "sha256"}``; can be repeated at any time."""
        return self._items(path("uploads", upload_id, "parts"), {"parts": list(parts)})

    def complete(self, upload_id: str) -> UploadView:
        """Have the bytes verified; raises UploadMismatch, UploadExpired, or Conflict with ``missing_parts``."""
        return self._transport.one(UploadView, "POST", path("uploads", upload_id, "complete"))

    def complete_many(self, upload_ids: Iterable[str]) -> list[UploadView]:
        """Have up to 500 uploads verified; what became of each, in the same order."""
        return self._items("/uploads/batch/complete", {"ids": list(upload_ids)})

    def abort(self, upload_id: str) -> UploadView:
        """Give an upload up."""
        return self._transport.one(UploadView, "DELETE", path("uploads", upload_id))

    def _items(self, where: str, body: Mapping[str, Any]) -> list[Any]:
        return self._transport.one(Items, "POST", where, body=body)["items"]
