"""Approvals: the open request for a move or another policy, whether it is void, and whose approvals count."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, func, literal_column, or_, select, update
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.base import Chained
from registry.db.batch import Query
from registry.db.bulk_insert import insert_rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import (
    Account,
    AliasTenure,
    AuditEntry,
    Model,
    Request,
    RequestAct,
    Tenure,
    Version,
)
from registry.db.queries import catalog
from registry.db.write_session import writing
from registry.domain import clock, requests
from registry.domain.access import Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict
from registry.domain.four_eyes import Person
from registry.domain.requests import ActKind, Binding, PersonalAct, RequestState
from registry.domain.stages import Stage
from registry.rules.policies.conditions import ApprovalsRule
from registry.rules.policies.document import Policy
from registry.rules.policies.facts import ApprovalFacts, DecisionFact, ExcludedFact, GateFacts
from registry.services import audit
from registry.services.gates import assignments

IS_OPEN = Request.state == literal_column(f"'{RequestState.OPEN}'")  # a literal: else the index may be left out


def _holder_now(model: Any, target: Any) -> ColumnElement[Any]:
    """Return the entry by which a version of the model came to hold the target; NULL for one that many can hold."""
    production = (
        select(Tenure.started_entry)
        .where(Tenure.model_id == model, Tenure.stage == Stage.PRODUCTION.value, Tenure.ended_at.is_(None))
        .order_by(Tenure.started_at.desc(), Tenure.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    alias = (
        select(AliasTenure.started_entry)
        .where(
            AliasTenure.model_id == model,
            AliasTenure.alias == func.substr(target, 2),
            AliasTenure.ended_at.is_(None),
        )
        .limit(1)
        .scalar_subquery()
    )
    return case((target == Stage.PRODUCTION.value, production), (target.like("@%"), alias))


POLICY_NOW = assignments.in_force(Request.model_id, "started_entry")
HOLDER_NOW = _holder_now(Request.model_id, Request.target)
FILES_NOW: ColumnElement[Any] = case((Version.deleted_at.is_(None), Version.manifest_digest))
IS_VOID: ColumnElement[bool] = or_(
    Request.manifest_digest.is_distinct_from(FILES_NOW),
    Request.policy_entry.is_distinct_from(POLICY_NOW),
    Request.holder_entry.is_distinct_from(HOLDER_NOW),
)
_MODEL = bindparam("model", type_=Request.model_id.type)
_numbered = (
    select(Version.id)
    .where(Version.model_id == catalog.live_id(bindparam("model")), Version.number == bindparam("number"))
    .scalar_subquery()
)
_LATEST = (
    select(Request.__table__, FILES_NOW.label("files_now"), POLICY_NOW.label("policy_now"),
           HOLDER_NOW.label("holder_now"))
    .outerjoin(Version, Version.id == Request.version_id)
    .where(Request.target == bindparam("target"), IS_OPEN)
    .order_by(Request.opened_at.desc())
    .limit(1)
)  # fmt: skip
_OPEN_FOR_MOVE = FixedStatement(_LATEST.where(Request.version_id == _numbered))
_OPEN_FOR_POLICY = FixedStatement(
    _LATEST.where(
        Request.model_id.is_not_distinct_from(_MODEL),
        Request.policy_digest.is_not_distinct_from(bindparam("policy", type_=Request.policy_digest.type)),
    )
)
_ACT = (RequestAct.kind.label("act"), RequestAct.account_id.label("account"), RequestAct.issuer_id.label("via"),
        RequestAct.roles, RequestAct.at.label("acted_at"), Account.name.label("name"))  # fmt: skip
ACTS = select(RequestAct.request_id, *_ACT).join(Account, Account.id == RequestAct.account_id).order_by(RequestAct.id)
_ACTS_OF = FixedStatement(ACTS.where(RequestAct.request_id == bindparam("request")))
_for_version = _LATEST.where(Request.version_id == bindparam("version")).subquery("latest")
_WITH_ACTS = FixedStatement(
    select(*_for_version.c, *_ACT)
    .outerjoin(RequestAct, RequestAct.request_id == _for_version.c.id)
    .outerjoin(Account, Account.id == RequestAct.account_id)
    .order_by(RequestAct.id)
)
_BINDING = FixedStatement(
    select(
        assignments.in_force(_MODEL, "started_entry").label("policy"),
        _holder_now(_MODEL, bindparam("target", type_=Request.target.type)).label("holder"),
        select(AuditEntry.issuer_id)
        .where(AuditEntry.version_id == bindparam("version"), AuditEntry.action == "version.registered")
        .limit(1)
        .scalar_subquery()
        .label("registrar_issuer"),
    )
)
_WAKE = FixedStatement(
    update(Request)
    .where(Request.version_id == bindparam("of_version"), IS_OPEN, Request.apply_when_ready)
    .values(due_at=bindparam("at", type_=Request.due_at.type))
)


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request that is stored as open (its row, or another with these columns), and why it is void, if it is."""

    row: Any
    void: str | None

    def ended(self, now: datetime) -> str | None:
        """Return why it does not count at *now*: it is void, or has expired."""
        if self.void is None and now >= self.row.expires_at:
            return f"it expired at {clock.wire(self.row.expires_at)}"
        return self.void


