"""Requests for approval of moves and policies."""

from __future__ import annotations

from typing import Any

from registry.api import addresses
from registry.api import gate_examples as examples
from registry.api.blueprint import Blueprint
from registry.api.refusal_docs import refuses
from registry.api.schemas.paging import paged
from registry.api.schemas.requests import (
    DecisionBody,
    RequestBody,
    RequestPage,
    RequestRejectionBody,
    RequestsQuery,
    RequestView,
)
from registry.db.records import RequestRecord
from registry.domain.access import Permission
from registry.domain.errors import AlreadyExists, GatesUnmet, NotFound
from registry.http.access import requires
from registry.http.context import current_actor, current_claim, protected_aliases, store
from registry.http.database_position import replicable
from registry.services.requests import applying, deciding, opening, showing
from registry.services.requests.opening import Proposal

blueprint = Blueprint("requests", __name__, url_prefix="/api/v1", description="Approval by a second person.")
ONE = "/requests/<request>"


def _location(request: RequestRecord) -> str:
    return addresses.of_request(request.id)


@blueprint.route("/requests", methods=["POST"])
@blueprint.arguments(RequestBody, example=examples.REQUEST)
@blueprint.response(201, RequestView, example=examples.REQUESTED, recall=showing.recall, location=_location)
@refuses(AlreadyExists, NotFound)
@requires(Permission.REQUEST_OPEN)
def open_request(body: Proposal) -> RequestRecord:
    """Open a request for approval: of a move, or of another policy.

    It is bound to the files of the version, to the policy and to the holder of the target. When one of them is another,
    the request is void. There is one open request for the same at a time.
    """
    return opening.open_(body, actor=current_actor(), claim=current_claim())


@blueprint.route("/requests")
@blueprint.arguments(RequestsQuery, location="query")
@blueprint.response(200, RequestPage)
@requires(Permission.MODEL_READ)
@replicable
def list_requests(query: dict[str, Any]) -> dict[str, Any]:
    """List requests for approval, newest first."""
    approver = current_actor() if query.pop("approver", None) else None
    requester = current_actor() if query.pop("mine") else None
    return paged(showing.list_(approver=approver, requester=requester, **query))


@blueprint.route(ONE)
@blueprint.response(200, RequestView, example=examples.REQUESTED)
@requires(Permission.MODEL_READ)
@replicable
def get_request(request: str) -> RequestRecord:
    """Show a request with what was done about it, and the gates of its move now."""
    return showing.show(request)


@blueprint.route(f"{ONE}/approve", methods=["POST"])
@blueprint.arguments(DecisionBody, example=examples.APPROVAL)
@blueprint.response(200, RequestView, recall=showing.recall)
@requires(Permission.REQUEST_APPROVE)
def approve_request(body: dict[str, Any], request: str) -> RequestRecord:
    """Approve a request.

    Refused (403) to the requester, to the account that registered the version, to accounts that issued the credentials
    of these two, and with credentials that these two issued. The last decision of each account counts.
    """
    return deciding.approve(request, body.get("comment"), actor=current_actor(), claim=current_claim())


@blueprint.route(f"{ONE}/reject", methods=["POST"])
@blueprint.arguments(RequestRejectionBody)
@blueprint.response(200, RequestView, recall=showing.recall)
@requires(Permission.REQUEST_APPROVE)
def reject_request(body: dict[str, Any], request: str) -> RequestRecord:
    """Reject a request. That is final, and closes it."""
    return deciding.reject(request, body["comment"], actor=current_actor(), claim=current_claim())


@blueprint.route(f"{ONE}/withdraw", methods=["POST"])
@blueprint.arguments(DecisionBody)
@blueprint.response(200, RequestView, recall=showing.recall)
@requires(Permission.VERSION_NOTE)
def withdraw_request(body: dict[str, Any], request: str) -> RequestRecord:
    """Withdraw a request as its requester; or as an approver, the own approval."""
    return deciding.withdraw(request, body.get("comment"), actor=current_actor(), claim=current_claim())


@blueprint.route(f"{ONE}/comment", methods=["POST"])
@blueprint.arguments(RequestRejectionBody)
@blueprint.response(200, RequestView, recall=showing.recall)
@requires(Permission.VERSION_NOTE)
def comment_request(body: dict[str, Any], request: str) -> RequestRecord:
    """Comment on an open request."""
    return deciding.comment(request, body["comment"], actor=current_actor(), claim=current_claim())


@blueprint.route(f"{ONE}/apply", methods=["POST"])
@blueprint.arguments(DecisionBody)
@blueprint.response(200, RequestView, recall=showing.recall)
@refuses(GatesUnmet)
@requires(Permission.VERSION_STAGE)
def apply_request(body: dict[str, Any], request: str) -> RequestRecord:
    """Make the move, or set the policy, that was requested.

    Needs the permissions of that, and all of its rules hold. A move that is made another way closes the request, too.
    """
    return applying.apply(
        request, reason=body.get("comment"), actor=current_actor(), store=store(), protected=protected_aliases(),
        claim=current_claim(),
    )  # fmt: skip
