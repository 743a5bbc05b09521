"""Validation of fields by rules."""

from __future__ import annotations

import pytest

from registry.domain import validation
from registry.domain.errors import Invalid


def no_space(value: str) -> str | None:
    return "must not contain a space" if " " in value else None


def test_a_value_that_follows_the_rule_is_returned() -> None:
    assert validation.require(no_space, "field", "value") == "value"


def test_a_value_that_breaks_the_rule_is_refused_with_its_field() -> None:
    with pytest.raises(Invalid) as refused:
        validation.require(no_space, "field", "a value")

    assert refused.value.extras["errors"] == {"field": ["must not contain a space"]}
