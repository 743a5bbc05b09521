"""Background jobs on the wire."""

from __future__ import annotations

from marshmallow import fields

from registry.api.schemas.fields import Choice, Instant, View
from registry.api.schemas.paging import PageQuery, page_of
from registry.services.jobs import STATES


class JobsQuery(PageQuery):
    state = fields.String(validate=Choice(STATES))


class JobView(View):
    """``kind``: import, upload (to be verified) or artifact (to be hashed). ``state``: waiting, running, or parked
    after three attempts that ended without a result; ``reason`` is what was last in its way."""

    id = fields.String(required=True)
    kind = fields.String(required=True)
    state = fields.String(required=True)
    subject = fields.String(required=True, metadata={"description": "a source, a digest or a path"})
    model = fields.String(required=True, allow_none=True)
    version = fields.Integer(required=True, allow_none=True)
    attempts = fields.Integer(required=True)
    reason = fields.String(required=True, allow_none=True)
    created_at = Instant(required=True)
    created_by = fields.String(required=True)
    parked_at = Instant(required=True, allow_none=True)


JobPage = page_of(JobView, "JobPage")
