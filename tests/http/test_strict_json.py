"""The strict reader: takes what every reader understands alike, and refuses the rest by name."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.domain.errors import Malformed, TooLarge
from registry.http import strict_json
from tests.api.hostile import bodies
from tests.support.peak_memory import peak_memory

VALUES = 1000
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=40,
)


@given(DOCUMENTS, st.booleans(), st.sampled_from([None, 2, "\t"]))
def test_a_document_is_read_as_every_reader_reads_it(document: Any, escaped: bool, indent: Any) -> None:
    raw = json.dumps(document, ensure_ascii=escaped, indent=indent).encode()

    read = strict_json.loads(raw, values=VALUES)

    assert read == document
    assert _kinds(read) == _kinds(json.loads(raw))


@settings(max_examples=500)
@given(st.binary(max_size=200) | st.text('{}[]",:0123456789.eE+-tfn\\u dasN', max_size=60).map(str.encode))
def test_whatever_is_taken_equals_the_plain_reading_and_survives_a_round_trip(raw: bytes) -> None:
    try:
        read = strict_json.loads(raw, values=VALUES)
    except (Malformed, TooLarge):
        return

    assert read == json.loads(raw)
    assert strict_json.loads(json.dumps(read).encode(), values=VALUES) == read


@pytest.mark.parametrize("raw", [pytest.param(raw, id=what) for what, raw in bodies.MALFORMED])
def test_what_is_hostile_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        strict_json.loads(raw, values=VALUES)


@given(DOCUMENTS)
def test_a_document_cut_short_is_malformed(document: Any) -> None:
    raw = json.dumps([document]).encode()
    for end in range(len(raw)):
        with pytest.raises(Malformed):
            strict_json.loads(raw[:end], values=VALUES)


@given(TEXT, DOCUMENTS, DOCUMENTS)
def test_a_key_that_comes_twice_is_refused_however_it_is_spelled(key: str, one: Any, other: Any) -> None:
    escaped = '"' + "".join(f"\\u{unit:04x}" for unit in _units(key)) + '"'
    raw = f"{{{json.dumps(key)}: {json.dumps(one)}, {escaped}: {json.dumps(other)}}}".encode()

    with pytest.raises(Malformed, match="twice"):
        strict_json.loads(raw, values=VALUES)


def test_the_number_of_values_has_a_limit_and_it_is_exact() -> None:
    assert len(strict_json.loads(json.dumps([0] * 99).encode(), values=100)) == 99
    for document in ([0] * 100, {str(key): 0 for key in range(100)}, [[[0] * 49], [0] * 49]):
        with pytest.raises(TooLarge) as refused:
            strict_json.loads(json.dumps(document).encode(), values=100)
        assert refused.value.extras == {"limit": 100}


def test_the_depth_has_a_limit_and_it_is_exact() -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        deep = opening * 31 + "1" + closing * 31
        assert strict_json.loads(deep.encode(), values=VALUES) == json.loads(deep)
        with pytest.raises(Malformed, match="deeper"):
            strict_json.loads((opening + deep + closing).encode(), values=VALUES)
        for levels in (1000, 10_000, 500_000):
            with pytest.raises(Malformed):
                strict_json.loads((opening * levels + "1" + closing * levels).encode(), values=VALUES)


def test_integers_are_accepted_up_to_the_precision_of_every_reader() -> None:
    for taken in (2**53 - 1, -(2**53) + 1, 0, -1):
        assert strict_json.loads(str(taken).encode(), values=1) == taken
    for refused in (2**53, -(2**53), 10**17, 10**5000):
        with pytest.raises(Malformed, match=r"2\^53"):
            strict_json.loads(_digits(refused).encode(), values=1)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_fractions_keep_every_digit(number: float) -> None:
    read = strict_json.loads(json.dumps(number).encode(), values=1)

    assert read == number
    assert math.copysign(1, read) == math.copysign(1, number)


def test_a_long_key_is_not_shown_in_full() -> None:
    key = "k" * 10_000
    with pytest.raises(Malformed) as refused:
        strict_json.loads(f'{{"{key}": 1, "{key}": 2}}'.encode(), values=VALUES)

    assert len(refused.value.detail) < 200


def _digits(number: int) -> str:
    """As ``str``, which refuses very long ones."""
    return str(number) if abs(number) < 10**4000 else "1" + "0" * 5000


def _units(text: str) -> list[int]:
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]


def _kinds(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: _kinds(value) for key, value in document.items()}
    return [_kinds(value) for value in document] if isinstance(document, list) else type(document)


@pytest.mark.parametrize("filler", ['"a,[{b"', '"\\\\\\",["', "[ ]", "{}", "[]", '{"a": 1}', "1.5", '""'])
def test_values_are_counted_before_they_are_made_and_exactly(filler: str) -> None:
    each = 2 if ":" in filler else 1
    raw = f"[{','.join([filler] * 100)}]".encode()

    strict_json.loads(raw, values=1 + 100 * each)
    with pytest.raises(TooLarge):
        strict_json.loads(raw, values=100 * each)


def test_a_body_of_too_many_lists_costs_no_more_than_its_text() -> None:
    raw = b"[" + b"[]," * 200_000 + b"[]]"

    with peak_memory() as peak:
        with pytest.raises(TooLarge):
            strict_json.loads(raw, values=100_000)
        assert peak() < 2 * len(raw)
