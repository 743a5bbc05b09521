"""Expressions of SPDX licences: ``MIT``, ``MIT OR Apache-2.0``, ``(A AND B) OR C``, ``A WITH exception``.

Source: spdx.github.io/spdx-spec, annex "SPDX license expressions". AND binds more than OR.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST = 200  # characters, which bounds the depth of parentheses
_TOKEN = re.compile(r"\s*([()]|[A-Za-z0-9.:+-]+)")
_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:+-]*(?: WITH [A-Za-z0-9][A-Za-z0-9.-]*)?\Z")
_OPERATORS = frozenset({"and", "or", "with"})


def licence_problem(text: str) -> str | None:
    """Return why *text* is no single licence."""
    return None if _LICENCE.match(text) else "must be one SPDX identifier, such as Apache-2.0"


def is_allowed(expression: str, allowed: Iterable[str]) -> bool:
    """Return whether the licences of *allowed* permit the use of what has this expression. Raises ValueError."""
    if len(expression) > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST} characters")
    tokens = _tokens(expression)
    accepted = {one.casefold() for one in allowed}
    result = _any(tokens, accepted)
    if tokens:
        raise ValueError(f"{tokens[-1]!r} stands where AND, OR or the end is expected")
    return result


def _tokens(expression: str) -> list[str]:
    """Return the tokens, the first one last."""
    tokens, start = [], 0
    text = expression.rstrip()
    while start < len(text):
        match = _TOKEN.match(text, start)
        if match is None:
            raise ValueError(f"{text[start]!r} has no meaning in it")
        tokens.append(match[1])
        start = match.end()
    return tokens[::-1]


def _any(tokens: list[str], allowed: set[str]) -> bool:
    result = _all(tokens, allowed)
    while tokens and tokens[-1].casefold() == "or":
        tokens.pop()
        result = _all(tokens, allowed) or result
    return result


def _all(tokens: list[str], allowed: set[str]) -> bool:
    result = _operand(tokens, allowed)
    while tokens and tokens[-1].casefold() == "and":
        tokens.pop()
        result = _operand(tokens, allowed) and result
    return result


def _operand(tokens: list[str], allowed: set[str]) -> bool:
    first = tokens.pop() if tokens else ""
    if first == "(":
        result = _any(tokens, allowed)
        if not tokens or tokens.pop() != ")":
            raise ValueError("a ) is missing")
        return result
    if not first or first == ")" or first.casefold() in _OPERATORS:
        raise ValueError(f"a licence is missing{f' before {first!r}' if first else ' at the end'}")
    if tokens and tokens[-1].casefold() == "with":
        tokens.pop()
        if not tokens or tokens[-1] in {"(", ")"} or tokens[-1].casefold() in _OPERATORS:
            raise ValueError("the exception after WITH is missing")
        first = f"{first} with {tokens.pop()}"
    return first.casefold() in allowed
