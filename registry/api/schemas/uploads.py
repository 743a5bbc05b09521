"""Uploads on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load, validate

from registry.api.schemas.fields import SHA256, Address, Instant, Pattern, Strict, View, WholeNumber
from registry.domain import parts
from registry.services.uploads import Wanted

UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
BATCH = 500
PARTS = 1000


def _sha256() -> fields.String:
    return fields.String(required=True, validate=Pattern(SHA256, error="must be 64 lower-case hex digits"))


class UploadBody(Strict):
    """What will be sent: *size* in bytes, *sha256* as 64 lower-case hex digits."""

    sha256 = _sha256()
    size = WholeNumber(required=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Wanted:
        return Wanted(**data)


class UploadBatchBody(Strict):
    """Several at once, each digest once."""

    uploads = fields.List(fields.Nested(UploadBody), required=True, validate=validate.Length(1, BATCH))


class UploadIdsBody(Strict):
    ids = fields.List(
        fields.String(validate=Pattern(UUID, error="must be the id of an upload")),
        required=True,
        validate=validate.Length(1, BATCH),
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> list[str]:
        return list(dict.fromkeys(data["ids"]))


class PartBody(Strict):
    """One part, counted from 1, with the SHA-256 of its bytes."""

    number = WholeNumber(required=True, least=1, most=parts.MOST_PARTS)
    sha256 = _sha256()


class PartsBody(Strict):
    parts = fields.List(fields.Nested(PartBody), required=True, validate=validate.Length(1, PARTS))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> dict[int, str]:
        return {part["number"]: part["sha256"] for part in data["parts"]}


class TargetView(View):
    """Send the bytes with this method to this URL with exactly these headers; no Authorization."""

    method = fields.String(required=True)
    url = Address(required=True)
    headers = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    expires_at = Instant(required=True)


class UploadView(View):
    """``state``: pending, uploaded (all has arrived, a worker verifies it), verified, failed, expired or aborted.

    Without a target and a part size there is nothing to send. With a part size the bytes go in parts of that many
    bytes, the last one shorter; their addresses are signed by ``POST /uploads/{id}/parts``.
    """

    id = fields.String(required=True, allow_none=True, attribute="upload.id")
    state = fields.String(required=True, attribute="upload.state")
    sha256 = fields.String(required=True, attribute="upload.sha256")
    size = fields.Integer(required=True, attribute="upload.size")
    expires_at = Instant(required=True, allow_none=True, attribute="upload.expires_at")
    reason = fields.String(required=True, allow_none=True, attribute="upload.reason")
    part_size = fields.Integer(required=True, allow_none=True, attribute="upload.part_size")
    target = fields.Nested(TargetView, required=True, allow_none=True)


class UploadBatchView(View):
    """The uploads, in the order in which they were asked for."""

    items = fields.List(fields.Nested(UploadView), required=True)


class SignedPartView(View):
    number = fields.Integer(required=True)
    size = fields.Integer(required=True)
    target = fields.Nested(TargetView, required=True, allow_none=True)


class SignedPartsView(View):
    """``target`` is null in the repetition of a request with an idempotency key: ask again with another."""

    items = fields.List(fields.Nested(SignedPartView), required=True)


class ArrivedView(View):
    """``finished`` are the numbers of the parts that the store has; the others are to be sent."""

    part_size = fields.Integer(required=True)
    part_count = fields.Integer(required=True)
    finished = fields.List(fields.Integer(), required=True)
