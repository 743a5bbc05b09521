"""Refusals on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load

from registry.api.schemas.fields import Instant, Text, View
from registry.api.schemas.paging import PageQuery, page_of
from registry.services.refusals import Criteria

CRITERIA = ("actor", "address", "action", "code", "since", "until")


class RefusalQuery(PageQuery):
    """Hours that begin at or after ``since`` and before ``until``."""

    actor = Text(most=255)
    address = Text(most=64)
    action = Text(most=64)
    code = Text(most=32)
    since = Instant()
    until = Instant()

    @post_load
    def _gather(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        criteria = Criteria(**{name: data.pop(name) for name in CRITERIA if name in data})
        return data | {"criteria": criteria}


class RefusedActorView(View):
    id = fields.String(required=True)
    name = fields.String(required=True)


class RefusalView(View):
    """How often one actor at one address was refused one action in an hour."""

    hour = Instant(required=True, metadata={"description": "When the hour began."})
    actor = fields.Nested(
        RefusedActorView, required=True, allow_none=True, metadata={"description": "Null without a valid credential."}
    )
    address = fields.String(
        required=True,
        metadata={"description": "The client's address; `others` when a process had more than 500 kinds in the hour."},
    )
    action = fields.String(required=True, metadata={"description": "The permission that the request needed."})
    code = fields.String(required=True)
    count = fields.Integer(required=True)
    last_at = Instant(required=True)


RefusalPage: type[Schema] = page_of(RefusalView, "RefusalPage")
