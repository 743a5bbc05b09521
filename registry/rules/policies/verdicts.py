"""Verdicts: what each rule of a policy says of a version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from registry.rules.policies import json_records


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """Result of a rule: what was seen, where it came from, and what would satisfy the rule (None when passed)."""

    passed: bool
    reason: str
    input: Any = None
    source: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Verdict on one rule of a stage; ``rule`` is its index in the stage's list."""

    rule: int
    kind: str
    description: str
    passed: bool
    reason: str
    input: Any = None
    source: str | None = None
    remedy: str | None = None
    explanation: str | None = None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Verdicts on all rules of a stage, in their order, by the policy with the digest ``policy``."""

    policy: str
    target: str
    gates: tuple[GateVerdict, ...]

    @property
    def passed(self) -> bool:
        """Whether every rule passed; a stage without rules passes."""
        return all(gate.passed for gate in self.gates)

    @property
    def failed(self) -> Sequence[GateVerdict]:
        return [gate for gate in self.gates if not gate.passed]

    def to_document(self) -> list[dict[str, Any]]:
        """Return the list of verdicts as JSON."""
        return [json_records.as_json(gate) for gate in self.gates]
