"""Refusals on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from registry.api.schemas.criteria import CriteriaQuery
from registry.api.schemas.fields import Instant, Text, View
from registry.api.schemas.paging import page_of
from registry.services.refusals import Criteria


class RefusalQuery(CriteriaQuery):
    """Hours that begin at or after ``since`` and before ``until``."""

    CRITERIA = Criteria

    address = Text(most=64)
    code = Text(most=32)


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
