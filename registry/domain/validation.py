"""Validation of fields by the rules of ``registry.rules``."""

from __future__ import annotations

from registry.domain.errors import Invalid
from registry.rules.names import Rule


def require(rule: Rule, field: str, value: str) -> str:
    """Return *value*. Raises Invalid for *field* if the value breaks *rule*."""
    if problem := rule(value):
        raise Invalid.field(field, problem)
    return value
