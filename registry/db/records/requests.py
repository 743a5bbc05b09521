"""Requests for approval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class RequestActRecord:
    """A comment on a request, or a decision about it; ``comment`` is None where there was none or it was redacted."""

    kind: str
    account: str
    roles: Sequence[str]
    at: datetime
    entry: str
    comment: str | None


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request for approval. ``version`` is None where another policy was requested; ``policy`` is then its digest.

    ``void`` is why it is void. ``model`` is None for the default policy. ``acts``, ``excluded`` and ``gates`` are
    empty, and ``document`` is None, in lists.
    """

    id: str
    model: str | None
    version: int | None
    target: str
    policy: str | None
    state: str
    void: str | None
    requester: str
    reason: str | None
    manifest_digest: str | None
    apply_when_ready: bool
    last_refusal: str | None
    opened_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    entry: str
    approved_by: Sequence[str]
    acts: Sequence[RequestActRecord] = ()
    excluded: Sequence[Mapping[str, str]] = ()
    gates: Sequence[Mapping[str, Any]] = ()
    document: Mapping[str, Any] | None = None
