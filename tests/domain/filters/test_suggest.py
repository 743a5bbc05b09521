"""Completion of filters: whatever is suggested can be read, and what is written can be suggested."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.filters import keys, native, suggest
from registry.domain.filters.native_words import WordKind, words
from registry.domain.filters.suggest import Opening, Suggestion
from registry.domain.filters.terms import Key

VALUES = ("fraud", "it's", 'say "x"', "", "ünï")
ENTRIES = ("team", "any key", "a`b", "x.y/z-1")
DIGEST = f"sha256:{'a' * 64}"
PIECES = ["name", "stage", "tags.team", "tags.`any key`", "metrics.auc", "ON", "=", "!=", "LIKE", "IN", "(", ")", ",",
          "'x'", "'", '"', "`", "5", "AND", "OR", "NOT", "IS", "NULL", " ", ".", "created_at", "é", "\x00", "\ud800",
          "tag", "metrics", "<"]  # fmt: skip


def suggested(text: str, caret: int | None = None, vocabulary: keys.Vocabulary = keys.VERSIONS) -> list[str]:
    """What is suggested, of a registry whose tags and values are the ones above."""
    place = suggest.place(vocabulary, text, len(text) if caret is None else caret)
    return [one.text for one in choices(place)]


def choices(place: Opening) -> list[Suggestion]:
    found = suggest.spaced(place)
    for field in place.entries_of:
        found += suggest.named(place, field, [name for name in ENTRIES if name.startswith(place.begin)])
    if place.values_of:
        values = (DIGEST,) if place.is_digest or place.values_of.field == "dataset.digest" else VALUES
        found += suggest.valued(place, [value for value in values if value.startswith(place.begin)])
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("na", ["name"]),
        ("NA", ["name"]),
        ("sta", ["stage", "status"]),
        ("name", ["name"]),
        ("name ", ["=", "!=", "LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"]),
        ("name NOT ", ["LIKE", "ILIKE", "IN"]),
        ("name I", ["ILIKE", "IN", "IS NULL", "IS NOT NULL"]),
        ("name IS ", ["NULL", "NOT NULL"]),
        ("version_number !", ["!="]),
        ("stage = 'pro", ["'production'"]),
        ("stage='pro", [" 'production'"]),
        ("stage = ", ["'none'", "'staging'", "'production'", "'archived'"]),
        ("stage IN ('staging', 'a", ["'archived'"]),
        ("stage = 'staging' ", ["AND", "OR"]),
        ("stage = 'staging'", [" AND", " OR"]),
        ("(stage = 'staging' ", ["AND", "OR", ")"]),
        ("stage IN ('staging' ", [",", ")"]),
        ("stage IN ", ["("]),
        ("tags.t", ["tags.team"]),
        ("tag.t", ["tags.team"]),
        ("tags.`any", ["tags.`any key`"]),
        ("tags.a", ["tags.`any key`", 'tags."a`b"']),
        ("tea", ["tags.team", "metrics.team", "params.team"]),
        ("tags.team = 'i", ["'it''s'"]),
        ("tags.team = \"say \"\"", ["'say \"x\"'"]),
        ("metrics.auc ON ", [f"'{DIGEST}'"]),
        ("metrics.auc ", ["=", "!=", "<", "<=", ">", ">=", "IN", "NOT IN", "ON", "IS NULL", "IS NOT NULL"]),
        ("metrics.auc = ", VALUES),
        ("name LIKE 'f", []),
        ("colour = 'r", []),
        ("name name ", []),
        ("name = 5 AND ", []),
        ("§", []),
        ("NOT (na", ["name"]),
    ],
)  # fmt: skip
def test_what_can_stand_at_the_end_is_suggested(text: str, expected: list[str]) -> None:
    shown = suggested(text)

    if text == "metrics.auc = ":  # a number; the service has no values of metrics
        assert suggest.place(keys.VERSIONS, text, len(text)).values_of == Key("metrics", "auc")
    else:
        assert shown == list(expected)


def test_the_key_around_the_caret_is_replaced_whole() -> None:
    place = suggest.place(keys.VERSIONS, "stage = 'none' AND namely = 'x'", 21)

    assert (place.start, place.end) == (19, 25)
    assert [one.text for one in place.words] == ["name"]


def test_a_model_has_other_keys_than_a_version() -> None:
    assert suggested("lif", vocabulary=keys.MODELS) == ["lifecycle"]
    assert suggested("lif") == []


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=30), st.integers(0, 60))
def test_no_text_and_no_caret_is_too_odd(text: str, caret: int) -> None:
    place = suggest.place(keys.VERSIONS, text, min(caret, len(text)))

    assert 0 <= place.start <= place.end <= len(text)
    assert place.start <= caret


@given(st.data())
def test_a_filter_can_be_written_by_choosing_suggestions_alone(data: st.DataObject) -> None:
    text = ""
    for _ in range(data.draw(st.integers(1, 25))):
        place = suggest.place(keys.VERSIONS, text, len(text))
        if found := choices(place):
            chosen = data.draw(st.sampled_from(found)).text
        else:  # a number, a time or a pattern
            chosen = place.lead + data.draw(st.sampled_from(["5", "'2026-11-21'"]))
        text = text[: place.start] + chosen + " " * (not chosen.endswith("."))
    words(text + "x" * text.endswith("."), field="filter")  # every text so written has only words that can be read


CONDITIONS = [
    "stage = 'production'", "tags.team = 'fraud'", "tags.`any key` IS NOT NULL", "stage IN ('none', 'staging')",
    "NOT name = 'it''s'", f"metrics.auc ON '{DIGEST}' IS NULL", "(alias IS NULL OR framework IS NULL)",
]  # fmt: skip


@given(st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=4).map(" AND ".join), st.data())
def test_every_word_of_a_filter_is_suggested_once_it_is_begun(text: str, data: st.DataObject) -> None:
    native.parse(keys.VERSIONS, text)
    named = [
        word for word in words(text, field="filter") if word.kind in {WordKind.KEY, WordKind.KEYWORD, WordKind.STRING}
    ]
    word = data.draw(st.sampled_from(named))

    begun = suggested(text, caret=word.column + (word.kind is WordKind.STRING))

    assert any(text.startswith(one, word.column - 1) for one in begun)
