"""JSON of bodies: one that is read is one unambiguous document, or is refused.

``json.loads`` accepts duplicate keys, NaN, UTF-16, overflowing numbers and lone surrogates: two readers of one body
could understand different things, or the database refuse what we accepted.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from typing import Any

import orjson

from registry.domain.errors import Malformed, TooLarge
from registry.rules.json_values import LARGEST_INTEGER

DEPTH = 32
DIGITS = 17
LARGE_DIGITS = 20  # of 2^64, or of -2^63


def loads(raw: bytes, *, values: int, large_integers: bool = False) -> Any:
    """Return the document in *raw*. Raises Malformed, or TooLarge for one of more than *values* values.

    *large_integers*: integers of 64 bits are no mistake, in a document that is kept as a text only.
    """
    if _count_values(raw, values) > values:  # before a list of a million lists is made of it
        raise _too_deep() if _is_deep(_TEXT.sub(b"", raw)) else _too_many(values)
    try:
        text = raw.decode("utf-8")
        if text.startswith("\ufeff"):
            raise Malformed("the body begins with a byte order mark; send it without one")
        document = (_LARGE_DECODER if large_integers else _DECODER).decode(text)
    except UnicodeDecodeError as error:
        raise Malformed("the body must be UTF-8") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise _too_deep() from error
    # The walk takes as long as the parser. A small body of plain texts can break neither limit.
    if b"\\u" in raw or raw.count(b"[") + raw.count(b"{") >= DEPTH:  # what is in the last one is deeper
        _check_limits(document, values)
    return document


def dumps(document: Any) -> bytes:
    """Return the document in UTF-8; whole numbers beyond 64 bits, which orjson does not take, are written too."""
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        return json.dumps(document).encode()


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        # add() returns None on purpose: it only notes the key.
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Malformed(f"the body names {_shortened(twice)} twice in one object")
    return members


def _constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON")


def _float(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise Malformed("a number of the body is too large")
    return number


def _int(text: str) -> int:
    if len(text) > DIGITS or abs(int(text)) > LARGEST_INTEGER:
        raise Malformed("an integer of the body is beyond 2^53; JSON readers may round it")
    return int(text)


def _large_int(text: str) -> int:
    if len(text) > LARGE_DIGITS:
        raise Malformed("an integer of the body is beyond 2^64")
    return int(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant, parse_float=_float, parse_int=_int)
_LARGE_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_constant, parse_float=_float, parse_int=_large_int
)


def _check_limits(document: Any, values: int) -> None:
    """Walk without recursion: count the values, measure the depth, look at every string."""
    left, waiting = values, [(document, 1)]
    while waiting:
        value, depth = waiting.pop()
        left -= 1
        if left < 0:
            raise _too_many(values)
        if depth > DEPTH:
            raise _too_deep()
        if isinstance(value, str):
            check_text(value)
        elif isinstance(value, dict):
            for key in value:
                check_text(key)
            waiting += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list):
            waiting += [(item, depth + 1) for item in value]


def _count_values(raw: bytes, most: int) -> int:
    """Return how many values the document in *raw* has; more than it has, as long as that is no more than *most*.

    Each value but the first follows a bracket or a comma outside of texts. Texts are removed only where it matters.
    """
    if (count := _starts(raw)) <= most:
        return count
    bare = _TEXT.sub(b"", raw)
    return _starts(bare) - sum(1 for _ in _EMPTY.finditer(bare))


def _is_deep(raw: bytes) -> bool:
    """Return whether the beginning of the document is nested too deep."""
    depth = 0
    for bracket in itertools.islice(_BRACKET.finditer(raw), 100_000):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > DEPTH:
            return True
    return False


def _starts(raw: bytes) -> int:
    return 1 + raw.count(b",") + raw.count(b"[") + raw.count(b"{")


# Possessive: a long text leaves nothing to come back to.
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_BRACKET = re.compile(rb"[\[\]{}]")
_EMPTY = re.compile(rb"\[[ \t\r\n]*+\]|\{[ \t\r\n]*+\}")


def _too_many(values: int) -> TooLarge:
    return TooLarge(f"the body has more than {values} values", limit=values)


def check_text(text: str) -> None:
    """Raise Malformed for a text that no database of ours takes."""
    if "\x00" in text or (not text.isascii() and _SURROGATE.search(text)):
        raise Malformed("a text of the body holds U+0000 or half a surrogate pair; neither can be stored")


def _too_deep() -> Malformed:
    return Malformed(f"the body is nested deeper than {DEPTH} levels")


def _shortened(key: str) -> str:
    return repr(key if len(key) <= 64 else key[:61] + "...")
