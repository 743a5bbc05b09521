"""Meaning of what people type in a search box: a reference, a digest, a filter, or a part of a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from registry.domain.filters import keys
from registry.domain.filters.native_words import Word, WordKind, leading
from registry.rules import digests, references
from registry.rules.references import Reference

_BARE_HEX = re.compile(r"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?\Z")
_OPENS = {"LIKE": {WordKind.STRING}, "ILIKE": {WordKind.STRING}, "IN": {WordKind.MARK}, "IS": {WordKind.KEYWORD},
          "NOT": {WordKind.KEYWORD}, "ON": {WordKind.STRING}}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NamedReference:
    """A reference to a version, or to a model: ``fraud:7``, ``fraud@champion``, ``fraud#production``."""

    reference: Reference


@dataclass(frozen=True, slots=True)
class DataDigest:
    """A digest, in the form that is stored."""

    digest: str


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """A filter; whether it can be read is not known yet."""

    text: str


@dataclass(frozen=True, slots=True)
class NamePart:
    """A text without an operator: a part of a model's name."""

    text: str

    @property
    def filter(self) -> str:
        """Return the filter that finds the names that contain the text."""
        return "name ILIKE '%" + self.text.replace("'", "''") + "%'"


Meaning: TypeAlias = NamedReference | DataDigest | SearchFilter | NamePart


def meaning(text: str) -> Meaning:
    """Return what a text in a search box means. An empty text is a filter, which finds everything."""
    text = text.strip()
    if not text or _is_filter(text):
        return SearchFilter(text)
    if (reference := _reference(text)) is not None:
        return NamedReference(reference)
    if (digest := _digest(text)) is not None:
        return DataDigest(digest)
    return NamePart(text)


def _reference(text: str) -> Reference | None:
    """Return the reference that a text is; None for a name alone, which may be a part of one."""
    try:
        found = references.parse(text)
    except ValueError:
        return None
    return None if found.bare and found.model == text else found


def _digest(text: str) -> str | None:
    if ":" not in text and not _BARE_HEX.match(text):
        return None
    try:
        return digests.stored(text)
    except ValueError:
        return None


def _is_filter(text: str) -> bool:
    """Return whether the text has a key with an operator after it, where a condition can stand."""
    words, _ = leading(text)
    return any(_begins_condition(words[place : place + 3]) for place in range(len(words)))


def _begins_condition(words: list[Word]) -> bool:
    """Return whether at most three words are a key, an operator, and what can follow it."""
    if len(words) == 1 or words[0].kind is not WordKind.KEY:
        return False
    word, after, *following = words
    if after.kind is WordKind.OPERATOR:
        return True
    # Names have such words, too: "this is fraud" is no filter.
    is_known = any(_is_key(vocabulary, word.text) for vocabulary in (keys.VERSIONS, keys.MODELS))
    expected = _OPENS.get(after.text) if after.kind is WordKind.KEYWORD and is_known else None
    return expected is not None and (not following or following[0].kind in expected)


def _is_key(vocabulary: keys.Vocabulary, text: str) -> bool:
    plain = text.removeprefix("attribute.")
    first = plain.partition(".")[0]
    names = {plain, first, vocabulary.synonyms.get(plain, plain), vocabulary.synonyms.get(first, first)}
    return any(name in vocabulary.fields for name in names)
