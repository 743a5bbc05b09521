"""The facts of an evidence archive about policies, gates, checks, approvals, holds and moves past the gates.

They are documents as those of ``facts``. A model that is null stands for the default policy, or for all models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from registry.domain.evidence.acts import Act


@dataclass(frozen=True, slots=True)
class PolicyFact:
    """A policy that guarded a model, or was the default one: from ``since`` up to, and without, ``until``.

    ``policy`` is its digest, null with the document where a policy was removed. ``document`` is null with the basis
    ``row`` where its row is not the one that the entry has the digest of.
    """

    model: str | None
    name: str | None
    number: int
    policy: str | None
    since: str
    until: str | None
    assigned: Act
    ended: Act | None
    document: Any
    basis: str


@dataclass(frozen=True, slots=True)
class GateFact:
    """What the policy said of a move: ``verdicts`` on each rule, and the ``facts`` that they were evaluated on.

    ``target`` is the stage, or ``@`` and the alias, ``policy`` the digest of the policy in force, ``gates`` the digest
    of facts and verdicts. These are null with the basis ``row`` where their row is not the one with this digest.
    ``request`` is the request for approval that the move was for. A move past the gates can have unmet verdicts.
    """

    model: str
    name: str
    version: int
    target: str
    policy: str
    gates: str
    request: str | None
    moved: Act
    verdicts: Any
    facts: Any
    basis: str


@dataclass(frozen=True, slots=True)
class CheckReportFact:
    """A report of a check of a version, by a person or by CI. The latest one of each name counts.

    ``manifest`` is the digest of the files that were checked, ``roles`` are those that the reporter had then.
    """

    model: str
    name: str
    version: int
    check: str
    status: str
    manifest: str
    roles: tuple[str, ...]
    url: str | None
    summary: str | None
    reported: Act
    redacted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequestFact:
    """A request for approval of a move, or with the target ``policy`` of another policy, and what closed it.

    ``state`` is open, rejected, withdrawn or applied; an open one may have expired, or be void. It is bound to
    ``manifest``, and to the entries of the policy and of the holder of the target when it was opened. ``policy`` is
    the digest of the requested policy, ``document`` the policy itself. ``registrar`` registered the version.
    """

    request: str
    model: str | None
    name: str | None
    version: int | None
    target: str
    state: str
    opened: Act
    closed: Act | None
    expires_at: str
    apply_when_ready: bool
    registrar: str | None
    registrar_issuer: str | None
    manifest: str | None
    policy_entry: str | None
    holder_entry: str | None
    policy: str | None
    document: Any
    redacted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequestActFact:
    """An approval, a rejection, a comment or a withdrawal about a request, or its application.

    ``excluded`` is the reason why an approval does not count: requester, registrar and approver have to be different
    people. ``roles`` are those that the credential had then.
    """

    request: str
    model: str | None
    version: int | None
    target: str
    kind: str
    roles: tuple[str, ...]
    excluded: str | None
    comment: str | None
    act: Act
    redacted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HoldFact:
    """A hold on a version; or on data or a base model, ``target``, with every version downstream of it."""

    model: str | None
    name: str | None
    version: int | None
    kind: str
    target: str
    since: str
    until: str | None
    placed: Act
    released: Act | None


@dataclass(frozen=True, slots=True)
class BreakGlassFact:
    """A move past the gates, and the acknowledgement; null before that."""

    model: str
    name: str
    version: int
    stage: str
    moved: Act
    acknowledged: Act | None


class GovernanceFacts(Protocol):
    """The facts about governance. Those of models stand in the order of these, then of time; then those of no model."""

    def policies(self) -> Iterator[PolicyFact]: ...
    def gates(self) -> Iterator[GateFact]: ...
    def checks(self) -> Iterator[CheckReportFact]: ...
    def requests(self) -> Iterator[RequestFact]: ...
    def request_acts(self) -> Iterator[RequestActFact]: ...
    def holds(self) -> Iterator[HoldFact]: ...
    def break_glass(self) -> Iterator[BreakGlassFact]: ...


GOVERNANCE: dict[str, type] = {
    "policies": PolicyFact,
    "gates": GateFact,
    "checks": CheckReportFact,
    "requests": RequestFact,
    "request_acts": RequestActFact,
    "holds": HoldFact,
    "break_glass": BreakGlassFact,
}
