"""Identity on the wire."""

from __future__ import annotations

from marshmallow import fields, validate

from registry.api.schemas.fields import Choice, Instant, Strict, Text, View, WholeNumber
from registry.api.schemas.paging import page_of
from registry.domain import names
from registry.domain.access import GRANTABLE
from registry.services.accounts import MAX_DAYS


class TokenBody(Strict):
    """A token that acts as *owner* with *roles*."""

    owner = Text(required=True, least=1, most=128, rule=names.tag_key_problem)
    roles = fields.List(
        fields.String(validate=Choice(sorted(GRANTABLE))), required=True, validate=validate.Length(1, 10)
    )
    name = Text(most=255)
    expires_in_days = WholeNumber(least=1, most=MAX_DAYS)


class TokenView(View):
    id = fields.String(required=True)
    owner = fields.String(required=True)
    name = fields.String(required=True)
    roles = fields.List(fields.String(), required=True)
    created_at = Instant(required=True)
    created_by = fields.String(required=True)
    expires_at = Instant(required=True)
    last_used_on = fields.Date(required=True, allow_none=True)
    revoked_at = Instant(required=True, allow_none=True)


class IssuedView(TokenView):
    token = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Shown this once; null when a request is repeated."},
    )


class CredentialView(View):
    id = fields.String(required=True)
    name = fields.String(required=True)
    expires_at = Instant(required=True)
    issued_by = fields.String(required=True, metadata={"description": "the account that created the token"})


class MeView(View):
    id = fields.String(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True)
    roles = fields.List(fields.String(), required=True)
    permissions = fields.List(fields.String(), required=True)
    token = fields.Nested(CredentialView, required=True, allow_none=True)
    foreign_tokens = fields.Integer(
        required=True, metadata={"description": "Valid tokens that act as this account and that another one issued."}
    )
    mode = fields.String(required=True, metadata={"description": "dev or production"})


TokenPage = page_of(TokenView, "TokenPage")
