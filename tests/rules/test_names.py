"""Rules for names: refused names, allowed names, and the spellings that count as one name."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from registry.rules import names
from tests.api.hostile import names as model_names

TEXT = st.text(max_size=40)
ASSIGNED = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])
LEGAL = st.text(ASSIGNED, min_size=1, max_size=20).filter(lambda text: names.model_name_problem(text) is None)
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def named(rows: Sequence[tuple[str, Any]]) -> list[Any]:
    """The rows that hold a text, as parameters with a name that fits in a line."""
    return [pytest.param(text, id=what) for what, text in rows if isinstance(text, str)]


@pytest.mark.parametrize("name", named(model_names.REFUSED))
def test_a_hostile_model_name_has_a_problem(name: str) -> None:
    assert names.model_name_problem(name)


@pytest.mark.parametrize("name", named(model_names.LEGAL))
def test_a_legal_model_name_has_none(name: str) -> None:
    assert names.model_name_problem(name) is None


def test_every_character_that_cannot_be_seen_is_refused_wherever_it_stands() -> None:
    points = [point for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)) in INVISIBLE]
    few = [point for point in points if unicodedata.category(chr(point)) in {"Cc", "Cf", "Zl", "Zp"}]
    wrong = [
        f"U+{point:04X} {rule.__name__}"
        for point in few + points[::97]  # those of the other categories are a million, in a few long rows
        for rule in (names.model_name_problem, names.tag_key_problem)
        for text in (f"{chr(point)}a", f"a{chr(point)}b", f"a{chr(point)}", chr(point))
        if rule(text) is None
    ]

    assert wrong == []
    assert len(few) > 200


@given(TEXT | LEGAL)
def test_a_name_that_is_taken_keeps_every_promise_of_the_rule(name: str) -> None:
    assume(names.model_name_problem(name) is None)

    assert 1 <= len(name) <= 256
    assert name == name.strip() == unicodedata.normalize("NFC", name)
    assert not {"/", ":", "\x00"} & set(unicodedata.normalize("NFKC", name))
    assert name not in {".", ".."}
    assert not {unicodedata.category(character) for character in name} & INVISIBLE
    name.encode()


@given(LEGAL)
def test_spellings_of_a_name_share_one_key(name: str) -> None:
    key = names.name_key(name)

    assert names.name_key(key) == key
    assert names.name_key(name.casefold()) == key
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert names.name_key(unicodedata.normalize(form, name)) == key


@given(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789 ._-", min_size=1),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789 ._-", min_size=1),
)
def test_plain_names_share_a_key_only_when_they_are_one(one: str, other: str) -> None:
    assert (names.name_key(one) == names.name_key(other)) == (one == other)
    assert names.name_key(one.upper()) == names.name_key(one)


def test_names_that_look_alike_differ_in_their_key_or_are_one() -> None:
    for _, spelling in model_names.TAKEN:
        assert names.name_key(spelling) == "fraud"
    for _, spelling in model_names.ALIKE:
        assert names.name_key(spelling) != "fraud"
        assert names.model_name_problem(spelling) is None


@given(TEXT)
def test_no_rule_ever_fails_or_repairs(text: str) -> None:
    for rule in (names.model_name_problem, names.alias_problem, names.tag_key_problem):
        problem = rule(text)
        assert problem is None or (isinstance(problem, str) and problem)


@pytest.mark.parametrize(
    "alias", ["champion", "A", "a_b-c", "v", "vv1", "1a", "latest2", "a" * 255, "prod", "v1a", "-", "_"]
)
def test_an_alias_of_the_plain_characters_is_taken(alias: str) -> None:
    assert names.alias_problem(alias) is None


@pytest.mark.parametrize(
    "alias",
    ["", "latest", "Latest", "LATEST", "1", "007", "v1", "V42", "none", "staging", "Staging", "production",
     "PRODUCTION", "archived", "a b", "a.b", "a/b", "a:b", "a@b", "a#b", "a\n", "a\x00", "\u00e9", "\uff41", "\u0661",
     "a" * 256, "v1\n", "latest\n"],
)  # fmt: skip
def test_an_alias_that_names_something_else_or_nothing_is_refused(alias: str) -> None:
    assert names.alias_problem(alias)


@given(st.text("abcXYZ0189_-", min_size=1, max_size=30))
def test_an_alias_is_refused_exactly_when_it_could_mean_a_version_or_a_stage(alias: str) -> None:
    lower = alias.lower()
    reserved = lower in {"latest", *names.STAGE_NAMES} or lower.removeprefix("v").isdigit()

    assert (names.alias_problem(alias) is not None) == reserved


@given(
    st.sampled_from(
        ["a", "/", "\\", ".", " ", "a/", "../", "\u0301", "\u034f", "\ufdfa", "v1", "-", "\x00", "\U0001f98a", "1"]
    )
)
def test_a_hundred_thousand_characters_are_refused(unit: str) -> None:
    text = unit * (100_000 // len(unit))

    problems = [rule(text) for rule in (names.model_name_problem, names.alias_problem, names.tag_key_problem)]

    assert all(problems)
