"""Refusals on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from registry.api.schemas.criteria import CriteriaQuery
from registry.api.schemas.paging import page_of
from registry.http.fields import Instant, Text, View, about, output
from registry.services.usage.refusals import RefusalCriteria


class RefusalQuery(CriteriaQuery):
    """Filter of counts: those of hours that begin at or after ``since`` and before ``until``."""

    CRITERIA = RefusalCriteria

    action = Text(most=64, metadata=about("Only requests that needed this permission."))
    address = Text(most=64, metadata=about("Only requests from this address of a client."))
    code = Text(most=32, metadata=about("Only refusals with this code."))


class RefusedActorView(View):
    """The account of a request."""

    id = fields.String(**output("The id of the account."))
    name = fields.String(**output("The name of the account; empty where it was erased."))


class RefusalView(View):
    """Count of the refusals of one action to one actor at one address in an hour."""

    hour = Instant(**output("When the hour began."))
    actor = fields.Nested(RefusedActorView, **output("The account; null without a valid token.", null=True))
    address = fields.String(
        **output("The address of the client; `others` for what a process counted beyond 500 kinds in the hour.")
    )
    action = fields.String(**output("The permission that the request needed."))
    code = fields.String(**output("The code of the refusal."))
    count = fields.Integer(**output("How many requests there were."))
    last_at = Instant(**output("When the last one was."))


RefusalPage: type[Schema] = page_of(RefusalView, "RefusalPage")
