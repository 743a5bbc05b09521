"""Uploads on the wire."""

from __future__ import annotations

from marshmallow import fields

from registry.api.schemas.fields import SHA256, Address, Instant, Pattern, Strict, View, WholeNumber


class UploadBody(Strict):
    """What will be sent: *size* in bytes, *sha256* as 64 lower-case hex digits."""

    sha256 = fields.String(required=True, validate=Pattern(SHA256, error="must be 64 lower-case hex digits"))
    size = WholeNumber(required=True)


class TargetView(View):
    """Send the bytes with this method to this URL with exactly these headers; no Authorization."""

    method = fields.String(required=True)
    url = Address(required=True)
    headers = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    expires_at = Instant(required=True)


class UploadView(View):
    """``state``: pending, verified, failed, expired or aborted. Without a target there is nothing to send."""

    id = fields.String(required=True, allow_none=True, attribute="upload.id")
    state = fields.String(required=True, attribute="upload.state")
    sha256 = fields.String(required=True, attribute="upload.sha256")
    size = fields.Integer(required=True, attribute="upload.size")
    expires_at = Instant(required=True, allow_none=True, attribute="upload.expires_at")
    target = fields.Nested(TargetView, required=True, allow_none=True)
