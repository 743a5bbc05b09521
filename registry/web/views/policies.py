"""Policies: the rules that guard models, their history, and the forms that set and remove them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from flask import Response
from marshmallow import fields, validate

from registry.db.records import Page as Listed
from registry.db.records import RequestRecord
from registry.domain.access import Permission
from registry.domain.errors import NotFound
from registry.domain.requests import POLICY
from registry.http import cursors
from registry.http.access import requires
from registry.http.context import current_actor
from registry.http.fields import QueryNumber
from registry.rules.policies import MAX_BYTES, STAGES, Policy, Rule, parse
from registry.services.catalog import models
from registry.services.gates import policies
from registry.services.gates.policies import DocumentRecord, PolicyRecord
from registry.services.idempotency import Outcome
from registry.services.requests import opening, showing
from registry.services.requests.opening import Proposal
from registry.web import forms
from registry.web.acts import Done, act
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.entry_links import entry_address
from registry.web.environment import may
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.stage_forms import Reason
from registry.web.text import policy_text
from registry.web.views.models import crumbs

OWN, DEFAULT = "/models/<model:model>/policy", "/policy"
ROWS = 20
_EXAMPLE = """\
policy: 1
description: what was agreed, and with whom
production:
  - rule: metric
    metric: auc
    at_least: 0.9
  - rule: lineage
    datasets: true
    clean_commit: true
"""


class PolicyQuery(forms.WebQuery):
    """The page of the history."""

    cursor = fields.String(load_default=None)


class RemovePolicyForm(forms.WebForm):
    """The reason of a removal, and the policy that the form has shown."""

    reason = Reason()
    row_version = QueryNumber(load_default=None)
    ask = fields.String(load_default="")


class SetPolicyForm(RemovePolicyForm):
    """A policy to set."""

    document = fields.String(
        required=True,
        validate=validate.Length(max=MAX_BYTES, error=f"must have at most {MAX_BYTES // 1024} KiB"),
        error_messages={"required": "enter a policy"},
    )


class ShownPolicy:
    """A policy's document as pages show it: its rules as sentences, and its text."""

    def __init__(self, document: Any) -> None:
        self.policy: Policy = parse(document)
        self.text = policy_text.as_yaml(document)

    @property
    def stages(self) -> Sequence[tuple[str, Sequence[Rule]]]:
        """Return the stages that have rules, with these."""
        return [(stage, rules) for stage in STAGES if (rules := self.policy.rules(stage))]


class AboutPolicy(WebPage):
    """A page about the policy of a model; None: about the default one."""

    def __init__(self, model: str | None, title: str, last: str = "") -> None:
        self.model = model
        self.title = f"{title} of {model}" if model else f"{title}: default"
        self.address = address_of(model)
        below = [Crumb(last)] if last else []
        if model is None:
            self.crumbs = (Crumb("Default policy", self.address if below else None), *below)
        else:
            self.crumbs = crumbs(model, Crumb("Policy", self.address if below else None), *below)

    @property
    def api(self) -> str:  # type: ignore[override]  # there is no answer without a policy
        if self.record is None:
            return ""
        return api_path("policy") if self.model is None else api_path("models", self.model, "policy")

    @cached_property
    def record(self) -> PolicyRecord | None:
        """Return the policy that guards the model: its own, or the default one."""
        try:
            return policies.show(self.model)
        except NotFound:
            return None

    @property
    def is_own(self) -> bool:
        """Return whether the policy is that of the model itself, or the page is about the default one."""
        return self.record is not None and self.record.model == self.model

    @property
    def is_weaker(self) -> bool:
        """Return whether the change was refused because it needs approvals, so that a request is the way to it."""
        refused = self.refusal is not None and self.refusal.code == "conflict"
        return (refused or "ask" in self.values) and may(Permission.REQUEST_OPEN)

    @property
    def row_version(self) -> str:
        """Return the policy that the form was made for: the present one, once a refusal has shown it."""
        has_changed = self.refusal is not None and self.refusal.code == "precondition_failed"
        opened = None if has_changed else self.values.get("row_version")
        return opened or (str(self.record.row_version) if self.record else "")


class PolicyPage(AboutPolicy):
    """The policy that guards a model, and the history of the model-specific ones."""

    template = "policy.html"

    def __init__(self, model: str | None, cursor: str | None) -> None:
        super().__init__(model, "Policy")
        self.cursor = cursor
        self.command = command("registry", "gate", "show", *([model] if model else ["--default"]))
        self.is_deleted = model is not None and models.describe(model).deleted_at is not None

    @cached_property
    def shown(self) -> ShownPolicy | None:
        return ShownPolicy(self.record.document) if self.record else None

    @cached_property
    def history(self) -> Listed[PolicyRecord]:
        return policies.history(self.model, after=cursors.position(self.cursor), limit=ROWS)

    @property
    def older(self) -> str | None:
        """Return the address of the next page of the history."""
        cursor = cursors.of(self.history.next_after)
        return cursor and address_of(self.model, cursor=cursor)

    def entry(self, record: PolicyRecord) -> str | None:
        """Return the address of the audit entry, where the caller can see it."""
        if record.model is None:
            return url_for("entry", entry=record.entry) if may(Permission.AUDIT_READ) else None
        return entry_address(record.model, record.entry)


