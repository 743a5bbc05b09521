"""Policies that guard staging and production, and what their rules say of versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from registry.client.gate_replay import GateReplay, replay
from registry.client.http.transport import Transport, path
from registry.client.types import (
    PastEvaluationView,
    PolicyDocumentView,
    PolicyTrialView,
    PolicyView,
    StageGatesView,
    StoredEvaluationView,
)

Document = Mapping[str, Any] | str  # a document, or its text in YAML or JSON
_TRIALS = 50  # a page has so many at most


class Gates:
    """Policies, by model; a model of None is the default policy, which guards each model without its own."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def set(
        self, model: str | None, document: Document, *, reason: str, idempotency_key: str | None = None
    ) -> PolicyView:
        """Let a policy guard the model. Raises Invalid with the mistakes of the document by their places."""
        body = {"document": document, "reason": reason}
        return self._transport.one(PolicyView, "PUT", _where(model), body=body, key=idempotency_key)

    def get(self, model: str | None) -> PolicyView:
        """Return the policy that guards the model: its own, or the default one. Raises NotFound."""
        return self._transport.one(PolicyView, "GET", _where(model))

    def remove(self, model: str | None, *, reason: str) -> PolicyView:
        """Remove the model's own policy, so that the default one guards it. Raises NotFound without one."""
        return self._transport.one(PolicyView, "DELETE", _where(model), query={"reason": reason})

    def history(self, model: str | None) -> Iterator[PolicyView]:
        """Yield each policy that was set for the model, and each removal, newest first."""
        return self._transport.pages(PolicyView, f"{_where(model)}/history")

    def document(self, digest: str) -> PolicyDocumentView:
        """Return the document of a policy that was ever set, by its digest. Raises NotFound."""
        return self._transport.one(PolicyDocumentView, "GET", path("policies", digest))

    def verdicts(
        self, model: str, number: int, *, stage: Literal["staging", "production"] = "production"
    ) -> StageGatesView:
        """Return what each rule of *stage* says of the version now, and the holds that keep it out."""
        return self._transport.one(StageGatesView, "GET", _gates(model, number), query={"stage": stage})

    def evaluations(self, model: str, number: int) -> Iterator[PastEvaluationView]:
        """Yield the moves of the version that a policy guarded, newest first."""
        return self._transport.pages(PastEvaluationView, f"{_gates(model, number)}/history")

    def evaluation(self, model: str, number: int, entry: str) -> StoredEvaluationView:
        """Return the facts and verdicts that a guarded move rests on, by its audit entry. Raises NotFound."""
        where = path("models", model, "versions", number, "gates", "history", entry)
        return self._transport.one(StoredEvaluationView, "GET", where)

    def replay(self, model: str, number: int) -> Iterator[GateReplay]:
        """Evaluate each guarded move of the version again, here, from the stored policy and facts."""
        for move in self.evaluations(model, number):
            stored = self.evaluation(model, number, move["entry"])
            yield replay(self.document(move["policy"]), stored)

    def test(
        self, document: Document, *, against: Literal["history", "staging"], model: str | None = None
    ) -> Iterator[PolicyTrialView]:
        """Yield what a policy that is not set says of past promotions, or of the versions in staging, newest first."""
        body = {"document": document, "against": against, **({"model": model} if model is not None else {})}
        return self._transport.pages(PolicyTrialView, "/policies/test", body=body, size=_TRIALS)


def _where(model: str | None) -> str:
    return path("policy") if model is None else path("models", model, "policy")


def _gates(model: str, number: int) -> str:
    return path("models", model, "versions", number, "gates")
