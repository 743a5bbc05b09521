"""What a text in a search box means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.filters import keys, native
from registry.domain.filters.search_texts import DataDigest, NamedReference, NamePart, SearchFilter, meaning
from registry.rules.references import Reference

DIGEST = f"sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", SearchFilter("")),
        (" fraud ", NamePart("fraud")),
        ("fraud:7", NamedReference(Reference("fraud", version=7))),
        ("fraud@champion", NamedReference(Reference("fraud", alias="champion"))),
        ("fraud#production", NamedReference(Reference("fraud", stage="production"))),
        ("models:/fraud/7", NamedReference(Reference("fraud", version=7))),
        ("fraud:latest", NamedReference(Reference("fraud"))),
        ('50% "off" #1?:2', NamedReference(Reference('50% "off" #1?', version=2))),
        ('50% "off" #1?', NamePart('50% "off" #1?')),
        (DIGEST, DataDigest(DIGEST)),
        (DIGEST.upper(), DataDigest(DIGEST)),
        ("ab" * 32, DataDigest(DIGEST)),
        ("deadbeef", NamePart("deadbeef")),
        ("stage = 'production'", SearchFilter("stage = 'production'")),
        ("tags.url = 'http://x:7", SearchFilter("tags.url = 'http://x:7")),
        ("name LIKE 'a#production'", SearchFilter("name LIKE 'a#production'")),
        ("alias IS NULL", SearchFilter("alias IS NULL")),
        ("colour = 5", SearchFilter("colour = 5")),
        ("this is fraud", NamePart("this is fraud")),
        ("fraud not in use", NamePart("fraud not in use")),
        ("fraud#none", NamePart("fraud#none")),
        ("a/b:7", NamePart("a/b:7")),
    ],
)
def test_a_text_is_a_reference_a_digest_a_filter_or_a_part_of_a_name(text: str, expected: object) -> None:
    assert meaning(text) == expected


@given(st.text(max_size=40))
def test_a_part_of_a_name_becomes_a_filter_that_can_be_read(text: str) -> None:
    found = meaning(text)

    if isinstance(found, NamePart) and "\x00" not in text and text.count("%") <= 6:
        native.parse(keys.MODELS, found.filter)
