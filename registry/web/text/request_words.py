"""Requests for approval in words."""

from __future__ import annotations

from collections.abc import Mapping

from registry.db.records import RequestRecord
from registry.domain.requests import POLICY, ActKind, RequestState

BADGES: Mapping[str, str] = {
    RequestState.OPEN: "waiting",
    RequestState.APPROVED: "good",
    RequestState.APPLIED: "good",
    RequestState.REJECTED: "bad",
    RequestState.WITHDRAWN: "past",
    RequestState.EXPIRED: "past",
    RequestState.VOID: "bad",
}
ACTS: Mapping[str, str] = {
    ActKind.COMMENTED: "commented",
    ActKind.APPROVED: "approved",
    ActKind.REJECTED: "rejected",
    ActKind.APPROVAL_WITHDRAWN: "withdrew the approval",
    ActKind.WITHDRAWN: "withdrew the request",
    ActKind.APPLIED: "applied it",
}
# What each decision does, and whether it needs a comment.
DECISIONS: Mapping[str, tuple[str, bool]] = {
    "approve": ("Your last decision counts until the request is closed.", False),
    "reject": ("A rejection is final: it closes the request.", True),
    "withdraw": ("As the requester, you close the request. As an approver, you withdraw your approval.", False),
    "comment": ("The comment is an entry of the history.", True),
    "apply": ("Makes the move, or sets the policy, that was requested, if every gate is met.", False),
}


def sought(record: RequestRecord) -> str:
    """Return what is requested: "fraud:11 → production"."""
    if record.target == POLICY:
        verb = "another" if record.policy else "no"
        return f"{verb} policy for {record.model}" if record.model else f"{verb} default policy"
    return f"{record.model}:{record.version} → {record.target}"