def ask_for_move(model: str, number: int, target: str) -> Query:
    """Return the query for the open request for a move, to be executed with the lock of the model."""
    return Query(_OPEN_FOR_MOVE, model=model, number=number, target=target)


def ask_for_policy(model_id: str | None, digest: str | None) -> Query:
    """Return the query for the open request for another policy: of the model, or with None the default one."""
    return Query(_OPEN_FOR_POLICY, model=model_id, policy=digest, target=requests.POLICY)


def ask_for_binding(model_id: str | None, target: str, version_id: int | None) -> Query:
    """Return the query for what a request is bound to, and for the issuer of the registrar's credential."""
    return Query(_BINDING, model=model_id, target=target, version=version_id)


def ask_for_version(version_id: int, target: str) -> Query:
    """Return the query for the open request for a move, with the acts on it."""
    return Query(_WITH_ACTS, version=version_id, target=target)


def found(session: Session, query: Query) -> OpenRequest | None:
    """Return the request that a query found which was executed."""
    return opened(adopt(session, query.rows[0]), query.rows[0]) if query.rows else None


def adopt(session: Session, row: Any) -> Request:
    """Return the request of a row that begins with its columns, for changes."""
    return writing(session).adopt(Request, row)


def opened(request: Any, row: Any) -> OpenRequest:
    """Return the request with the reason why it is void; *row* has what is in force now."""
    bound = Binding(request.manifest_digest, request.policy_entry, request.holder_entry)
    present = Binding(row.files_now, row.policy_now, row.holder_now)
    return OpenRequest(request, requests.void_reason(request.target, bound, present))


def people(request: Any) -> tuple[Person, Person | None]:
    """Return the requester and the registrar."""
    registrar = request.registrar_id and Person(request.registrar_id, request.registrar_issuer_id)
    return Person(request.requested_by, request.issuer_id), registrar or None


def acts_of(rows: Iterable[Any]) -> list[PersonalAct]:
    """Return the acts of rows, which are in order of time."""
    return [
        PersonalAct(ActKind(row.act), Person(row.account, row.via), tuple(row.roles), row.acted_at, row.name)
        for row in rows
        if row.act is not None
    ]


def facts_of(request: Any, acts: Iterable[PersonalAct], *, ended: str | None) -> ApprovalFacts:
    """Return the facts for the rules about approvals: decisions that count, and those that do not, with the reason."""
    requester, registrar = people(request)
    counted, excluded = [], []
    for act in requests.decisions(acts):
        reason = requests.exclusion(act.person, requester, registrar)
        if reason and act.kind is ActKind.APPROVED:
            excluded.append(ExcludedFact(act.name, reason))
        else:
            counted.append(DecisionFact(act.name, requests.DECISIONS[act.kind], act.at, act.roles))
    return ApprovalFacts(request.id, ended, tuple(counted), tuple(excluded))


def gathered(query: Query) -> ApprovalFacts:
    """Return the facts of the query of :func:`ask_for_version`, which was executed."""
    if not query.rows:
        return ApprovalFacts()
    latest = opened(query.rows[0], query.rows[0])
    return facts_of(latest.row, acts_of(query.rows), ended=latest.ended(times.now()))


def rules_for(policy: Policy | None, target: str) -> Sequence[ApprovalsRule]:
    """Return the rules about approvals for a target; another policy needs those of all stages."""
    if policy is None:
        return []
    stages = {requests.POLICY: policy.guards}.get(target, ("production" if target.startswith("@") else target,))
    rules = [rule for stage in stages for rule in policy.rules(stage)]
    return [rule for rule in rules if isinstance(rule, ApprovalsRule)]


