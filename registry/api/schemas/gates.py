"""Verdicts of policies on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load

from registry.api.schemas.hold_notices import holds_of
from registry.api.schemas.paging import PageBody, page_of
from registry.api.schemas.policies import PolicyDocumentField
from registry.api.schemas.problem import GateVerdictView
from registry.domain.stages import Stage
from registry.http.fields import Choice, Instant, Strict, Text, View, WholeNumber, about, one_of, output
from registry.rules import names
from registry.services.gates.trials import MOST, Against, TrialOutcome


class GatesQuery(Strict):
    """The stage whose rules are evaluated."""

    stage = fields.String(
        load_default=Stage.PRODUCTION.value,
        validate=Choice([Stage.STAGING.value, Stage.PRODUCTION.value]),
        metadata=about("The stage whose rules are evaluated; by default, production."),
    )

    @post_load
    def _open_stage(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"stage": Stage(data["stage"])}


class GateEvaluationView(View):
    """The verdicts of a policy on a move."""

    policy = fields.String(**output("The digest of the policy."))
    number = fields.Integer(**output("The number of the policy, as its history counts."))
    is_default = fields.Boolean(**output("Whether it is the default policy; otherwise it is the model's own."))
    passed = fields.Boolean(**output("Whether every rule passed."))
    gates = fields.List(
        fields.Nested(GateVerdictView),
        **output("The verdict on each rule; empty where the policy has no rules for the stage."),
    )


class StageGatesView(View):
    """What the rules of a stage say of a version now, and the holds that keep it out."""

    model = fields.String(**output("The name of the model."))
    number = fields.Integer(**output("The number of the version."))
    stage = fields.String(**output("The stage whose rules were evaluated."))
    at = Instant(**output("When they were evaluated."))
    passed = fields.Boolean(
        **output("Whether every rule passed, if a policy guards the model, and no hold keeps the version out.")
    )
    holds = holds_of("the version")
    evaluation = fields.Nested(GateEvaluationView, **output("The verdicts; null where no policy guards it.", null=True))


class PastEvaluationView(View):
    """The evaluation of a policy that a move rests on."""

    entry = fields.String(**output("The audit entry of the move."))
    model = fields.String(**output("The name of the model."))
    version = fields.Integer(**output("The number of the version."))
    target = fields.String(**output("The stage that it entered, or `@` and the alias that was pointed at it."))
    at = Instant(**output("When it moved."))
    policy = fields.String(**output("The digest of the policy."))
    number = fields.Integer(**output("The number of the policy, as its history counts."))
    is_default = fields.Boolean(**output("Whether it was the default policy; otherwise it was the model's own."))


class StoredEvaluationView(View):
    """The facts and verdicts that a move rests on: what is needed to evaluate them again."""

    move = fields.Nested(PastEvaluationView, **output("The move and its policy."))
    digest = fields.String(
        **output("The digest of `{facts, verdicts}` in RFC 8785 form, as the audit entry of the move has it.")
    )
    facts = fields.Dict(**output("What the policy was evaluated on."))
    gates = fields.List(
        fields.Nested(GateVerdictView),
        **output("The verdict on each rule; empty where the policy had no rules for the target."),
    )


PastEvaluationPage = page_of(PastEvaluationView, "PastEvaluationPage")


class PolicyTrialBody(PageBody):
    """A policy that is tried, and on what."""

    document = PolicyDocumentField(required=True)
    against = fields.String(
        required=True,
        validate=Choice([against.value for against in Against]),
        metadata=about("`history`: past promotions; `staging`: the versions in staging now."),
    )
    model = Text(rule=names.model_name_problem, metadata=about("Only this model; without it, all models."))
    limit = WholeNumber(load_default=20, least=1, most=MOST, metadata=about("At most so many items."))

    @post_load
    def _open_against(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return data | {"against": Against(data["against"])}


class PolicyTrialView(View):
    """What the policy that is tried says of a version."""

    model = fields.String(**output("The name of the model."))
    version = fields.Integer(**output("The number of the version."))
    stage = fields.String(**output("The stage whose rules were evaluated."))
    at = Instant(**output("The instant that it was evaluated for: of the past promotion, or now."))
    entry = fields.String(**output("The audit entry of the past promotion; null for a version in staging.", null=True))
    outcome = fields.String(
        **output(
            f"{one_of(TrialOutcome)}. `unknown`: no rule is known to fail, and some rest on what is not recorded for "
            "that time."
        )
    )
    is_stored = fields.Boolean(**output("Whether the facts are those that the promotion rests on, not gathered now."))
    unrecorded = fields.List(fields.String(), **output("The parts of the facts that are not known for that time."))
    gates = fields.List(fields.Nested(GateVerdictView), **output("The verdict on each rule."))


PolicyTrialPage = page_of(PolicyTrialView, "PolicyTrialPage")