class SetPolicyPage(AboutPolicy):
    """The form that sets a policy. A refused document has its mistakes by their places."""

    template = "set_policy.html"
    longest = MAX_BYTES

    def __init__(self, model: str | None) -> None:
        super().__init__(model, "Set the policy", "Set")
        whose = [model] if model else ["--default"]
        self.command = command("registry", "gate", "set", *whose, "--file", "-", "--reason", "TEXT")

    @property
    def text(self) -> str:
        """Return the document to begin with: the present policy, or an example."""
        return policy_text.as_yaml(self.record.document or {}) if self.record else _EXAMPLE

    @property
    def mistakes(self) -> Sequence[tuple[str, str]]:
        """Return the mistakes of the document, each with its place."""
        return [(place, text) for place, texts in self.errors.items() if place != "reason" for text in texts]


class RemovePolicyPage(AboutPolicy):
    """The form that removes a model's own policy, or the default one."""

    template = "remove_policy.html"

    def __init__(self, model: str | None) -> None:
        super().__init__(model, "Remove the policy", "Remove")
        whose = [model] if model else ["--default"]
        self.command = command("registry", "gate", "remove", *whose, "--reason", "TEXT")


class DocumentPage(WebPage):
    """A policy that was ever set, by its digest."""

    template = "policy_document.html"

    def __init__(self, record: DocumentRecord) -> None:
        self.record = record
        self.title = f"Policy {record.digest[:19]}"
        self.crumbs = (Crumb("Default policy", url_for("default_policy")), Crumb(self.title))
        self.api = api_path("policies", record.digest)
        self.shown = ShownPolicy(record.document)


@blueprint.get(OWN)
@requires(Permission.MODEL_READ)
def policy(model: str) -> Response:
    return page(PolicyPage(model, forms.query(PolicyQuery)["cursor"]))


@blueprint.get(DEFAULT)
@requires(Permission.MODEL_READ)
def default_policy() -> Response:
    return page(PolicyPage(None, forms.query(PolicyQuery)["cursor"]))


@blueprint.get("/policies/<digest:digest>")
@requires(Permission.MODEL_READ)
def policy_document(digest: str) -> Response:
    return page(DocumentPage(policies.document(digest)))


@blueprint.route(f"{OWN}/set", methods=["GET", "POST"])
@requires(Permission.POLICY_SET)
def set_policy(model: str) -> Response:
    models.describe(model)
    return _set_by_form(model)


@blueprint.route(f"{DEFAULT}/set", methods=["GET", "POST"])
@requires(Permission.POLICY_SET)
def set_default_policy() -> Response:
    return _set_by_form(None)


@blueprint.route(f"{OWN}/remove", methods=["GET", "POST"])
@requires(Permission.POLICY_SET)
def remove_policy(model: str) -> Response:
    models.describe(model)
    return _remove_by_form(model)


@blueprint.route(f"{DEFAULT}/remove", methods=["GET", "POST"])
@requires(Permission.POLICY_SET)
def remove_default_policy() -> Response:
    return _remove_by_form(None)


def address_of(model: str | None, **query: Any) -> str:
    """Return the address of the policy of a model; None: of the default one."""
    return url_for("default_policy", **query) if model is None else url_for("policy", model=model, **query)


def _set_by_form(model: str | None) -> Response:
    def do(form: dict[str, Any], claim: Any) -> PolicyRecord | RequestRecord:
        if form["ask"]:
            return _ask_for_policy(model, form["document"], form, claim)
        return policies.set_(
            model,
            form["document"],
            reason=form["reason"],
            actor=current_actor(),
            if_match=form["row_version"],
            claim=claim,
        )

    return act(SetPolicyPage(model), SetPolicyForm, do=do, recall=_recall_change, done=_done(model))


def _remove_by_form(model: str | None) -> Response:
    def do(form: dict[str, Any], claim: Any) -> PolicyRecord | RequestRecord:
        if form["ask"]:
            return _ask_for_policy(model, None, form, claim)
        return policies.remove(
            model, reason=form["reason"], actor=current_actor(), if_match=form["row_version"], claim=claim
        )

    return act(RemovePolicyPage(model), RemovePolicyForm, do=do, recall=_recall_change, done=_done(model))


def _ask_for_policy(model: str | None, document: str | None, form: dict[str, Any], claim: Any) -> RequestRecord:
    """Open a request for another policy, or with None for the removal of the present one."""
    actor = current_actor()
    actor.require(Permission.REQUEST_OPEN)
    return opening.open_(Proposal(POLICY, form["reason"], model=model, document=document), actor=actor, claim=claim)


def _recall_change(outcome: Outcome) -> PolicyRecord | RequestRecord:
    return policies.recall(outcome) if "assignment" in outcome else showing.recall(outcome)


def _done(model: str | None) -> Callable[[PolicyRecord | RequestRecord], Done]:
    whose = model or "models without their own"

    def done(record: PolicyRecord | RequestRecord) -> Done:
        if isinstance(record, RequestRecord):
            return Done(url_for("request", request=record.id), "The request is open.")
        if record.digest is None:
            text = f"The policy of {whose} was removed."
        else:
            text = f"This policy guards {whose} now." if record.changed else "This is the policy already."
        return Done(address_of(model), text)

    return done
