"""The shape of every refusal."""

from __future__ import annotations

from marshmallow import fields

from registry.api.schemas.hold_notices import HoldNoticeView
from registry.http.fields import View, about, output


class DifferenceView(View):
    """A fact of a registration that the version has with another value, or not at all."""

    fact = fields.String(**output("The name of the fact, like `metrics.auc`."))
    kept = fields.Raw(**output("What the version has, long values cut; null: nothing.", null=True))
    sent = fields.Raw(**output("What was sent, long values cut.", null=True))
    addable = fields.Boolean(**output("Whether `update` adds it to the version."))


class GateVerdictView(View):
    """The verdict on one rule of a policy."""

    rule = fields.Integer(**output("The index of the rule in the list of its stage, from 0."))
    kind = fields.String(**output("The kind of the rule."))
    description = fields.String(**output("The rule as a short text, like `auc >= 0.9 on holdout`."))
    passed = fields.Boolean(**output("Whether the version meets it. A rule that cannot be evaluated has failed."))
    reason = fields.String(**output("What was found, or why the rule cannot be evaluated."))
    input = fields.Raw(**output("The values that it rests on.", null=True))
    source = fields.String(**output("Where they come from.", null=True))
    remedy = fields.String(**output("What would satisfy it; null where it passed.", null=True))
    explanation = fields.String(**output("The explanation that the policy has for the rule.", null=True))


class ProblemView(View):
    """A problem document (RFC 9457), with a stable ``code`` for programs.

    Members after ``request_id`` come with the codes that their descriptions name.
    """

    type = fields.String(**output("Always `about:blank`: the code says what it is."))
    title = fields.String(**output("The name of the HTTP status."))
    status = fields.Integer(**output("The HTTP status."))
    code = fields.String(**output("The kind of the refusal. Later releases may add codes."))
    detail = fields.String(**output("What was refused and what to do, for people."))
    request_id = fields.String(
        allow_none=True,
        metadata=about("The id of the request in the logs; absent where the request did not reach the application."),
    )
    errors = fields.Dict(metadata=about("`invalid`: texts by field, nested as the body is."))
    parameter = fields.String(metadata=about("`unknown_value`: the query argument, or the field of the body."))
    value = fields.String(metadata=about("`unknown_value`: the value that nothing has."))
    nearest = fields.String(
        allow_none=True, metadata=about("`unknown_value`: the known value that is most like it, if any.")
    )
    allowed = fields.List(fields.String(), metadata=about("`illegal_transition`: the stages that can be reached."))
    gates = fields.List(fields.Nested(GateVerdictView), metadata=about("`gates_unmet`: the verdict on each rule."))
    policy = fields.String(metadata=about("`gates_unmet`: the digest of the policy."))
    holder = fields.Integer(
        allow_none=True,
        metadata=about("`stale`: the version that holds production, or to which the alias points; null: none."),
    )
    holds = fields.List(fields.Nested(HoldNoticeView), metadata=about("`held`: the active holds on the version."))
    since = fields.String(metadata=about("`time_uncertain`: when the uncertain time began."))
    until = fields.String(
        allow_none=True, metadata=about("`time_uncertain`: when the uncertain time ended; null: it has not.")
    )
    version = fields.Integer(metadata=about("`facts_differ`: the version that the registration means."))
    differences = fields.List(fields.Nested(DifferenceView), metadata=about("`facts_differ`: the facts that differ."))
    path = fields.List(
        fields.String(), metadata=about("`cycle`: the names of the nodes of the cycle, from the source of the edge on.")
    )
    missing = fields.List(fields.String(), metadata=about("`blobs_missing`: the SHA-256 of the bytes."))
    missing_parts = fields.List(
        fields.Integer(), metadata=about("`conflict` of an upload: numbers of parts that have not arrived.")
    )
    permission = fields.String(metadata=about("`forbidden`: the permission that the caller lacks."))
    limit = fields.Integer(metadata=about("`too_large`: how much is taken, in bytes, or in values of a JSON body."))
