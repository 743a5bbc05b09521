"""Canonical JSON: the quick way writes what the reference library writes."""

from __future__ import annotations

from typing import Any

import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.domain import canonical_json

TEXTS = st.text(max_size=8)
LEAVES = st.none() | st.booleans() | TEXTS | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, width=32)
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=12
)


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS.filter(lambda document: "inf" not in repr(document)))
def test_every_document_is_written_as_the_reference_library_writes_it(document: Any) -> None:
    assert canonical_json.dumps(document) == rfc8785.dumps(document)


def test_keys_beyond_the_basic_plane_are_sorted_by_their_utf_16_form() -> None:
    assert canonical_json.dumps({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


def test_texts_are_escaped_and_whole_floats_shortened_as_the_standard_says() -> None:
    text = '\x00\b\t\n\f\r\x1f\x7f"\\/\u2028é'

    assert canonical_json.dumps([text, 1.0, 1e21]) == rfc8785.dumps([text, 1.0, 1e21])
    assert canonical_json.dumps([text]) == rfc8785.dumps([text])
