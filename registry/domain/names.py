"""The rules for names of ``registry.rules.names``, and their refusal as Invalid."""

from __future__ import annotations

from registry.domain.errors import Invalid
from registry.rules.names import (
    ACCOUNT_NAME_LENGTH,
    MODEL_NAME_LENGTH,
    STAGE_NAMES,
    TAG_KEY_LENGTH,
    TAG_VALUE_LENGTH,
    Rule,
    account_name_problem,
    alias_problem,
    lists_alias,
    model_name_problem,
    name_key,
    prompt_alias_problem,
    tag_key_problem,
)

__all__ = [
    "ACCOUNT_NAME_LENGTH",
    "MODEL_NAME_LENGTH",
    "STAGE_NAMES",
    "TAG_KEY_LENGTH",
    "TAG_VALUE_LENGTH",
    "Rule",
    "account_name_problem",
    "alias_problem",
    "lists_alias",
    "model_name_problem",
    "name_key",
    "prompt_alias_problem",
    "require",
    "tag_key_problem",
]


def require(rule: Rule, field: str, value: str) -> str:
    """Return *value*; raise Invalid for *field* when it breaks *rule*."""
    if problem := rule(value):
        raise Invalid.field(field, problem)
    return value
