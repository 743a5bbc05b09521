"""History on the wire."""

from __future__ import annotations

import base64
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validates_schema

from registry.api.schemas.criteria import CriteriaQuery
from registry.api.schemas.fields import Choice, Instant, Text, View
from registry.api.schemas.paging import PageQuery, page_of, seal, unseal
from registry.domain.errors import Malformed
from registry.services.audit import Criteria, Position

START = "start"
_POSITION = "audit position"
_FORM = 1  # of what a position holds; sealed positions will be another one


class HistoryQuery(CriteriaQuery):
    """Entries at or after ``since`` and before ``until``."""

    CRITERIA = Criteria


class AuditQuery(HistoryQuery):
    """With ``after`` the services take ``position``, which is None for the start of the log."""

    model = Text(most=255)
    resumed = Text(
        data_key="after",
        least=1,
        most=4096,
        metadata={
            "description": "Read incrementally: every entry once, in commit order, oldest first. `start`, or the "
            "`next_after` of an earlier answer (of an export: its header X-Audit-Next-After), which may be kept "
            "for as long as the database is."
        },
    )
    format = fields.String(
        validate=Choice(["jsonl", "csv"]),
        metadata={"description": "Export every match, oldest first, instead of a page."},
    )

    @validates_schema
    def _check_cursors(self, data: dict[str, Any], **_: Any) -> None:
        if "resumed" in data and "cursor" in data:
            raise ValidationError("cannot be combined with after: pages after a position follow next_after", "cursor")

    @post_load
    def _open_position(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if (resumed := data.pop("resumed", None)) is None:
            return data
        return data | {"position": None if resumed == START else position_in(resumed)}


class ActorView(View):
    id = fields.String(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True)
    credential = fields.String(
        required=True, allow_none=True, metadata={"description": "The id of the token with which it was done."}
    )
    issuer = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The account that created the token, where that is another than the actor."},
    )


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
    redacted = fields.List(
        fields.String(), required=True, metadata={"description": "The names of its texts that are no longer stored."}
    )
    digests = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    request_id = fields.String(required=True, allow_none=True)
    client_request_id = fields.String(
        required=True, allow_none=True, metadata={"description": "The client's own X-Request-Id."}
    )
    aggregate = fields.String(required=True, metadata={"description": "The chain that the entry is part of."})
    seq = fields.Integer(required=True)
    previous_hash = fields.String(required=True)
    leaf_hash = fields.String(required=True)


class AuditEntryView(EntryView):
    """With the bytes that were hashed (RFC 8785), in base 64."""

    body = fields.Function(lambda entry: base64.b64encode(entry.body).decode(), required=True)


class ChainTextView(View):
    """A text that the entry commits to by HMAC-SHA256, keyed with the salt."""

    text = fields.String(required=True)
    salt = fields.Function(lambda text: base64.b64encode(text.salt).decode(), required=True)


class ChainEntryView(View):
    """An entry as it is stored; its content is in the body, the bytes that were hashed (RFC 8785), in base 64."""

    chain = fields.String(required=True)
    seq = fields.Integer(required=True)
    id = fields.String(required=True)
    action = fields.String(required=True)
    actor = fields.String(required=True, metadata={"description": "The id of the actor's account."})
    leaf_hash = fields.String(required=True)
    body = fields.Function(lambda entry: base64.b64encode(entry.body).decode(), required=True)
    texts = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(ChainTextView),
        required=True,
        metadata={"description": "By name; one that was erased is not among them."},
    )


class HeadView(View):
    """What the owner of a chain says of its latest entry."""

    chain = fields.String(required=True, metadata={"description": "The `aggregate` of its entries."})
    model = fields.String(required=True, allow_none=True, metadata={"description": "The model's name now."})
    entries = fields.Integer(required=True)
    head = fields.String(
        required=True, metadata={"description": "The leaf hash of the latest entry; empty without any."}
    )


class HeadQuery(PageQuery):
    model = Text(most=255, metadata={"description": "Only the chains of models that have or had this name."})


class ChainQuery(PageQuery):
    chain = Text(least=1, most=64, metadata={"description": "Only this chain."})


HeadPage: type[Schema] = page_of(HeadView, "HeadPage")
ChainEntryPage: type[Schema] = page_of(ChainEntryView, "ChainEntryPage")
EntryPage: type[Schema] = page_of(EntryView, "EntryPage")


class AuditPage(View):
    """The last three are there when ``after`` was given; ``next_cursor`` is null then."""

    items = fields.List(fields.Nested(AuditEntryView), required=True)
    next_cursor = fields.String(required=True, allow_none=True)
    next_after = fields.String(metadata={"description": "Where to go on reading: `after` of the next request."})
    more = fields.Boolean(metadata={"description": "Whether other entries can be read now."})
    waiting = fields.Boolean(
        metadata={
            "description": "Whether committed entries are held back until transactions that began before them end."
        }
    )


def position_text(position: Position | None) -> str:
    """Return the opaque text of a position."""
    return START if position is None else seal(_POSITION, [_FORM, position.order, position.id, position.uid])


def position_in(text: str) -> Position:
    """Return the position that *text* stands for. Raises Malformed."""
    match unseal(_POSITION, text):
        case [form, order, id, uid] if form == _FORM:
            return Position(order, id, uid)
    raise Malformed("this release does not read the form of this audit position; start again with after=start")
