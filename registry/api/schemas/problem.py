"""The shape of every refusal."""

from __future__ import annotations

from marshmallow import fields

from registry.api.schemas.fields import View


class ProblemView(View):
    """RFC 9457, with a stable ``code`` for programs; those after ``request_id`` come with the codes that need them."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    code = fields.String(required=True)
    detail = fields.String(required=True)
    request_id = fields.String(required=True, allow_none=True)
    errors = fields.Dict(metadata={"description": "invalid: texts by field, nested as the body is."})
    parameter = fields.String(metadata={"description": "unknown_value: the query argument."})
    value = fields.String(metadata={"description": "unknown_value: what nothing has."})
    nearest = fields.String(
        allow_none=True, metadata={"description": "unknown_value: the known value that is most like it, if any."}
    )
    allowed = fields.List(fields.String(), metadata={"description": "illegal_transition: the stages one may go to."})
    holder = fields.Integer(allow_none=True, metadata={"description": "stale: who holds it now."})
    missing = fields.List(fields.String(), metadata={"description": "blobs_missing: the bytes' SHA-256."})
    permission = fields.String(metadata={"description": "forbidden: what the caller lacks."})
    limit = fields.Integer(metadata={"description": "too_large: the most that is taken."})
