"""Uploads on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load, validate

from registry.http.fields import (
    SHA256,
    UUID,
    Address,
    Instant,
    Pattern,
    Strict,
    View,
    WholeNumber,
    about,
    output,
)
from registry.rules import part_sizes
from registry.services.uploads.announcement import AnnouncedFile

BATCH = 500
PARTS = 1000


def _sha256() -> fields.String:
    return fields.String(
        required=True,
        validate=Pattern(SHA256, error="must be 64 lower-case hex digits"),
        metadata=about("The SHA-256 of the bytes, as 64 lower-case hex digits."),
    )


class UploadBody(Strict):
    """The bytes that will be sent."""

    sha256 = _sha256()
    size = WholeNumber(required=True, metadata=about("Their number."))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> AnnouncedFile:
        return AnnouncedFile(**data)


class UploadBatchBody(Strict):
    """Several uploads at once."""

    uploads = fields.List(
        fields.Nested(UploadBody),
        required=True,
        validate=validate.Length(1, BATCH),
        metadata=about("The uploads, each digest once."),
    )


class UploadIdsBody(Strict):
    """The uploads to complete."""

    ids = fields.List(
        fields.String(validate=Pattern(UUID, error="must be the id of an upload")),
        required=True,
        validate=validate.Length(1, BATCH),
        metadata=about("The ids of the uploads."),
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> list[str]:
        return list(dict.fromkeys(data["ids"]))


class PartBody(Strict):
    """A part to be sent."""

    number = WholeNumber(
        required=True, least=1, most=part_sizes.MOST_PARTS, metadata=about("The number of the part, counted from 1.")
    )
    sha256 = _sha256()


class PartsBody(Strict):
    """The parts to be sent next."""

    parts = fields.List(
        fields.Nested(PartBody),
        required=True,
        validate=validate.Length(1, PARTS),
        metadata=about("The parts, each number once."),
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> dict[int, str]:
        return {part["number"]: part["sha256"] for part in data["parts"]}


class TargetView(View):
    """Target of an upload: the method, the URL and exactly these headers, without Authorization."""

    method = fields.String(**output("The HTTP method."))
    url = Address(**output("The signed URL. It needs no token: keep it secret."))
    headers = fields.Dict(keys=fields.String(), values=fields.String(), **output("The headers, by name."))
    expires_at = Instant(**output("When the URL ends."))


class UploadView(View):
    """The upload.

    Without a target and a part size there is nothing to send. With a part size the bytes go in parts of that many
    bytes, the last one shorter; `POST /api/v1/uploads/{upload}/parts` signs their URLs.
    """

    id = fields.String(attribute="upload.id", **output("The id; null where the registry has the bytes.", null=True))
    state = fields.String(
        attribute="upload.state",
        **output(
            "`pending`; `uploaded`: all bytes are there and a worker verifies them; `verified`; `failed`, `expired` or "
            "`aborted`."
        ),
    )
    sha256 = fields.String(attribute="upload.sha256", **output("The SHA-256 of the bytes."))
    size = fields.Integer(attribute="upload.size", **output("The number of bytes."))
    expires_at = Instant(
        attribute="upload.expires_at", **output("Until when a pending upload is to be completed.", null=True)
    )
    reason = fields.String(attribute="upload.reason", **output("Why the bytes were refused.", null=True))
    part_size = fields.Integer(
        attribute="upload.part_size", **output("The size of the parts; null for an upload in one request.", null=True)
    )
    target = fields.Nested(TargetView, **output("Where to send the bytes, if there are any to send.", null=True))


class UploadBatchView(View):
    """The uploads."""

    items = fields.List(fields.Nested(UploadView), **output("The uploads, in the order of the request."))


class SignedPartView(View):
    """A part and where to send it."""

    number = fields.Integer(**output("The number of the part."))
    size = fields.Integer(**output("Its size in bytes."))
    target = fields.Nested(
        TargetView,
        **output(
            "Where to send it; null in a replayed response: repeat the request with another Idempotency-Key.", null=True
        ),
    )


class SignedPartsView(View):
    """The parts and where to send them."""

    items = fields.List(fields.Nested(SignedPartView), **output("The parts, in the order of the request."))


class ArrivedView(View):
    """State of a multipart upload in the store."""

    part_size = fields.Integer(**output("The size of the parts in bytes; the last one may be shorter."))
    part_count = fields.Integer(**output("How many parts the upload has."))
    finished = fields.List(
        fields.Integer(), **output("The numbers of the parts that have arrived; the others are to be sent.")
    )
