"""Trials of a policy that is not set: on past promotions, and on the versions that are in staging now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import AuditEntry, GateEvaluation, Model, Tenure, Version
from registry.db.queries import catalog, records
from registry.db.records import Page
from registry.db.session import reading
from registry.domain.lineage import LINEAGE_OF_VERSIONS
from registry.domain.stages import Stage, TransitionKind
from registry.rules.policies import GateFacts, Need, Policy, Rule, evaluate
from registry.rules.policies.conditions.records import RequiredRule
from registry.services.gates import documents, gathering
from registry.services.gates.gathering import NamedFacts

MOST = 50  # items of a page: each is evaluated
DESCRIPTION = "description"
_GUARDED = (TransitionKind.PROMOTE.value, TransitionKind.RESTORE.value, TransitionKind.DEMOTE.value)
# What an entry after a promotion leaves unknown of the time before it.
_CHANGES: Mapping[str, Sequence[str]] = {
    "version.edited": (Need.TAGS, DESCRIPTION),
    "model.edited": (Need.MODEL_TAGS,),
    "text.erased": (Need.TAGS, Need.MODEL_TAGS, DESCRIPTION),
    "version.refreshed": (Need.PARAMS, Need.LINEAGE),
    **dict.fromkeys(LINEAGE_OF_VERSIONS, (Need.LINEAGE,)),
}
_CHANGED = FixedStatement(
    select(AuditEntry.action)
    .where(
        AuditEntry.model_id == bindparam("model"),
        AuditEntry.version_id.is_(None) | (AuditEntry.version_id == bindparam("version")),
        AuditEntry.at > bindparam("at", type_=AuditEntry.at.type),
        AuditEntry.action.in_([*_CHANGES]),
    )
    .distinct()
)
_PROMOTIONS: Rows = (
    select(
        Model,
        Version,
        Tenure.stage,
        Tenure.started_at,
        Tenure.started_entry,
        GateEvaluation.policy_digest,
        GateEvaluation.facts,
    )
    .select_from(Tenure)
    .join(Model, Model.id == Tenure.model_id)
    .join(Version, Version.id == Tenure.version_id)
    .outerjoin(GateEvaluation, and_(GateEvaluation.entry_uid == Tenure.started_entry))
    .where(Tenure.started_kind.in_(_GUARDED), Model.deleted_at.is_(None))
)


class Against(StrEnum):
    """What a policy is tried on: past promotions, or the versions in staging now."""

    HISTORY = "history"
    STAGING = "staging"


class TrialOutcome(StrEnum):
    """``unknown``: no rule is known to fail, and some rest on what was not recorded for that time."""

    PASSED = "passed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """What the policy says of a version for a stage, as of ``at``.

    ``entry`` is that of the past promotion. ``is_stored``: the facts are those that the promotion rests on.
    ``unrecorded`` names the parts of the facts that are not known for that time.
    """

    model: str
    version: int
    stage: str
    at: datetime
    entry: str | None
    outcome: TrialOutcome
    is_stored: bool
    unrecorded: Sequence[str]
    gates: Sequence[Mapping[str, Any]]


def try_policy(
    document: Mapping[str, Any] | str,
    against: Against,
    *,
    model: str | None = None,
    after: tuple[Any, ...] | None = None,
    limit: int,
) -> Page[TrialRecord]:
    """Return what the policy of the document says of past promotions, or of the versions in staging, newest first.

    Changes nothing. Raises Invalid for a document with mistakes, and NotFound for an unknown *model*.
    """
    policy = documents.parse(document)
    with reading(snapshot=True) as session:
        own = catalog.model(session, model).id if model is not None else None
        if against is Against.STAGING:
            return _on_staging(session, policy, own, after, limit)
        return _on_history(session, policy, own, after, limit)


def _on_staging(
    session: Session, policy: Policy, own: str | None, after: tuple[Any, ...] | None, limit: int
) -> Page[TrialRecord]:
    statement = select(Model, Version).join(Version, Version.model_id == Model.id)
    statement = statement.where(Version.stage == Stage.STAGING.value, Model.deleted_at.is_(None))
    found = _trial_page(session, statement, Version.id, own, after, limit)
    stage = Stage.PRODUCTION.value
    items = []
    for model, version in found.items:
        facts = gathering.gather(session, model, version, stage, policy.rules(stage))
        items.append(_tried(policy, stage, facts, entry=None, is_stored=False, unknown=set()))
    return Page(items, found.next_after)


def _on_history(
    session: Session, policy: Policy, own: str | None, after: tuple[Any, ...] | None, limit: int
) -> Page[TrialRecord]:
    statement = _PROMOTIONS.where(Tenure.stage.in_(policy.guards))
    found = _trial_page(session, statement, Tenure.id, own, after, limit)
    items = []
    for model, version, stage, at, entry, digest, text in found.items:
        rules, unknown = policy.rules(stage), set[str]()
        is_stored = text is not None and _covers(documents.stored(session, digest).rules(stage), rules)
        if is_stored:
            facts = GateFacts.from_document(json.loads(text))
        else:
            unknown = _unrecorded_parts(session, model, version, at, rules)
            needs = {Need(part) for part in unknown - {DESCRIPTION}}
            facts = gathering.gather(session, model, version, stage, rules, until=at, unknown=needs)
        items.append(_tried(policy, stage, facts, entry=entry, is_stored=is_stored, unknown=unknown))
    return Page(items, found.next_after)


def _trial_page(
    session: Session, statement: Rows, key: Any, own: str | None, after: tuple[Any, ...] | None, limit: int
) -> Page[tuple[Any, ...]]:
    if own is not None:
        statement = statement.where(Model.id == own)
    if after is not None:
        statement = statement.where(key < after[0])
    return records.page(session, statement.order_by(key.desc()), by=(key,), limit=limit)


def _covers(then: Sequence[Rule], rules: Sequence[Rule]) -> bool:
    """Return whether facts that were gathered for the rules of *then* have all that *rules* read."""
    has = {need for rule in then for need in rule.needs}
    return has >= _needs(rules) and NamedFacts.by(then).covers(NamedFacts.by(rules))


def _needs(rules: Sequence[Rule]) -> set[Need]:
    return {need for rule in rules for need in rule.needs}


def _unrecorded_parts(
    session: Session, model: Model, version: Version, at: datetime, rules: Sequence[Rule]
) -> set[str]:
    """Return the parts of the facts that *rules* read and that are not known for the instant."""
    changes = records.rows(session, _CHANGED, model=model.id, version=version.id, at=at)
    lost = {part for row in changes for part in _CHANGES[row.action]} | {Need.APPROVALS}
    read = {*_needs(rules), *([DESCRIPTION] if NamedFacts.by(rules).description else [])}
    return lost & read


def _tried(
    policy: Policy, stage: str, facts: GateFacts, *, entry: str | None, is_stored: bool, unknown: set[str]
) -> TrialRecord:
    found = evaluate(policy, stage, facts)
    rules = policy.rules(stage)
    failed = [rules[gate.rule] for gate in found.failed]
    outcome = TrialOutcome.PASSED
    if failed:
        is_known = any(_is_known(rule, unknown) for rule in failed)
        outcome = TrialOutcome.REFUSED if is_known else TrialOutcome.UNKNOWN
    return TrialRecord(
        facts.model,
        facts.version,
        stage,
        facts.at,
        entry,
        outcome,
        is_stored,
        sorted(unknown),
        found.to_document(),
    )


def _is_known(rule: Rule, unknown: set[str]) -> bool:
    if isinstance(rule, RequiredRule) and rule.description and DESCRIPTION in unknown:
        return False
    return not rule.needs & unknown