def are_met(policy: Policy | None, target: str, facts: ApprovalFacts, *, reference: tuple[str, int]) -> bool:
    """Return whether the approvals suffice; where no rule needs any, whether there is one."""
    rules = rules_for(policy, target)
    if policy is None or not rules:
        return facts.void is None and any(one.decision == "approved" for one in facts.decisions)
    model, number = reference
    known = GateFacts(target=target, at=times.now(), model=model, version=number, manifest_digest=None, approvals=facts)
    return all(rule.judge(known, policy.terms).passed for rule in rules)


def require_for_policy(session: Session, request: OpenRequest | None, old: Policy, reasons: Sequence[str]) -> None:
    """Raise Conflict unless the request for a weaker policy has the approvals that the present one needs."""
    refusal = f"the policy in force needs approvals for a weaker one ({'; '.join(reasons[:3])})"
    ended = request.ended(times.now()) if request is not None else None
    if request is None or ended is not None:
        why = f"; the request {request.row.id} does not count: {ended}" if request is not None else ""
        advice = "Open a request and have it approved: registry request open MODEL policy --file FILE --reason TEXT"
        raise Conflict(f"{refusal}{why}. {advice}")
    acts = Query(_ACTS_OF, request=request.row.id)
    writing(session).ask(acts)
    facts = facts_of(request.row, acts_of(acts.rows), ended=None)
    if not are_met(old, requests.POLICY, facts, reference=("", 0)):
        raise Conflict(f"{refusal}, and the request {request.row.id} has too few of them")


def wake(session: Session, version: Version, at: datetime) -> None:
    """Let a worker try the open requests for the version that are applied when they are ready."""
    writing(session).write(_WAKE, {"of_version": version.id, "at": at})


def act(
    session: Session,
    chain: Chained,
    request: Request,
    event: audit.Event,
    kind: ActKind,
    *,
    actor: Actor,
    version: Version | None = None,
    text: str | None = None,
    entry: str | None = None,
) -> None:
    """Add an act on a request with its entry, and close the request where the act does that.

    *entry* is that of the move by which it was applied: the act's own entry is then aside of that.
    """
    roles = sorted(actor.roles)
    row = {
        "request_id": request.id,
        "kind": kind.value,
        "account_id": actor.id,
        "issuer_id": actor.issuer_id if actor.is_issued_by_another else None,
        "roles": roles,
        "entry_uid": event.uid,
        "at": event.at,
    }
    insert_rows(session, RequestAct, [row])
    if closed := requests.CLOSING.get(kind):
        request.state, request.closed_at, request.closed_entry, request.due_at = closed.value, event.at, event.uid, None
    subject = {"model": chain.name} if isinstance(chain, Model) else {}
    draft = AuditEntryDraft(
        f"request.{kind.value}",
        subject | ({"version": version.number} if version else {}),
        after={"request": request.id, "roles": roles} | ({"entry": entry} if entry else {}),
        texts=audit.texts(comment=text),
    )
    audit.record(session, chain, event, draft, actor=actor, version=version, aside=entry is not None)


def recorded(request: OpenRequest | None, at: datetime) -> dict[str, str]:
    """Return what the entry of a move has of the request that it is for."""
    return {"request": request.row.id} if request is not None and not request.ended(at) else {}


def refuse_done(applied: str | None) -> None:
    """Raise Conflict for a request that is to be *applied*, if any, where its move would change nothing."""
    if applied is not None:
        raise Conflict(f"the request {applied} is not open any more, or what it is for was done already")


def require_same(request: OpenRequest | None, applied: str | None, at: datetime) -> None:
    """Raise Conflict unless the request that is to be *applied*, if any, is the one that is open for the move."""
    if applied is not None and (request is None or request.row.id != applied or request.ended(at)):
        raise Conflict(f"the request {applied} is not open any more; look at it again")


def close_applied(
    session: Session,
    chain: Chained,
    request: OpenRequest | None,
    move: audit.Event,
    *,
    as_of: datetime,
    actor: Actor,
    version: Version | None = None,
) -> str | None:
    """Close the request by the entry of the move that it was for, and return its id.

    A request that was void or had expired when the move was decided, *as_of*, stays so, and counts as none.
    """
    if request is None or request.ended(as_of):
        return None
    own = audit.Event(str(uuid.uuid4()), move.at)
    act(session, chain, request.row, own, ActKind.APPLIED, actor=actor, version=version, entry=move.uid)
    closed: str = request.row.id
    return closed
