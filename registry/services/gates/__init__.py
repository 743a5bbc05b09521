"""Gates: policies of models, what their rules say of versions, and the checks that CI reports."""

from registry.services.gates import (
    approvals,
    assignments,
    awaited_formats,
    checks,
    documents,
    evaluations,
    policies,
    trials,
    verdicts,
)

__all__ = [
    "approvals",
    "assignments",
    "awaited_formats",
    "checks",
    "documents",
    "evaluations",
    "policies",
    "trials",
    "verdicts",
]
