"""Roles and tokens in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from registry.db.records import TokenRecord
from registry.domain import token_life
from registry.domain.access import Role

# Descriptions of the roles; the permissions are in ``registry.domain.access``.
ROLES: Mapping[Role, str] = {
    Role.READER: "reads models, versions and history, and downloads files",
    Role.WRITER: "creates and edits models, registers versions, uploads files, and moves versions outside production",
    Role.PROMOTER: "does what a writer does, promotes to production, rolls back, and deletes versions",
    Role.APPROVER: "reads models, approves and rejects requests, places and releases holds, and downloads files",
    Role.ADMIN: "does what a writer does, deletes models, imports and purges versions, sets policies, reads "
    "the audit log, and manages tokens and jobs; does not promote",
    Role.AUDITOR: "reads everything, including the audit log and the list of tokens, but downloads no files",
    Role.RESPONDER: "reads models, moves versions outside production, rolls back, also when the store is down, "
    "promotes past the gates, and places holds",
    Role.BOOTSTRAP: "creates the token of the first administrator, and nothing else",
}


def described(roles: Collection[Role]) -> Sequence[tuple[str, str]]:
    """Return each role with its description, the common ones first."""
    return [(role.value, ROLES[role]) for role in Role if role in roles]


def token_state(token: TokenRecord, *, now: datetime) -> tuple[str, str]:
    """Return the state of a token, and the kind of its badge."""
    if token.revoked_at is not None:
        return "revoked", "past"
    if token.expires_at <= now:
        return "expired", "past"
    if token_life.is_ending(token.created_at, token.expires_at, now=now):
        return "ends soon", "waiting"
    return "valid", "good"
