"""Rows of requests: found by their ids, locked with the chain that they belong to, and shown."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, literal_column, select
from sqlalchemy.orm import Session, aliased

from registry.db import times
from registry.db.base import Chained
from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Account, AuditText, Model, PolicyAssignment, Request, RequestAct, Version
from registry.db.queries import catalog, governance, records
from registry.db.records import RequestActRecord, RequestRecord
from registry.db.write_session import writing
from registry.domain import requests
from registry.domain.errors import NotFound
from registry.domain.requests import PersonalAct, RequestState
from registry.rules.policies.document import Policy
from registry.services import audit
from registry.services.gates import approvals, documents
from registry.services.gates.approvals import OpenRequest
from registry.services.stages.changes import refuse_deleted

_REASON, _COMMENT, _IN_FORCE = aliased(AuditText), aliased(AuditText), aliased(PolicyAssignment)


def _joined_text(own: Any, entry: Any, field: str) -> Any:
    return and_(own.entry_uid == entry, own.field == literal_column(f"'{field}'"))


SHOWN = (
    select(
        Request.__table__,
        approvals.FILES_NOW.label("files_now"),
        approvals.POLICY_NOW.label("policy_now"),
        approvals.HOLDER_NOW.label("holder_now"),
        Model.name.label("model"),
        Version.number,
        Account.name.label("requester"),
        _REASON.text.label("reason"),
        _IN_FORCE.digest.label("digest_now"),
    )
    .select_from(Request)
    .join(Account, Account.id == Request.requested_by)
    .outerjoin(Model, Model.id == Request.model_id)
    .outerjoin(Version, Version.id == Request.version_id)
    .outerjoin(_REASON, _joined_text(_REASON, Request.opened_entry, "reason"))
    .outerjoin(_IN_FORCE, _IN_FORCE.started_entry == approvals.POLICY_NOW)
)
_ONE = FixedStatement(SHOWN.where(Request.id == bindparam("request")))
_ACTS = FixedStatement(
    approvals.ACTS.add_columns(RequestAct.entry_uid, _COMMENT.text.label("comment"))
    .outerjoin(_COMMENT, _joined_text(_COMMENT, RequestAct.entry_uid, "comment"))
    .where(RequestAct.request_id.in_(bindparam("requests", expanding=True)))
)
_DOCUMENT = FixedStatement(
    select(AuditText.text)
    .join(Request, Request.opened_entry == AuditText.entry_uid)
    .where(Request.id == bindparam("request"), AuditText.field == literal_column("'document'"))
)


def canonical_id(request: str) -> str:
    """Return the id in its canonical form. Raises NotFound for what is no id."""
    try:
        return str(uuid.UUID(request))
    except ValueError:
        detail = f"there is no request {request[:64]!r}: an id is like 5f2c9d1e-0000-4000-8000-000000000000"
        raise NotFound(detail) from None


def one(session: Session, request: str) -> Any:
    """Return the row of SHOWN for a request. Raises NotFound."""
    if rows := records.rows(session, _ONE, request=canonical_id(request)):
        return rows[0]
    raise NotFound(f"there is no request {request}")


def lock(session: Session, request: str) -> tuple[Chained, Any, Sequence[Any]]:
    """Lock the chain of a request; return it with the request's row and acts as they are then.

    Raises NotFound, or Conflict where its model is deleted.
    """
    row = one(session, request)
    chain: Chained
    if row.model_id is None:
        chain = audit.lock_chain(session, audit.REGISTRY, *governance.share_rules(session))
    else:
        chain = model = catalog.lock_model_by_id(session, row.model_id)
        refuse_deleted(model)
    shown, acts = Query(_ONE, request=row.id), Query(_ACTS, requests=[row.id])
    writing(session).ask(shown, acts)
    return chain, shown.rows[0], acts.rows


def acts(session: Session, requests_: Iterable[str]) -> Mapping[str, Sequence[Any]]:
    """Return the acts of each of the requests, in order of time."""
    ids = [*requests_]
    found: dict[str, list[Any]] = {one: [] for one in ids}
    if ids:
        for row in records.rows(session, _ACTS, requests=ids):
            found[row.request_id].append(row)
    return found


def proposed(session: Session, request: str) -> Mapping[str, Any] | None:
    """Return the document of the policy that is requested; None for a removal, or where it was redacted."""
    rows = records.rows(session, _DOCUMENT, request=request)
    document: Mapping[str, Any] | None = json.loads(rows[0].text) if rows else None
    return document


def in_force(session: Session, row: Any) -> Policy | None:
    """Return the policy that guards the model of the request now."""
    return documents.stored(session, row.digest_now) if row.digest_now is not None else None


def state_of(
    row: Any, own: Sequence[PersonalAct], policy: Policy | None, now: datetime
) -> tuple[OpenRequest, RequestState]:
    """Return the request with why it is void, and the state that it has at *now*."""
    opened = approvals.opened(row, row)
    facts = approvals.facts_of(row, own, ended=opened.ended(now))
    is_approved = approvals.are_met(policy, row.target, facts, reference=(row.model or "", row.number or 0))
    stored = RequestState(row.state)
    return opened, requests.shown_state(
        stored, expires_at=row.expires_at, void=opened.void, is_approved=is_approved, now=now
    )


def record(session: Session, row: Any, done: Sequence[Any], **details: Any) -> RequestRecord:
    """Return the record of a row of SHOWN and of its acts; *details* are those that lists leave out."""
    own = approvals.acts_of(done)
    opened, state = state_of(row, own, in_force(session, row), times.now())
    facts = approvals.facts_of(row, own, ended=None)
    return RequestRecord(
        id=row.id,
        model=row.model,
        version=row.number,
        target=row.target,
        policy=row.policy_digest,
        state=state.value,
        void=opened.void if state is RequestState.VOID else None,
        requester=row.requester,
        reason=row.reason,
        manifest_digest=row.manifest_digest,
        apply_when_ready=row.apply_when_ready,
        last_refusal=row.last_refusal,
        opened_at=row.opened_at,
        expires_at=row.expires_at,
        closed_at=row.closed_at,
        entry=row.opened_entry,
        approved_by=[one.account for one in facts.decisions if one.decision == "approved"],
        **details,
    )


def detailed(session: Session, row: Any, done: Sequence[Any], gates: Sequence[Mapping[str, Any]]) -> RequestRecord:
    """Return the record with its acts, the approvals that do not count, the gates now, and a requested policy."""
    facts = approvals.facts_of(row, approvals.acts_of(done), ended=None)
    return record(
        session,
        row,
        done,
        acts=[RequestActRecord(act.act, act.name, act.roles, act.acted_at, act.entry_uid, act.comment) for act in done],
        excluded=[{"account": one.account, "reason": one.reason} for one in facts.excluded],
        gates=gates,
        document=proposed(session, row.id) if row.target == requests.POLICY else None,
    )


def version_of(session: Session, row: Any) -> Version | None:
    """Return the version of a request's row, if it is about one."""
    return None if row.version_id is None else session.get_one(Version, row.version_id)
