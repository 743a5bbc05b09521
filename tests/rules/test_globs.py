"""Patterns of references, against the same patterns as regular expressions."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.rules import globs

FORMS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


@settings(max_examples=200, deadline=None)
@given(st.text("ab/*?", max_size=8), st.text("ab/", max_size=8))
@example("*" * 500 + "a" + "*a" * 500, "a" * 500)  # a regular expression backtracks here for years
def test_a_pattern_matches_what_its_regular_expression_does(pattern: str, text: str) -> None:
    matched = globs.matches(pattern, text)

    if len(pattern) < 100:
        parts = re.findall(r"\*\*+|.", pattern)
        form = "".join(FORMS.get(part[:2], re.escape(part)) for part in parts)
        assert matched is (re.fullmatch(form, text) is not None)
