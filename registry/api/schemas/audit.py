"""History on the wire."""

from __future__ import annotations

import base64
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from registry.api.schemas.fields import Instant, Text, View
from registry.api.schemas.paging import PageQuery, page_of
from registry.services.audit import Criteria

CRITERIA = ("actor", "action", "model", "since", "until")


class HistoryQuery(PageQuery):
    """Entries at or after ``since`` and before ``until``."""

    actor = Text(most=255)
    action = Text(most=64)
    since = Instant()
    until = Instant()

    @post_load
    def _gather(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        criteria = Criteria(**{name: data.pop(name) for name in CRITERIA if name in data})
        return data | {"criteria": criteria}


class AuditQuery(HistoryQuery):
    model = Text(most=255)
    format = fields.String(
        validate=validate.OneOf(["jsonl", "csv"]),
        metadata={"description": "Export every match, oldest first, instead of a page."},
    )


class ActorView(View):
    id = fields.String(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True)


class EntryView(View):
    """One immutable line of history."""

    id = fields.String(required=True)
    at = Instant(required=True)
    action = fields.String(required=True)
    actor = fields.Nested(ActorView, required=True)
    model = fields.String(required=True, allow_none=True)
    version = fields.Integer(required=True, allow_none=True)
    related_version = fields.Integer(
        required=True, allow_none=True, metadata={"description": "The version that was displaced or rolled back."}
    )
    token = fields.String(
        required=True, allow_none=True, metadata={"description": "The id of the token that was created or revoked."}
    )
    before = fields.Dict(required=True)
    after = fields.Dict(required=True)
    reason = fields.String(required=True, allow_none=True)
    texts = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    digests = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    request_id = fields.String(required=True, allow_none=True)
    aggregate = fields.String(required=True, metadata={"description": "The chain that the entry is part of."})
    seq = fields.Integer(required=True)
    previous_hash = fields.String(required=True)
    leaf_hash = fields.String(required=True)


class AuditEntryView(EntryView):
    """With the bytes that were hashed (RFC 8785), in base 64."""

    body = fields.Function(lambda entry: base64.b64encode(entry.body).decode(), required=True)


EntryPage: type[Schema] = page_of(EntryView, "EntryPage")
AuditPage: type[Schema] = page_of(AuditEntryView, "AuditPage")
