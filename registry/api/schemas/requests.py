"""Requests for approval on the wire."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from marshmallow import fields, post_load

from registry.api.schemas.paging import PageQuery, page_of
from registry.api.schemas.problem import GateVerdictView
from registry.domain.requests import LONGEST_EXPIRY, ActKind, RequestState
from registry.http.fields import (
    Choice,
    Document,
    Flag,
    Instant,
    Strict,
    Text,
    View,
    WholeNumber,
    about,
    one_of,
    output,
    reason,
    version_number,
)
from registry.rules.names import MODEL_NAME_LENGTH
from registry.services.requests.opening import Proposal
from registry.services.requests.showing import LISTED

_STATES, _KINDS = [state.value for state in RequestState], [kind.value for kind in ActKind]
_SECOND = timedelta(seconds=1)


class RequestBody(Strict):
    """A request for approval of a move, or of another policy."""

    model = Text(
        least=1,
        most=MODEL_NAME_LENGTH,
        metadata=about("The name of the model; without it, the target `policy` is the default policy."),
    )
    version = version_number(metadata=about("The number of the version that should move."))
    target = Text(
        least=1,
        most=256,
        required=True,
        metadata=about("`staging`, `production`, `@` and an alias, or `policy` for another policy of the model."),
    )
    reason = reason(required=True)
    document = Document(metadata=about("The policy for the target `policy`; without it, the present one is removed."))
    apply_when_ready = Flag(
        metadata=about("Apply the request, in your name, as soon as its last gate passes. Needs what the move needs.")
    )
    expires_in = WholeNumber(
        least=60,
        most=LONGEST_EXPIRY // _SECOND,
        metadata=about("After so many seconds the request expires; by default after 7 days."),
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Proposal:
        if "expires_in" in data:
            data["expires_in"] = timedelta(seconds=data["expires_in"])
        return Proposal(**data)


class DecisionBody(Strict):
    """A decision about a request."""

    comment = Text(least=1, most=2000, metadata=about("Why; history shows it."))


class RequestRejectionBody(Strict):
    """A rejection of a request, or a comment on it."""

    comment = Text(least=1, most=2000, required=True, metadata=about("The text; history shows it."))


class RequestsQuery(PageQuery):
    """Which requests to list."""

    state = fields.String(
        validate=Choice([state.value for state in LISTED]),
        metadata=about("Only requests in this state; `open` has the approved ones, too."),
    )
    approver = fields.String(
        validate=Choice(["me"]), data_key="for", metadata=about("`me`: open ones that wait for your approval.")
    )
    mine = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata=about("`true`: only those that your account opened."),
    )
    model = fields.String(metadata=about("Only requests for this model."))

    @post_load
    def _with_state(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return data | ({"state": RequestState(data["state"])} if "state" in data else {})


class RequestActView(View):
    """A comment on a request, or a decision about it."""

    kind = fields.String(validate=Choice(_KINDS), **output(f"What was done: {one_of(_KINDS)}."))
    account = fields.String(**output("The name of the account."))
    roles = fields.List(fields.String(), **output("The roles of its credential."))
    at = Instant(**output("When."))
    entry = fields.String(**output("The id of its audit entry, which `registry audit redact` takes."))
    comment = fields.String(**output("The text; null where there was none or it was redacted.", null=True))


class ExcludedApprovalView(View):
    """An approval that does not count."""

    account = fields.String(**output("The name of the account."))
    reason = fields.String(**output("Why its approval does not count."))


class RequestView(View):
    """A request for approval, bound to the files, the policy and the holder that there were when it was opened."""

    id = fields.String(**output("The id of the request."))
    model = fields.String(**output("The name of the model; null for the default policy.", null=True))
    version = fields.Integer(**output("The number of the version; null for a policy.", null=True))
    target = fields.String(**output("Where it should move: a stage, or `@` and an alias; `policy` for a policy."))
    policy = fields.String(**output("The digest of the requested policy.", null=True))
    state = fields.String(validate=Choice(_STATES), **output(f"Its state now: {one_of(_STATES)}."))
    void = fields.String(**output("Why it is void: what has changed since it was opened.", null=True))
    requester = fields.String(**output("The name of the account that opened it."))
    reason = fields.String(**output("Why it was opened; null where the text was redacted.", null=True))
    manifest_digest = fields.String(**output("The digest of the files of the version.", null=True))
    apply_when_ready = fields.Boolean(**output("Whether it is applied as soon as its last gate passes."))
    last_refusal = fields.String(**output("Why it could not be applied yet, but for its gates.", null=True))
    opened_at = Instant(**output("When it was opened."))
    expires_at = Instant(**output("When it expires, or expired."))
    closed_at = Instant(**output("When it was rejected, withdrawn or applied.", null=True))
    entry = fields.String(**output("The id of the audit entry by which it was opened."))
    approved_by = fields.List(fields.String(), **output("The names of the accounts whose approvals count."))
    acts = fields.List(fields.Nested(RequestActView), **output("What was done about it, in order of time."))
    excluded = fields.List(fields.Nested(ExcludedApprovalView), **output("Approvals that do not count."))
    gates = fields.List(fields.Nested(GateVerdictView), **output("What each rule of the policy says of the move now."))
    document = fields.Dict(**output("The requested policy.", null=True))


class ListedRequestView(RequestView):
    """A request in a list."""

    class Meta:
        exclude = ("acts", "excluded", "gates", "document")


RequestPage = page_of(ListedRequestView, "RequestPage")
