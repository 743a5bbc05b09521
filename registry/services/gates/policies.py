"""Policies of models and the default policy: set, removed and shown, with every earlier one. Documents never change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.db.base import Chained, Rows
from registry.db.batch import Query
from registry.db.bulk_insert import insert_whole, keep_rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import (
    Account,
    AliasTenure,
    AuditEntry,
    AuditText,
    Model,
    PolicyAssignment,
    StoredPolicy,
    Version,
)
from registry.db.queries import catalog, governance, records
from registry.db.records import Page
from registry.db.session import reading
from registry.db.write_session import writing
from registry.domain import canonical_json, validation
from registry.domain.access import Actor, Permission
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, NotFound, PreconditionFailed
from registry.rules.policies.document import Policy
from registry.rules.policies.weakening import weaker
from registry.services import audit
from registry.services.gates import approvals, assignments, documents, verdicts
from registry.services.gates.approvals import OpenRequest
from registry.services.idempotency import Claim, Outcome
from registry.services.unit_of_work import UnitOfWork, unit_of_work

_ASSIGNED_FIELDS = (
    PolicyAssignment.id,
    Model.name,
    PolicyAssignment.number,
    PolicyAssignment.digest,
    StoredPolicy.document,
    PolicyAssignment.started_at,
    Account.name.label("actor"),
    AuditText.text,
    PolicyAssignment.started_entry,
)
_SHOWN: Rows = (
    select(*_ASSIGNED_FIELDS)
    .outerjoin(Model, Model.id == PolicyAssignment.model_id)
    .outerjoin(StoredPolicy, StoredPolicy.digest == PolicyAssignment.digest)
    .join(AuditEntry, AuditEntry.uid == PolicyAssignment.started_entry)
    .join(Account, Account.id == AuditEntry.actor_id)
    .outerjoin(AuditText, (AuditText.entry_uid == AuditEntry.uid) & (AuditText.field == "reason"))
)
_SHOW_ONE = FixedStatement(_SHOWN.where(PolicyAssignment.id == bindparam("assignment")))
_SHOW_CURRENT = FixedStatement(_SHOWN.where(PolicyAssignment.id == assignments.current_id(bindparam("model"))))
_SHOW_DEFAULT = FixedStatement(_SHOWN.where(PolicyAssignment.id == assignments.current_id(None)))
_IS_STORED = FixedStatement(select(StoredPolicy.digest).where(StoredPolicy.digest == bindparam("digest")))
_DOCUMENT = FixedStatement(select(StoredPolicy.document).where(StoredPolicy.digest == bindparam("digest")))


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A policy as it was set: for a model, or with ``model`` None as the default for models without their own.

    ``number`` counts the changes of the model's policy from 1. ``digest`` and ``document`` are None where it was
    removed. ``row_version`` is the id of the assignment.
    """

    row_version: int
    model: str | None
    number: int
    digest: str | None
    document: Mapping[str, Any] | None
    set_at: datetime
    set_by: str
    reason: str | None
    entry: str
    changed: bool = True


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A policy's document under its digest."""

    digest: str
    document: Mapping[str, Any]


def set_(
    model: str | None,
    document: Mapping[str, Any] | str,
    *,
    reason: str,
    actor: Actor,
    if_match: int | None = None,
    request: str | None = None,
    claim: Claim | None = None,
) -> PolicyRecord:
    """Let a policy guard the model, or with None each model without its own. The present document changes nothing.

    Locks the model's row, or for the default policy waits for all moves under way. Raises NotFound, Forbidden, Invalid
    with the mistakes of the document by their places, PreconditionFailed, or Conflict for a weaker policy without the
    approvals that the present one needs for that. *request* is the one that is applied.
    """
    actor.require(Permission.POLICY_SET)
    validation.require_reason(reason)
    policy = documents.parse(document)
    with unit_of_work(claim) as unit:
        chain, latest = _lock_policy(unit.session, model, if_match, digest=policy.digest)
        if latest.own is not None and latest.own.digest == policy.digest:
            approvals.refuse_done(request)
            return _finish_assignment(unit, latest.own.id, changed=False)
        return _assign(unit, chain, latest, policy, reason=reason, actor=actor, request=request)


def remove(
    model: str | None,
    *,
    reason: str,
    actor: Actor,
    if_match: int | None = None,
    request: str | None = None,
    claim: Claim | None = None,
) -> PolicyRecord:
    """End the model's own policy, so that the default one guards it; with None end the default one.

    Raises NotFound where there is none, Forbidden, PreconditionFailed, or Conflict as :func:`set_` does.
    """
    actor.require(Permission.POLICY_SET)
    validation.require_reason(reason)
    with unit_of_work(claim) as unit:
        chain, latest = _lock_policy(unit.session, model, if_match)
        assignments.require_own(latest.own, model)
        return _assign(unit, chain, latest, None, reason=reason, actor=actor, request=request)


