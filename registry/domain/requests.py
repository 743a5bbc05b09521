"""Requests for approval: their states, what ends them, and whose approvals count.

An approver is another person than the requester and the registrar of the version: see :mod:`registry.domain.four_eyes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from registry.domain import clock, four_eyes
from registry.domain.access import Permission
from registry.domain.errors import Conflict, Forbidden
from registry.domain.four_eyes import Person

EXPIRY = timedelta(days=7)
LONGEST_EXPIRY = timedelta(days=30)
POLICY = "policy"  # the target of a request for another policy
WITH_WHAT = "with a token that neither the requester nor the registrar issued"
WHO_APPROVES = f"another person than the requester and the registrar of the version, {WITH_WHAT}"


class RequestState(StrEnum):
    """State of a request. The last three are never stored: they follow from the time, the policy and the holder."""

    OPEN = "open"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    APPLIED = "applied"
    APPROVED = "approved"
    EXPIRED = "expired"
    VOID = "void"


class ActKind(StrEnum):
    """Comment on a request, or a decision about it."""

    COMMENTED = "commented"
    APPROVED = "approved"
    REJECTED = "rejected"
    APPROVAL_WITHDRAWN = "approval_withdrawn"
    WITHDRAWN = "withdrawn"
    APPLIED = "applied"


DECISIONS = {
    ActKind.APPROVED: "approved",
    ActKind.REJECTED: "rejected",
    ActKind.APPROVAL_WITHDRAWN: "withdrawn",
}
CLOSING = {
    ActKind.REJECTED: RequestState.REJECTED,
    ActKind.WITHDRAWN: RequestState.WITHDRAWN,
    ActKind.APPLIED: RequestState.APPLIED,
}


@dataclass(frozen=True, slots=True)
class Binding:
    """What a request is bound to: the files of the version, and the entries of the policy and of the holder."""

    manifest: str | None
    policy: str | None
    holder: str | None


@dataclass(frozen=True, slots=True)
class PersonalAct:
    """A comment or a decision by a person, with the roles of the credential."""

    kind: ActKind
    person: Person
    roles: tuple[str, ...]
    at: datetime
    name: str = ""


RECORDED = ("target", "registrar_id", "registrar_issuer_id", "policy_entry", "holder_entry", "apply_when_ready",
            "token_id")  # fmt: skip


def recorded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``after`` of the entry of a new request has of its columns, without those that are empty."""
    facts = {"request": row["id"], "expires_at": clock.wire(row["expires_at"])} | {name: row[name] for name in RECORDED}
    return {name: value for name, value in facts.items() if value is not None}


def void_reason(target: str, bound: Binding, present: Binding) -> str | None:
    """Return why a request is void: what has changed since it was opened; None while it holds."""
    if bound.manifest is not None and present.manifest is None:
        return "the version is deleted"
    if bound.manifest != present.manifest:
        return "the files of the version are others"
    if bound.policy != present.policy:
        return "the policy was changed"
    if bound.holder != present.holder:
        return f"the holder of {target} changed"
    return None


def shown_state(
    stored: RequestState, *, expires_at: datetime, void: str | None, is_approved: bool, now: datetime
) -> RequestState:
    """Return the state that a request has at *now*."""
    if stored is not RequestState.OPEN:
        return stored
    if void is not None:
        return RequestState.VOID
    if now >= expires_at:
        return RequestState.EXPIRED
    return RequestState.APPROVED if is_approved else RequestState.OPEN


def exclusion(approver: Person, requester: Person, registrar: Person | None) -> str | None:
    """Return why the approval of a person does not count; None if it does."""
    registered = [(registrar, "registered the version")] if registrar else []
    return four_eyes.exclusion(approver, [(requester, "opened the request"), *registered])


def decisions(acts: Iterable[PersonalAct]) -> Sequence[PersonalAct]:
    """Return the last decision of each account about the approval, in order of time."""
    last: dict[str, PersonalAct] = {}
    for act in acts:
        if act.kind in DECISIONS:
            last.pop(act.person.account, None)
            last[act.person.account] = act
    return list(last.values())


def require_open(request: str, state: RequestState, *, void: str | None) -> None:
    """Raise Conflict unless the request is open in *state*, the shown one."""
    if state in {RequestState.OPEN, RequestState.APPROVED}:
        return
    if state is RequestState.APPLIED:
        raise Conflict(f"the request {request} is applied already")
    why = f": {void}" if state is RequestState.VOID else ""
    raise Conflict(f"the request {request} is {state}{why}; open another one")


def require_approver(approver: Person, requester: Person, registrar: Person | None) -> None:
    """Raise Forbidden for an approval that would not count."""
    if reason := exclusion(approver, requester, registrar):
        advice = "Another person has to approve"
        if approver.account not in {one.account for one in (requester, registrar) if one}:
            advice += f", {WITH_WHAT}"
        raise Forbidden(f"your approval does not count: {reason}. {advice}", permission=Permission.REQUEST_APPROVE)


def withdrawal(person: Person, requester: Person, acts: Iterable[PersonalAct]) -> ActKind:
    """Return what a withdrawal by the person ends: the request, or the person's own approval.

    Raises Forbidden for a person who neither opened the request nor approved it.
    """
    if person.account == requester.account:
        return ActKind.WITHDRAWN
    if any(one.person.account == person.account and one.kind is ActKind.APPROVED for one in decisions(acts)):
        return ActKind.APPROVAL_WITHDRAWN
    detail = "the requester withdraws the request, and an approver the own approval; you did neither. Reject it instead"
    raise Forbidden(detail, permission=Permission.REQUEST_OPEN)
