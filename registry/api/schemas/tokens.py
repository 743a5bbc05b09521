"""Identity on the wire."""

from __future__ import annotations

from marshmallow import fields, validate

from registry.api.schemas.paging import page_of
from registry.domain.access import GRANTABLE, ActorKind, Role
from registry.http.fields import Choice, Instant, Strict, Text, View, WholeNumber, about, one_of, output
from registry.rules import names
from registry.services.accounts.accounts import MAX_DAYS


class TokenBody(Strict):
    """A token to issue."""

    owner = Text(
        required=True,
        least=1,
        most=128,
        rule=names.tag_key_problem,
        metadata=about("The name of the account that the token acts as; created where there is none."),
    )
    roles = fields.List(
        fields.String(validate=Choice(sorted(GRANTABLE))),
        required=True,
        validate=validate.Length(1, 10),
        metadata=about("What the token allows."),
    )
    name = Text(most=255, metadata=about("What the token is for, for people."))
    expires_in_days = WholeNumber(least=1, most=MAX_DAYS, metadata=about("Its life in days; 90 by default."))


class TokenView(View):
    """An API token, without its secret."""

    id = fields.String(**output("The id of the token, the part of its text that is no secret."))
    owner = fields.String(**output("The name of the account that it acts as."))
    name = fields.String(**output("What the token is for."))
    roles = fields.List(fields.String(), **output(f"{one_of(sorted(Role))}."))
    created_at = Instant(**output("When it was issued."))
    created_by = fields.String(**output("The name of the account that issued it."))
    expires_at = Instant(**output("When it ends."))
    last_used_on = fields.Date(**output("The day, in UTC, on which it was last used.", null=True))
    revoked_at = Instant(**output("When it was revoked.", null=True))


class IssuedView(TokenView):
    """The issued token, with its secret."""

    token = fields.String(
        **output("The text of the token, shown in this response only; null when a request is repeated.", null=True)
    )


class CredentialView(View):
    """The token of the request."""

    id = fields.String(**output("The id of the token."))
    name = fields.String(**output("What the token is for."))
    expires_at = Instant(**output("When it ends."))
    issued_by = fields.String(**output("The name of the account that issued it."))


class MeView(View):
    """The caller, and what it may do."""

    id = fields.String(**output("The id of the account."))
    name = fields.String(**output("The name of the account."))
    kind = fields.String(**output(f"{one_of(ActorKind)}."))
    roles = fields.List(fields.String(), **output("The roles of the token."))
    permissions = fields.List(fields.String(), **output("What the roles allow together."))
    token = fields.Nested(
        CredentialView, **output("The token of the request; null with `registry serve --dev`.", null=True)
    )
    foreign_tokens = fields.Integer(**output("Valid tokens that act as this account and that another one issued."))
    mode = fields.String(**output("`dev`: the registry takes requests without a token; else `production`."))


class SessionView(View):
    """A browser session that is open, without its secret."""

    id = fields.String(**output("The id of the session."))
    token = fields.String(attribute="parent_id", **output("The id of the API token that it was opened with."))
    token_name = fields.String(attribute="parent_name", **output("What that token is for."))
    roles = fields.List(fields.String(), **output("The roles of that token."))
    created_at = Instant(**output("When it was opened."))
    expires_at = Instant(**output("When it ends."))
    last_used_on = fields.Date(**output("The day, in UTC, on which it was last used.", null=True))


class ClosedSessionsView(View):
    """The browser sessions that were closed."""

    closed = fields.Integer(**output("How many were open."))


TokenPage = page_of(TokenView, "TokenPage")
SessionPage = page_of(SessionView, "SessionPage")
