"""Addresses of data: one spelling of each, and digests of versions at one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.rules import digests, places


@pytest.mark.parametrize(
    ("namespace", "name", "address"),
    [
        ("s3a://Lake", "/raw/a.parquet/", "s3://lake/raw/a.parquet"),
        ("file", "/data/raw.csv", "file:///data/raw.csv"),
        ("postgres://ana:secret@DB:5432", "shop.public.orders", "postgres://db:5432/shop.public.orders"),
        ("abfss://box@account.dfs.core.windows.net", "raw", "abfss://box@account.dfs.core.windows.net/raw"),
        ("bigquery", "project.sales.orders", "bigquery/project.sales.orders"),
        ("https://host", "data.csv?token=x", "https://host/data.csv"),
    ],
)
def test_a_namespace_and_a_name_are_an_address(namespace: str, name: str, address: str) -> None:
    assert places.address(namespace, name) == address


@settings(max_examples=50)
@given(st.text("as3n:/@?.xH", max_size=24), st.text(max_size=8))
def test_an_address_has_one_spelling(text: str, version: str) -> None:
    plain = places.plain(text)

    assert places.plain(plain) == plain
    digest = places.version_digest(text, version)
    assert digest == places.version_digest(plain, version)
    assert digests.problem(digest) is None