def inherit(session: Session, model: Model, earlier: Query, *, actor: Actor, before: int = 0) -> None:
    """Assign the model-specific policy of the last model of that name, deleted or renamed, to the *model*.

    Within the transaction that creates the model; *earlier* is the executed ``assignments.ask_for_earlier``. The model
    has no model-specific policy; *before* is the number of earlier changes of its policy.
    """
    if not earlier.rows or (digest := earlier.rows[0].digest) is None:
        return
    event, number = audit.begin(model), before + 1
    row = {"model_id": model.id, "number": number, "digest": digest, "started_at": event.at, "started_entry": event.uid}
    draft = AuditEntryDraft(
        "policy.set",
        {"model": model.name},
        before={"policy": None},
        after={"policy": digest, "number": number},
        texts=audit.texts(reason="it guarded the last model of this name"),
    )
    audit.record(session, model, event, draft, actor=actor, aside=True)
    insert_whole(session, PolicyAssignment, row)


def take_over(session: Session, model: Model, earlier: Query, *, actor: Actor) -> None:
    """Assign the policy of the name to a *model* that is renamed to it or restored under it.

    A model with a model-specific policy keeps it. Within the caller's transaction, with the model's row locked;
    *earlier* is as for :func:`inherit`. Raises Conflict where the policy that guards the model then is weaker than that
    of the name, or than the one before, which needs approvals for that; and while a version is in a stage, or has an
    alias, that the policy of the name guards: it has not met its rules.
    """
    if not earlier.rows or (of_name := earlier.rows[0]).digest is None or of_name.model_id == model.id:
        return
    own, current = assignments.ask_for_latest_of(model.id), assignments.ask_for_current_of(model.id)
    writing(session).ask(*governance.share_rules(session), own, current)
    latest, present = (query.rows[0] if query.rows else None for query in (own, current))
    kept = latest.digest if latest else None
    then = documents.stored(session, kept or of_name.digest)
    for digest in {of_name.digest, *([present.digest] if present else [])}:
        before = documents.stored(session, digest)
        if before.weakening == "approvals" and (reasons := weaker(before, then)):
            raise Conflict(
                f"the policy {then.digest} would guard {model.name!r} and is weaker than {digest}, which needs "
                f"approvals for that ({'; '.join(reasons[:3])}). Set a policy for {model.name!r} that is not weaker "
                "first, or take another name"
            )
    if kept is None:
        _require_none_live(session, model, then)
        inherit(session, model, earlier, actor=actor, before=latest.number if latest else 0)


def _require_none_live(session: Session, model: Model, policy: Policy) -> None:
    """Raise Conflict while a version of the model is in a stage, or has an alias, that the *policy* guards."""
    stages = select(Version.number, Version.stage).where(
        Version.model_id == model.id,
        Version.stage.in_([stage.value for stage in verdicts.GUARDED if policy.rules(stage.value)]),
    )
    pointed = (
        select(Version.number, AliasTenure.alias)
        .join(AliasTenure, AliasTenure.version_id == Version.id)
        .where(AliasTenure.model_id == model.id, AliasTenure.ended_at.is_(None))
    )
    live = [f"version {number} is in {stage}" for number, stage in session.execute(stages.order_by(Version.number))]
    live += [
        f"the alias {alias} points at version {number}"
        for number, alias in session.execute(pointed.order_by(AliasTenure.alias))
        if policy.protects(alias)
    ]
    if live:
        raise Conflict(
            f"{'; '.join(live[:5])}. The policy {policy.digest} goes on under the name {model.name!r} and was not met: "
            "archive the versions and delete the aliases first, or take another name"
        )


def show(model: str | None) -> PolicyRecord:
    """Return the policy that guards the model: its own, else the default one, which None names. Raises NotFound."""
    with reading() as session:
        if model is None:
            rows = records.rows(session, _SHOW_DEFAULT)
        else:
            rows = records.rows(session, _SHOW_CURRENT, model=catalog.model(session, model).id)
    if not rows:
        detail = "there is no default policy" if model is None else f"no policy guards the model {model!r}"
        raise NotFound(f"{detail}; set one with: registry gate set")
    return _policy_record(rows[0])


def history(model: str | None, *, after: tuple[Any, ...] | None = None, limit: int) -> Page[PolicyRecord]:
    """Return each policy that was set for the model, or as the default one, newest first, with its removals.

    Raises NotFound.
    """
    with reading() as session:
        own = catalog.model(session, model).id if model is not None else None
        statement = _SHOWN.where(PolicyAssignment.model_id == own if own else PolicyAssignment.model_id.is_(None))
        if after is not None:
            statement = statement.where(PolicyAssignment.id < after[0])
        found = records.page(
            session, statement.order_by(PolicyAssignment.id.desc()), by=(PolicyAssignment.id,), limit=limit
        )
        return Page([_policy_record(row) for row in found.items], found.next_after)


