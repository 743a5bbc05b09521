"""Rows of the tests of rules: a rule, the facts that differ, and the verdict."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from registry.rules.policies import (
    ApprovalFacts,
    CodeFact,
    DatasetFact,
    EnvironmentFact,
    FormatFact,
    GateFacts,
    GateVerdict,
    HolderFacts,
    MetricFact,
    OriginFacts,
    StagingFacts,
    evaluate,
    parse,
)

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)  # a Monday
HOLDOUT, TRAIN = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
CODE = CodeFact("https://github.com/org/fraud", "0a1b2c3d4e5f", "main", dirty=False)
LINEAGE = OriginFacts(
    (DatasetFact("holdout", (HOLDOUT,), "test"), DatasetFact("train", (TRAIN,), "train")),
    (CODE,),
    (EnvironmentFact("3.12", lock_digest=f"sha256:{'c' * 64}"),),
)
FRAME = {
    "policy": 1,
    "groups": {"board": ["ann", "bo"]},
    "checks": {"bias": {"reporters": ["ci-bias", "role:writer"]}},
}


def metric(value: float, dataset: str | None = "holdout", digest: str | None = HOLDOUT, **fields: Any) -> MetricFact:
    """Return a measurement of auc; a higher *id* is a later one."""
    defaults = {"id": 1, "metric": "auc", "recorded_by": "ci", "slice": ""}
    chosen = {**defaults, **fields}
    at = AT - timedelta(days=1) + timedelta(seconds=chosen["id"])
    return MetricFact(value=value, dataset=dataset, dataset_digest=digest, recorded_at=at, **chosen)


GOOD = GateFacts(
    target="production",
    at=AT,
    model="fraud",
    version=3,
    manifest_digest=f"sha256:{'d' * 64}",
    has_description=True,
    has_signature=True,
    tags={"team": "risk", "license": "Apache-2.0"},
    model_tags={"owner": "risk"},
    params={"depth": "6"},
    metrics=(metric(0.93),),
    holder=HolderFacts(2, True, (metric(0.9),)),
    lineage=LINEAGE,
    staging=StagingFacts(AT - timedelta(days=1)),
    newer=(),
    files=(FormatFact("model.safetensors", 10, "e" * 64, "safetensors", False),),
    total_size=500_000_000,
    checks={},
    approvals=ApprovalFacts(),
)
"""GateFacts with all parts, which most rules pass."""


class Row(NamedTuple):
    """A rule without its kind, the facts that differ from GOOD, the verdict, and words of its reason."""

    rule: dict[str, Any]
    facts: dict[str, Any]
    passed: bool
    words: str = ""


def verdict(kind: str, row: Row) -> GateVerdict:
    """Return the verdict on a row."""
    from dataclasses import replace

    policy = parse({**FRAME, "production": [{"rule": kind, **row.rule}]})
    (gate,) = evaluate(policy, "production", replace(GOOD, **row.facts)).gates
    return gate


def check(kind: str, rows: list[Row]) -> None:
    """Require of each row its verdict, and of each refusal a reason and a remedy."""
    for row in rows:
        gate = verdict(kind, row)
        assert (gate.passed, row.words in gate.reason) == (row.passed, True), (row, gate)
        assert gate.passed is (gate.remedy is None), (row, gate)
        assert gate.description
        assert gate.reason
