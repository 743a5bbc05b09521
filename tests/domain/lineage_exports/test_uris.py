"""Addresses as URIs, and the names of data in other systems."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.domain.lineage_exports.uris import base_model_purl, dataset_name, uri_of
from tests.support.document_validators import conforms


@settings(max_examples=50)
@given(st.text(max_size=20) | st.from_regex(r"[a-z]{1,3}:(//)?[a-z@:\[\]#%?/ é0-9]{0,20}", fullmatch=True))
def test_any_text_becomes_a_uri_or_nothing(text: str) -> None:
    uri = uri_of(text)

    assert uri is None or (conforms(uri, "uri") and conforms(uri, "iri-reference"))


def test_addresses_keep_their_meaning() -> None:
    kept = {
        "https://a.example/b%20c?d=[1]#e": "https://a.example/b%20c?d=%5B1%5D#e",
        "s3://données/50%/a#b#c": "s3://donn%C3%A9es/50%25/a#b%23c",
        "git@git.example:team/fraud.git": "ssh://git@git.example/team/fraud.git",
    }
    assert {text: uri_of(text) for text in kept} == kept
    assert [*map(uri_of, ["", "name", "../data", "https://host:port/", None])] == [None] * 5


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://bucket/a/b.csv", ("s3://bucket", "a/b.csv")),
        ("s3://bucket", ("s3://bucket", "/")),
        ("file:///data/a.csv", ("file", "/data/a.csv")),
        ("a.csv", ("https://registry.example", "payments")),
        (None, ("https://registry.example", "payments")),
    ],
)
def test_data_is_named_by_its_address(uri: str | None, name: tuple[str, str]) -> None:
    assert dataset_name("https://registry.example", "payments", uri) == name


def test_models_on_hugging_face_have_a_package_url() -> None:
    assert base_model_purl("hf://org/name@0A1B2C3") == ("pkg:huggingface/org/name@0a1b2c3", "0A1B2C3")
    assert base_model_purl("hf://org/name@main") == ("pkg:huggingface/org/name", "main")
    assert base_model_purl("hf://org/name") == ("pkg:huggingface/org/name", None)
    assert base_model_purl("https://example.com/name") is None
