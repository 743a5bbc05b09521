"""The page of an evidence archive: readable alone, and inert with any texts."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from registry.domain.evidence.facts import EvidenceFacts
from registry.domain.evidence.ordered import order
from registry.domain.evidence.profiles import PROFILES
from registry.domain.evidence.statements import collect
from registry.services.evidence import page
from tests.support.evidence_facts import HOSTILE, MemoryFacts, history, poor, rich, version_fact

VOID = {"meta"}


class Outline(HTMLParser):
    """The elements of a page with their attributes, and its text; fails where a tag is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def rendered(facts: EvidenceFacts, name: str | None = "eu-ai-act-annex-iv", rows: Any = ()) -> str:
    statements = collect(facts)
    ordered = order(PROFILES[name], statements, query=facts.query, sealed=facts.sealed) if name else None
    return b"".join(page.render(facts, statements, ordered, rows)).decode()


def test_hostile_texts_add_no_element_and_no_attribute() -> None:
    harmless = Outline(rendered(rich(), rows=history()))
    hostile = Outline(rendered(rich(HOSTILE), rows=history(HOSTILE)))

    assert hostile.elements == harmless.elements
    assert "<script>alert(1)</script>" in "".join(hostile.texts)


def test_characters_that_hide_or_reorder_text_are_spelled_out() -> None:
    text = rendered(rich(HOSTILE))

    assert "\\u202egnp.exe\\u0000" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", text)


@pytest.mark.parametrize("name", [None, *PROFILES])
def test_the_page_has_no_script_and_loads_nothing(name: str | None) -> None:
    text = rendered(rich(), name)

    addresses = [value for _, attrs in Outline(text).elements for key, value in attrs if key in {"href", "src"}]
    assert all(address and address.startswith("#") for address in addresses)
    assert not re.search(r"url\(|@import|<script|<link|<img|<iframe|javascript:", text)
    assert not any(key.startswith("on") or key == "style" for _, attrs in Outline(text).elements for key, _ in attrs)


@pytest.mark.parametrize("facts", [rich(), poor()], ids=["rich", "poor"])
def test_headings_tables_and_links_are_accessible(facts: MemoryFacts) -> None:
    elements = Outline(rendered(facts)).elements

    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    tags = [tag for tag, _ in elements]
    assert tags.count("table") == tags.count("caption") == tags.count("thead")
    assert all(dict(attrs).get("scope") in {"col", "row"} for tag, attrs in elements if tag == "th")
    ids = [value for _, attrs in elements for key, value in attrs if key == "id"]
    assert len(ids) == len(set(ids))
    targets = {value[1:] for _, attrs in elements for key, value in attrs if key == "href" and value}
    assert targets <= set(ids)
    assert ("html", (("lang", "en"),)) in elements


def test_the_same_facts_give_the_same_bytes() -> None:
    assert rendered(rich()) == rendered(rich())


def test_a_gap_is_marked_and_says_what_to_add() -> None:
    text = "".join(Outline(rendered(poor())).texts)

    assert re.search(r"8: EU declaration of conformity \(Article 47\)\s+GAP", text)
    assert "The archive has no fact for this clause. To add: A copy of the declaration." in text
    assert "This is no legal advice." in text


def test_the_page_shows_who_attested_a_fact() -> None:
    text = re.sub(r"\s+", " ", "".join(Outline(rendered(rich())).texts))

    assert "move: promote to: production reason: blocks card payments; not for loans ana (promoter)" in text
    assert "version.promoted 20 019aa000-0000-7000-8000-000000000020" in text


def test_a_table_with_more_rows_than_the_limit_names_the_file_with_the_others() -> None:
    versions = tuple(version_fact(number, number) for number in range(1, page.MOST_ROWS + 2))
    whole, cut = (MemoryFacts(poor().query, poor().sealed, version_facts=some) for some in (versions[:-1], versions))

    notice = "These are the first 1,000; the others are in <code>facts/versions.jsonl</code>."
    assert (notice in rendered(whole, None), notice in rendered(cut, None)) == (False, True)


def test_parameters_beyond_the_limit_are_counted() -> None:
    params = {f"layer{number}": "7" for number in range(page.MOST_LABELS + 3)}
    facts = MemoryFacts(poor().query, poor().sealed, version_facts=(version_fact(1, 2, params=params),))

    text = rendered(facts, None)

    assert text.count("<dt>Parameter</dt>") == page.MOST_LABELS + 1
    assert "3 more are in" in text


def test_the_history_shows_reasons_and_states_the_erased_ones() -> None:
    text = re.sub(r"\s+", " ", " ".join(Outline(rendered(rich(), rows=history())).texts))

    assert "version.promoted 1 blocks card payments; not for loans stage: production blocks card payments" in text
    assert re.search(r"40 \S+ 2026-11-02 16:00:00.000000Z version.promoted 1 .* erased", text)
