"""Requests that are applied as soon as their last gate passes: a worker tries the move as the requester.

It tries after each approval, check and measurement, and every minute, because some gates are met by waiting. Unmet
gates change nothing; any other refusal is kept as ``last_refusal``. The trials end with the request, or with the
requester's token.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import select, update

from registry.db import times
from registry.db.models import Account, AuditEntry, Request, Token
from registry.db.session import reading, transaction
from registry.domain import audit as entries
from registry.domain import requests
from registry.domain.access import Actor, ActorKind, Role, permissions_of
from registry.domain.errors import Forbidden, GatesUnmet, RegistryError
from registry.domain.requests import RequestState
from registry.services import leases
from registry.services.audit import sealing
from registry.services.gates import approvals
from registry.services.requests import applying, showing
from registry.storage.checked import Store
from registry.telemetry.meters import meters

log = structlog.get_logger(__name__)
AGAIN = timedelta(minutes=1)
OPEN = (RequestState.OPEN, RequestState.APPROVED)
NOT_SEALED = "the request does not bear this registry's seal: its row was changed by another program"
NO_TOKEN = "the token that opened the request is not valid any more; apply the request by hand"  # noqa: S105 -- a text


def apply_next(*, store: Store, protected: Collection[str]) -> bool:
    """Try to apply one request that is due; false when none is. Any number of workers may do this at once."""
    row = _claim_due()
    if row is None:
        return False
    if showing.show(row.id).state not in OPEN:
        _end(row, None)
        return True
    try:
        applying.apply(row.id, actor=_requester(row), store=store, protected=protected)
        log.info("request_applied", id=row.id)
        outcome = "applied"
    except GatesUnmet:  # the request shows its gates
        outcome = "unmet"
    except RegistryError as refusal:
        outcome = "refused"
        log.info("request_refused", id=row.id, reason=refusal.detail)
        _keep_refusal(row, refusal.detail)
    except Exception:
        outcome = "failed"
        log.exception("request_broke", id=row.id)
        _keep_refusal(row, "the registry made a mistake; its log has it under the id of this request")
    meters().request_trials.labels(outcome).inc()
    return True


def _claim_due() -> Request | None:
    """Take the request that is due longest, and postpone it, so that it is tried again if this worker dies."""
    with reading() as session:
        if session.scalars(_due().limit(1)).first() is None:
            return None
    with transaction() as session:
        now = leases.now(session)
        row = session.scalars(_due().limit(1).with_for_update(skip_locked=True)).first()
        if row is not None:
            row.due_at = now + AGAIN
            session.flush()
            session.expunge(row)
        return row


def _due() -> Any:
    due = select(Request).where(approvals.IS_OPEN, Request.due_at <= times.now())
    return due.order_by(Request.due_at, Request.id)


def _requester(row: Request) -> Actor:
    """Return the requester with the token that opened the request. Raises Forbidden when it does not hold any more."""
    with reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.uid == row.opened_entry)).first()
        if entry is None or not _is_genuine(row, entry):
            _end(row, NOT_SEALED)
            raise Forbidden(NOT_SEALED, permission="request:open")
        token = session.get(Token, row.token_id) if row.token_id is not None else None
        account = session.get_one(Account, row.requested_by)
    valid = token is not None and token.account_id == account.id and token.revoked_at is None
    if token is None or not valid or token.expires_at <= times.now():
        _end(row, NO_TOKEN)
        raise Forbidden(NO_TOKEN, permission="version:promote")
    roles = frozenset(map(Role, token.roles))
    return Actor(account.id, account.name, ActorKind(account.kind), roles, permissions_of(roles),
                 token_id=token.id, issuer_id=token.created_by)  # fmt: skip


def _is_genuine(row: Request, entry: AuditEntry) -> bool:
    """Return whether the entry is one of this service, and has what the row has of who requested what."""
    sealed = entry.seal is not None and sealing.matches(entry.seal, entry.leaf_hash)
    document = json.loads(entry.body)
    values = {column.key: getattr(row, column.key) for column in Request.__table__.columns}
    return (
        sealed
        and entries.leaf_hash(entry.body) == entry.leaf_hash
        and document["actor"]["id"] == row.requested_by
        and document["after"] == requests.recorded(values)
    )


def _end(row: Request, refusal: str | None) -> None:
    with transaction() as session:
        ended = update(Request).where(Request.id == row.id).values(due_at=None, last_refusal=refusal)
        session.execute(ended)


def _keep_refusal(row: Request, refusal: str) -> None:
    with transaction() as session:
        session.execute(update(Request).where(Request.id == row.id, approvals.IS_OPEN).values(last_refusal=refusal))