def document(digest: str) -> DocumentRecord:
    """Return a policy that was ever set, by its digest. Raises NotFound."""
    with reading() as session:
        rows = records.rows(session, _DOCUMENT, digest=digest)
    if not rows:
        raise NotFound(f"there is no policy {digest}")
    return DocumentRecord(digest, json.loads(rows[0].document))


def recall(outcome: Outcome) -> PolicyRecord:
    """Return the assignment that an earlier request made or found."""
    with reading() as session:
        return replace(_one(session, outcome["assignment"]), changed=outcome["changed"])


@dataclass(frozen=True, slots=True)
class _Latest:
    """The latest own assignment under the lock, and whether the document to be set is stored.

    ``in_force`` is the digest of the policy in force, of the model or by default, ``default`` that of the default one.
    """

    own: PolicyAssignment | None
    is_stored: bool
    in_force: str | None
    default: str | None

    def after(self, policy: Policy | None, model: Model | None, session: Session) -> Policy | None:
        """Return the policy that is in force when *policy* was set, or with None the model's own one was removed."""
        if policy is not None or model is None or self.default is None:
            return policy
        return documents.stored(session, self.default)


def _lock_policy(
    session: Session, model: str | None, if_match: int | None, *, digest: str = ""
) -> tuple[Chained, _Latest]:
    latest, current = assignments.ask_for_latest(model), assignments.ask_for_current(model)
    stored, default = Query(_IS_STORED, digest=digest), assignments.ask_for_current(None)
    looks = (latest, current, stored, default)
    chain: Chained
    if model is None:
        chain = audit.lock_chain(session, audit.REGISTRY, *governance.change_rules(session), *looks)
    else:
        chain = catalog.lock_model(session, model, *governance.share_rules(session), *looks)
    if if_match is not None and if_match != (current.rows[0].id if current.rows else None):
        raise PreconditionFailed("the policy changed since you read it; read it again, then decide")
    own = PolicyAssignment(**latest.rows[0]._asdict()) if latest.rows else None
    in_force, by_default = (query.rows[0].digest if query.rows else None for query in (current, default))
    return chain, _Latest(own, bool(stored.rows), in_force, by_default)


def _assign(
    unit: UnitOfWork,
    chain: Chained,
    latest: _Latest,
    policy: Policy | None,
    *,
    reason: str,
    actor: Actor,
    request: str | None,
) -> PolicyRecord:
    event, before = audit.begin(chain), latest.own
    number, digest = before.number + 1 if before else 1, policy.digest if policy else None
    model = chain if isinstance(chain, Model) else None
    requested = _require_approvals(unit.session, model, latest, policy)
    approvals.require_same(requested, request, event.at)
    if policy and not latest.is_stored:
        text = canonical_json.dumps(policy.document).decode()
        document = {"digest": digest, "document": text, "created_at": event.at}
        keep_rows(unit.session, StoredPolicy, [document], key=["digest"])
    row = {
        "model_id": model.id if model else None,
        "number": number,
        "digest": digest,
        "started_at": event.at,
        "started_entry": event.uid,
    }
    subject = {"model": model.name} if model else {}
    draft = AuditEntryDraft(
        "policy.set" if digest else "policy.removed",
        subject,
        before={"policy": before.digest if before else None},
        after={"policy": digest, "number": number, **approvals.recorded(requested, event.at)},
        texts=audit.texts(reason=reason),
    )
    audit.record(unit.session, chain, event, draft, actor=actor)
    closed = approvals.close_applied(unit.session, chain, requested, event, as_of=event.at, actor=actor)
    if closed is not None:
        unit.remember_also(request=closed)
    return _finish_assignment(unit, insert_whole(unit.session, PolicyAssignment, row).id, changed=True)


def _require_approvals(
    session: Session, model: Model | None, latest: _Latest, policy: Policy | None
) -> OpenRequest | None:
    """Return the open request for the change, if any.

    Raises Conflict for a weaker policy than the one in force without the approvals that this needs.
    """
    asked = approvals.ask_for_policy(model.id if model else None, policy.digest if policy else None)
    writing(session).ask(asked)
    requested = approvals.found(session, asked)
    old = documents.stored(session, latest.in_force) if latest.in_force is not None else None
    if old is not None and old.weakening == "approvals":
        reasons = weaker(old, latest.after(policy, model, session))
        if reasons:
            approvals.require_for_policy(session, requested, old, reasons)
    return requested


def _finish_assignment(unit: UnitOfWork, assignment: int, *, changed: bool) -> PolicyRecord:
    unit.remember(assignment=assignment, changed=changed)
    return replace(_one(unit.session, assignment), changed=changed)


def _one(session: Session, assignment: int) -> PolicyRecord:
    return _policy_record(records.rows(session, _SHOW_ONE, assignment=assignment)[0])


def _policy_record(row: Any) -> PolicyRecord:
    assignment, model, number, digest, text, set_at, set_by, reason, entry = row
    stored = None if text is None else json.loads(text)
    return PolicyRecord(assignment, model, number, digest, stored, set_at, set_by, reason, entry)
