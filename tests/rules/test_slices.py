"""Slices of datasets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.rules import slices

WORDS = st.text(st.characters(codec="utf-8", exclude_characters=",=", exclude_categories=("C", "Z")), min_size=1)


@settings(max_examples=40)
@given(st.dictionaries(WORDS, WORDS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_a_slice_is_the_same_in_any_order_and_with_spaces(conditions: dict[str, str], order: object) -> None:
    pairs = [f" {key} = {value} " for key, value in conditions.items()]
    order.shuffle(pairs)  # type: ignore[attr-defined]  # a Random, of which hypothesis exports no type
    expected = ",".join(f"{key}={value}" for key, value in sorted(conditions.items()))

    if len(expected) > slices.LENGTH:
        assert "at most 200 characters" in str(slices.problem(",".join(pairs)))
        return
    assert slices.canonical(",".join(pairs)) == expected == slices.canonical(expected)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("country", "key=value"),
        ("a=1,,b=2", "key=value"),
        ("=DE", "key=value"),
        ("country=", "key=value"),
        ("a=1,a=2", "'a' is named twice"),
        ("a=\n1", "line breaks"),
        (f"a={'x' * 200}", "at most 200 characters, not 202"),
    ],
)
def test_what_is_no_slice_is_refused(text: str, problem: str) -> None:
    assert problem in str(slices.problem(text))
    assert (slices.problem("expr=a=b"), slices.canonical("  ")) == (None, "")
