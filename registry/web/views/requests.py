"""Requests for approval: the list, each with its gates and approvals, and the forms that open and decide them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from flask import Response
from marshmallow import fields, validate

from registry.db.records import Page as Listed
from registry.db.records import RequestRecord, VersionRecord
from registry.domain import requests as rules
from registry.domain.access import Permission
from registry.domain.requests import RequestState
from registry.domain.stages import SERVING
from registry.http import cursors
from registry.http.access import requires
from registry.http.context import current_actor, protected_aliases, store
from registry.http.fields import Text
from registry.rules.names import MODEL_NAME_LENGTH
from registry.services.catalog import versions
from registry.services.requests import applying, deciding, opening, showing
from registry.services.requests.opening import Proposal
from registry.web import forms
from registry.web.acts import Done, act
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.environment import may
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.stage_forms import Reason
from registry.web.text import request_words
from registry.web.views.policies import ShownPolicy, address_of
from registry.web.views.version_acts import VERSION, way_to

ROWS = 50
ONE = "/requests/<request>"
_LONGEST = 2000  # of a comment
_ROOT = "Requests"


class RequestsWebQuery(forms.WebQuery):
    """Which requests are listed."""

    state = fields.String(
        load_default=RequestState.OPEN.value, validate=validate.OneOf(["all", *(one.value for one in showing.LISTED)])
    )
    whose = fields.String(load_default="", data_key="for")
    model = Text(load_default=None, most=MODEL_NAME_LENGTH)
    cursor = fields.String(load_default=None)


class OpenQuery(forms.WebQuery):
    """The target that the form begins with."""

    target = Text(load_default="production", most=256)


class OpenForm(forms.WebForm):
    """A request for the approval of a move."""

    target = Text(required=True, least=1, most=256)
    reason = Reason()
    apply_when_ready = fields.String(load_default="")


class CommentForm(forms.WebForm):
    """A decision with a comment."""

    comment = Text(load_default="", most=_LONGEST)


class RequiredCommentForm(forms.WebForm):
    """A decision that needs a comment."""

    comment = Text(required=True, least=1, most=_LONGEST)


class RequestsPage(WebPage):
    """Requests, the newest first."""

    template = "requests.html"
    title = _ROOT
    states: Sequence[str] = ("open", "applied", "rejected", "withdrawn", "expired", "void", "all")
    sought = staticmethod(request_words.sought)
    badges = request_words.BADGES

    def __init__(self, query: Mapping[str, Any]) -> None:
        whose = query["whose"]
        self.awaits_caller = whose == "me" and may(Permission.REQUEST_APPROVE)
        self.is_own = whose == "mine"
        self.whose = whose if self.awaits_caller or self.is_own else None
        self.state, self.model, self.cursor = query["state"], query["model"], query["cursor"]
        state = None if self.state == "all" or self.whose else self.state
        self.named = RequestState(state) if state else None
        narrowed, options = {"state": state}, ["--state", state] if state else []
        if self.whose:
            narrowed, options = ({"mine": "true"}, ["--mine"]) if self.is_own else ({"for": "me"}, ["--for-me"])
        self.api = api_path("requests", **narrowed, model=self.model)
        self.command = command(
            "registry", "request", "list", *options, *(["--model", self.model] if self.model else [])
        )

    @cached_property
    def requests(self) -> Listed[RequestRecord]:
        return showing.list_(
            state=self.named,
            model=self.model,
            approver=current_actor() if self.awaits_caller else None,
            requester=current_actor() if self.is_own else None,
            after=cursors.position(self.cursor),
            limit=ROWS,
        )

    @property
    def following(self) -> str | None:
        """Return the address of the next page."""
        cursor = cursors.of(self.requests.next_after)
        query = {"state": self.state, "for": self.whose, "model": self.model, "cursor": cursor}
        return cursor and url_for("requests", **query)


class AboutRequest(WebPage):
    """A page about one request."""

    def __init__(self, record: RequestRecord, *below: str) -> None:
        self.record = record
        self.sought = request_words.sought(record)
        self.crumbs = (
            Crumb(_ROOT, url_for("requests")),
            Crumb(record.id[:8], url_for("request", request=record.id) if below else None),
            *map(Crumb, below),
        )
        self.api = api_path("requests", record.id)


class RequestPage(AboutRequest):
    """A request: what it is bound to, its gates now, its approvals, and what was said about it."""

    template = "request.html"
    badges = request_words.BADGES
    acts = request_words.ACTS

    def __init__(self, record: RequestRecord) -> None:
        super().__init__(record)
        self.title = f"Request: {self.sought}"
        self.command = command("registry", "request", "show", record.id)

    @property
    def is_open(self) -> bool:
        """Return whether decisions are possible."""
        return self.record.state in {RequestState.OPEN, RequestState.APPROVED}

    who_approves = rules.WHO_APPROVES

    @property
    def no_approval(self) -> str:
        """Return why the caller cannot approve; "" if they can, as far as their account and roles show it."""
        if not may(Permission.REQUEST_APPROVE):
            return "To approve, you need the role approver."
        if self.record.requester == current_actor().name:
            return "You opened this request: another person approves it."
        return ""

    @property
    def can_withdraw(self) -> bool:
        """Return whether the caller opened the request, or has approved it."""
        name = current_actor().name
        return name in (self.record.requester, *self.record.approved_by)

    @property
    def can_apply(self) -> bool:
        """Return whether the caller has the permissions of what is requested."""
        if self.record.target == rules.POLICY:
            return may(Permission.POLICY_SET)
        if self.record.target.startswith("@"):
            return may(Permission.ALIAS_SET)
        return may(Permission.VERSION_PROMOTE if self.record.target == "production" else Permission.VERSION_STAGE)

    @property
    def proposed(self) -> ShownPolicy | None:
        """Return the policy that is requested."""
        return ShownPolicy(self.record.document) if self.record.document else None

    @property
    def of_policy(self) -> str:
        """Return the address of the policy in force."""
        return address_of(self.record.model)


class DecisionPage(AboutRequest):
    """The form of a decision, with its consequences."""

    template = "decide.html"
    longest = _LONGEST

    def __init__(self, record: RequestRecord, verb: str) -> None:
        super().__init__(record, verb.capitalize())
        self.title = f"{verb.capitalize()}: {self.sought}"
        self.verb = verb
        self.explained, self.is_commented = request_words.DECISIONS[verb]
        options = ["TEXT"] if verb == "comment" else ["--comment", "TEXT"] if self.is_commented else []
        self.command = command("registry", "request", verb, record.id, *options)


class OpenPage(WebPage):
    """The form that opens a request for a move of a version."""

    template = "open_request.html"

    def __init__(self, version: VersionRecord, target: str) -> None:
        self.version, self.target = version, target
        reference = f"{version.model}:{version.number}"
        self.title = f"Ask for approval of a move of {reference}"
        self.crumbs = way_to(version.model, version.number, "Ask for approval")
        self.command = command("registry", "request", "open", reference, target, "--reason", "TEXT")
        self.api = api_path("requests", model=version.model)
        stages = sorted(stage.value for stage in SERVING if stage != version.stage)
        self.targets = [(name, name) for name in dict.fromkeys([*stages, *([target] if target[:1] == "@" else [])])]


@blueprint.get("/requests", endpoint="requests")
@requires(Permission.MODEL_READ)
def list_requests() -> Response:
    return page(RequestsPage(forms.query(RequestsWebQuery)))


@blueprint.get(ONE, endpoint="request")
@requires(Permission.MODEL_READ)
def request_page(request: str) -> Response:
    return page(RequestPage(showing.show(request)))


@blueprint.route(f"{VERSION}/request", methods=["GET", "POST"])
@requires(Permission.REQUEST_OPEN)
def open_request(model: str, number: int) -> Response:
    def do(form: dict[str, Any], claim: Any) -> RequestRecord:
        proposal = Proposal(
            form["target"],
            form["reason"],
            model=model,
            version=number,
            apply_when_ready=form["apply_when_ready"] != "",
        )
        return opening.open_(proposal, actor=current_actor(), claim=claim)

    shown = OpenPage(versions.describe(model, number), forms.query(OpenQuery)["target"])
    return act(shown, OpenForm, do=do, recall=showing.recall, done=opened)


@blueprint.route(f"{ONE}/approve", methods=["GET", "POST"])
@requires(Permission.REQUEST_APPROVE)
def approve_request(request: str) -> Response:
    def do(form: dict[str, Any], claim: Any) -> RequestRecord:
        return deciding.approve(request, form["comment"] or None, actor=current_actor(), claim=claim)

    return _decide_by_form(request, "approve", do, "You approved it.")


@blueprint.route(f"{ONE}/reject", methods=["GET", "POST"])
@requires(Permission.REQUEST_APPROVE)
def reject_request(request: str) -> Response:
    def do(form: dict[str, Any], claim: Any) -> RequestRecord:
        return deciding.reject(request, form["comment"], actor=current_actor(), claim=claim)

    return _decide_by_form(request, "reject", do, "You rejected it.")


@blueprint.route(f"{ONE}/withdraw", methods=["GET", "POST"])
@requires(Permission.VERSION_NOTE)
def withdraw_request(request: str) -> Response:
    def do(form: dict[str, Any], claim: Any) -> RequestRecord:
        return deciding.withdraw(request, form["comment"] or None, actor=current_actor(), claim=claim)

    return _decide_by_form(request, "withdraw", do, "It was withdrawn.")


@blueprint.route(f"{ONE}/comment", methods=["GET", "POST"])
@requires(Permission.VERSION_NOTE)
def comment_request(request: str) -> Response:
    def do(form: dict[str, Any], claim: Any) -> RequestRecord:
        return deciding.comment(request, form["comment"], actor=current_actor(), claim=claim)

    return _decide_by_form(request, "comment", do, "The comment was added.")


@blueprint.route(f"{ONE}/apply", methods=["GET", "POST"])
@requires(Permission.VERSION_STAGE)
def apply_request(request: str) -> Response:
    def do(form: dict[str, Any], claim: Any) -> RequestRecord:
        return applying.apply(
            request,
            reason=form["comment"] or None,
            actor=current_actor(),
            store=store(),
            protected=protected_aliases(),
            claim=claim,
        )

    return _decide_by_form(request, "apply", do, "It was applied.")


def opened(record: RequestRecord) -> Done:
    """Return the page of a request that was opened."""
    return Done(url_for("request", request=record.id), "The request is open.")


def _decide_by_form(request: str, verb: str, do: Callable[[dict[str, Any], Any], RequestRecord], text: str) -> Response:
    shown = DecisionPage(showing.show(request), verb)
    schema = RequiredCommentForm if shown.is_commented else CommentForm
    return act(
        shown,
        schema,
        do=do,
        recall=showing.recall,
        done=lambda record: Done(url_for("request", request=record.id), text),
    )
