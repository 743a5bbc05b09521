"""Apply requests: make the move, or set the policy, that was requested. All rules of the move itself hold."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from registry.db import times
from registry.db.records import RequestRecord
from registry.db.session import reading
from registry.domain import requests
from registry.domain.access import Actor, Permission
from registry.domain.errors import Conflict
from registry.domain.stages import Stage
from registry.services.catalog import aliases
from registry.services.gates import approvals, policies
from registry.services.idempotency import Claim
from registry.services.requests import rows, showing
from registry.services.stages import transitions
from registry.services.stages.changes import StageChange
from registry.storage.checked import Store


def apply(
    request: str,
    *,
    actor: Actor,
    store: Store,
    protected: Collection[str],
    reason: str | None = None,
    claim: Claim | None = None,
) -> RequestRecord:
    """Make the move of an open request, which closes it; *reason* is by default that of the request.

    Raises NotFound, Conflict for a request that is not open, Forbidden without the permissions of the move, and what
    the move raises: GatesUnmet while approvals or other gates are missing.
    """
    with reading(snapshot=True) as session:
        row = rows.one(session, request)
        acts = approvals.acts_of(rows.acts(session, [row.id])[row.id])
        opened, state = rows.state_of(row, acts, rows.in_force(session, row), times.now())
        document = rows.proposed(session, row.id)
    requests.require_open(row.id, state, void=opened.void)
    reason = reason or row.reason or f"request {row.id}"
    if row.target == requests.POLICY:
        _set_policy(row, document, reason, actor=actor, claim=claim)
    elif row.target.startswith("@"):
        actor.require(Permission.ALIAS_SET)
        aliases.point(
            row.model, row.target[1:], row.number,
            actor=actor, store=store, protected=protected, reason=reason, request=row.id, claim=claim,
        )  # fmt: skip
    else:
        actor.require(Permission.VERSION_STAGE)
        change = StageChange(reason, request=row.id)
        transitions.move(row.model, row.number, Stage(row.target), change, actor=actor, store=store, claim=claim)
    return showing.show(row.id)


def _set_policy(row: Any, document: Any, reason: str, *, actor: Actor, claim: Claim | None) -> None:
    if row.policy_digest is None:
        policies.remove(row.model, reason=reason, actor=actor, request=row.id, claim=claim)
    elif document is None:
        raise Conflict(f"the document of the request {row.id} was redacted; open another one")
    else:
        policies.set_(row.model, document, reason=reason, actor=actor, request=row.id, claim=claim)
