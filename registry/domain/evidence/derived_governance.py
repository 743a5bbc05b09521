"""Facts about governance that follow from the entries of models and of the registry, completed with their rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any

from registry.domain import requests
from registry.domain.evidence.acts import Act, Basis
from registry.domain.evidence.derived import DerivedFacts
from registry.domain.evidence.governance import (
    BreakGlassFact,
    CheckReportFact,
    GateFact,
    HoldFact,
    PolicyFact,
    RequestActFact,
    RequestFact,
)
from registry.domain.evidence.history import ModelHistory, RegistryHistory
from registry.domain.evidence.rows import EvaluationRow
from registry.domain.four_eyes import Person
from registry.domain.manifest import canonical_digest
from registry.domain.replay.gates import Decided
from registry.domain.requests import ActKind

POLICIES = 50  # in memory together, each of up to 64 KiB
Governed = tuple[str | None, str | None, ModelHistory | RegistryHistory]
"""The id and the name of a model with its history; of the registry without them."""


@dataclass(slots=True)
class DerivedGovernance:
    """The facts about governance of the models of *derived*, and of all models; ``GovernanceFacts`` has their order."""

    derived: DerivedFacts
    registry: RegistryHistory

    def policies(self) -> Iterator[PolicyFact]:
        for model, name, history in self._governed():
            periods = (
                (policy, following)
                for policy, following in zip_longest(history.log.policies, history.log.policies[1:])
                if following is None or self._is_recent(following.at)
            )
            while batch := list(islice(periods, POLICIES)):
                stored = self.derived.rows.policies([policy.digest for policy, _ in batch if policy.digest is not None])
                for policy, following in batch:
                    document = None if policy.digest is None else stored.get(policy.digest)
                    is_stored = policy.digest is None or canonical_digest(document) == policy.digest
                    yield PolicyFact(
                        model=model,
                        name=name,
                        number=policy.number,
                        policy=policy.digest,
                        since=policy.at,
                        until=None if following is None else following.at,
                        assigned=self._act(history, policy.entry),
                        ended=None if following is None else self._act(history, following.entry),
                        document=document if is_stored else None,
                        basis=_basis(is_stored),
                    )

    def gates(self) -> Iterator[GateFact]:
        for history in self.derived.histories:
            decisions = {
                entry: decided
                for entry, decided in history.log.decisions.items()
                if self.derived.chosen(history, decided.number)
            }
            rows = self.derived.rows.evaluations(history.model, list(decisions))
            stored = (row for row in rows if row.entry in decisions)
            row = next(stored, None)
            for entry, decided in decisions.items():
                own = None
                if row is not None and row.entry == entry:
                    own, row = row, next(stored, None)
                yield self._gate(history, entry, decided, own)

    def checks(self) -> Iterator[CheckReportFact]:
        for history in self.derived.histories:
            for number in sorted(history.log.versions):
                log = self.derived.chosen(history, number)
                for report in log.checks if log else ():
                    texts = history.texts[report.entry]
                    yield CheckReportFact(
                        model=history.model,
                        name=history.log.name,
                        version=number,
                        check=report.name,
                        status=report.status,
                        manifest=report.manifest,
                        roles=tuple(report.roles),
                        url=texts.get("url"),
                        summary=texts.get("summary"),
                        reported=self._act(history, report.entry),
                        redacted=_erased_names(texts),
                    )

    def requests(self) -> Iterator[RequestFact]:
        for model, name, history in self._governed():
            for request, opened in history.log.requests.opened.items():
                if self._concerns(history, opened["version"]):
                    yield self._request(model, name, history, request, opened)

    def request_acts(self) -> Iterator[RequestActFact]:
        for model, _, history in self._governed():
            log = history.log.requests
            for done in log.acts:
                opened, texts = log.opened[done.request], history.texts[done.entry]
                if not self._concerns(history, opened["version"]):
                    continue
                excluded = None
                if done.kind == ActKind.APPROVED:
                    requester, registrar = _people(opened)
                    excluded = requests.exclusion(Person(done.account, done.issuer), requester, registrar)
                yield RequestActFact(
                    request=done.request,
                    model=model,
                    version=opened["version"],
                    target=opened["target"],
                    kind=done.kind,
                    roles=done.roles,
                    excluded=excluded,
                    comment=texts.get("comment"),
                    act=self._act(history, done.entry),
                    redacted=_erased_names(texts),
                )

    def holds(self) -> Iterator[HoldFact]:
        for model, name, history in self._governed():
            for hold in history.log.holds.values():
                has_ended = hold.released_at is not None and not self._is_recent(hold.released_at)
                if has_ended or not self._concerns(history, hold.number):
                    continue
                yield HoldFact(
                    model=model,
                    name=name,
                    version=hold.number,
                    kind=hold.kind,
                    target=hold.version or hold.target,
                    since=hold.placed_at,
                    until=hold.released_at,
                    placed=self._act(history, hold.placed_entry),
                    released=None if hold.released_entry is None else self._act(history, hold.released_entry),
                )

    def break_glass(self) -> Iterator[BreakGlassFact]:
        for history in self.derived.histories:
            for move in history.past_gates:
                if self.derived.chosen(history, move.number):
                    yield BreakGlassFact(
                        model=history.model,
                        name=history.log.name,
                        version=move.number,
                        stage=move.stage,
                        moved=self.derived.act(move.moved),
                        acknowledged=None if move.acknowledged is None else self.derived.act(move.acknowledged),
                    )

    def _governed(self) -> Iterator[Governed]:
        for history in self.derived.histories:
            yield history.model, history.log.name, history
        yield None, None, self.registry

    def _concerns(self, history: ModelHistory | RegistryHistory, number: int | None) -> bool:
        """Return whether the query asks for what is about a version; what is about none concerns all of them."""
        if number is None or isinstance(history, RegistryHistory):
            return True
        return self.derived.chosen(history, number) is not None

    def _is_recent(self, ended: str) -> bool:
        since = self.derived.query.since
        return since is None or ended > since

    def _gate(self, history: ModelHistory, entry: str, decided: Decided, row: EvaluationRow | None) -> GateFact:
        is_stored = row is not None and canonical_digest(row.content) == decided.gates
        return GateFact(
            model=history.model,
            name=history.log.name,
            version=decided.number,
            target=decided.target,
            policy=decided.policy,
            gates=decided.gates,
            request=history.requested.get(entry),
            moved=self._act(history, entry),
            verdicts=row.verdicts if row is not None and is_stored else None,
            facts=row.facts if row is not None and is_stored else None,
            basis=_basis(is_stored),
        )

    def _request(
        self,
        model: str | None,
        name: str | None,
        history: ModelHistory | RegistryHistory,
        request: str,
        opened: Mapping[str, Any],
    ) -> RequestFact:
        (_, entry), (state, _, closed) = opened["opened"], opened["closed"]
        texts = history.texts[entry]
        document = texts.get("document")
        return RequestFact(
            request=request,
            model=model,
            name=name,
            version=opened["version"],
            target=opened["target"],
            state=state,
            opened=self._act(history, entry),
            closed=None if closed is None else self._act(history, closed),
            expires_at=opened["expires_at"],
            apply_when_ready=opened["apply_when_ready"],
            registrar=opened.get("registrar_id"),
            registrar_issuer=opened.get("registrar_issuer_id"),
            manifest=opened["manifest"],
            policy_entry=opened.get("policy_entry"),
            holder_entry=opened.get("holder_entry"),
            policy=opened["policy"],
            document=None if document is None else json.loads(document),
            redacted=_erased_names(texts),
        )

    def _act(self, history: ModelHistory | RegistryHistory, entry: str) -> Act:
        return self.derived.act(history.attested[entry])


def _people(opened: Mapping[str, Any]) -> tuple[Person, Person | None]:
    """Return the requester, and the registrar of the version if the request is about one."""
    requester, registrar = Person(opened["requested_by"], opened["issuer"]), opened.get("registrar_id")
    return requester, None if registrar is None else Person(registrar, opened.get("registrar_issuer_id"))


def _basis(is_stored: bool) -> Basis:
    return Basis.DIGEST if is_stored else Basis.ROW


def _erased_names(texts: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the names of the erased texts; the act has that of the reason."""
    return tuple(sorted(name for name, text in texts.items() if text is None and name != "reason"))
