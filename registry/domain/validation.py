"""Validation of fields by the rules of ``registry.rules``."""

from __future__ import annotations

from registry.domain.errors import Invalid
from registry.rules.names import Rule

REASON_LENGTH = 2000


def require(rule: Rule, field: str, value: str) -> str:
    """Return *value*. Raises Invalid for *field* if the value breaks *rule*."""
    if problem := rule(value):
        raise Invalid.field(field, problem)
    return value


def require_reason(reason: str) -> str:
    """Return *reason*. Raises Invalid unless it has text, of at most 2,000 characters."""
    if not reason.strip() or len(reason) > REASON_LENGTH:
        raise Invalid.field("reason", f"must have 1 to {REASON_LENGTH} characters: history will show it")
    return reason
