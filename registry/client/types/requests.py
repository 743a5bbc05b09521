"""Requests for approval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from registry.client.types.stages import GateVerdict

RequestState = Literal["open", "approved", "rejected", "withdrawn", "applied", "expired", "void"]


class RequestActView(TypedDict):
    """A comment on a request, or a decision about it. ``entry`` is the id of its audit entry."""

    kind: str
    account: str
    roles: Sequence[str]
    at: str
    entry: str
    comment: str | None


class RequestView(TypedDict):
    """A request for approval. Lists leave out ``acts``, ``excluded``, ``gates`` and ``document``.

    ``version`` is None for a policy, and ``model`` for the default one. ``void`` is why the request is void.
    ``excluded`` lists approvals that do not count, each with ``account`` and ``reason``.
    """

    id: str
    model: str | None
    version: int | None
    target: str
    policy: str | None
    state: RequestState
    void: str | None
    requester: str
    reason: str | None
    manifest_digest: str | None
    apply_when_ready: bool
    last_refusal: str | None
    opened_at: str
    expires_at: str
    closed_at: str | None
    entry: str
    approved_by: Sequence[str]
    acts: Sequence[RequestActView]
    excluded: Sequence[Mapping[str, str]]
    gates: Sequence[GateVerdict]
    document: Mapping[str, Any] | None
