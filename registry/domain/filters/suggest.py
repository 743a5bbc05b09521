"""Completion of filters: which words of the native dialect can stand at the caret of an unfinished text.

Nothing here reads a database. An :class:`Opening` says which names or values of the registry can come next, and
:func:`named` and :func:`valued` spell those that were found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto

from registry.domain.filters.keys import OPERATORS, Field, ValueKind, Vocabulary
from registry.domain.filters.native import KEY_LENGTH
from registry.domain.filters.native_words import Word, WordKind, leading
from registry.domain.filters.terms import Key, Operator

MOST = 12
MOST_TEXT = 160  # characters of a suggested value: longer ones are no help in a list

_PLAIN_ENTRY = re.compile(r"[\w./-]+\Z", re.ASCII)
_KEY_REST = re.compile(r"[\w./-]*", re.ASCII)
_COMMON = ("name", "stage", "tags", "metrics", "params", "alias", "dataset.name", "created_at", "created_by", "run.id",
           "framework", "lifecycle", "status", "version_number", "updated_at", "dataset.digest")  # fmt: skip
_NULLS = ("IS NULL", "IS NOT NULL")
_CHOSEN = {Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN}
_WORDED = {"LIKE", "ILIKE", "IN"}
_QUOTES = "'\""


class SuggestionKind(StrEnum):
    KEY = "key"
    OPERATOR = "operator"
    VALUE = "value"
    KEYWORD = "keyword"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A text that can stand in the place, and its kind."""

    text: str
    kind: SuggestionKind


@dataclass(frozen=True, slots=True)
class Opening:
    """The part ``start`` to ``end`` of a text, that a suggestion replaces.

    ``words`` are suggestions of the language itself. ``entries_of`` are fields whose entries can stand here, like
    ``tags``; ``values_of`` is the key whose values can, on datasets where ``is_digest``. Both begin with ``begin``.
    ``lead`` separates a suggestion from the word before it.
    """

    start: int
    end: int
    words: tuple[Suggestion, ...] = ()
    entries_of: tuple[str, ...] = ()
    values_of: Key | None = None
    is_digest: bool = False
    begin: str = ""
    lead: str = ""


class _Expected(Enum):
    """What an unfinished condition has already."""

    TEST = auto()
    KEY = auto()
    ON = auto()
    ON_DIGEST = auto()
    NEGATED = auto()
    IS = auto()
    IS_NOT = auto()
    VALUE = auto()
    LIST = auto()
    ITEM = auto()
    AFTER_ITEM = auto()
    DONE = auto()
    ORDER_ERROR = auto()


def place(vocabulary: Vocabulary, text: str, caret: int) -> Opening:
    """Return the place at the caret. One without suggestions stands where nothing is known to fit."""
    before = text[:caret]
    words, rest = leading(before)
    unfinished = len(rest)
    if words and _touches(words[-1], rest, before):
        unfinished = len(before) - words.pop().column + 1
    start = len(before) - unfinished
    typed = before[start:]
    reader = _Reader(vocabulary)
    for word in words:
        reader.read(word)
    end = caret + len(_rest_of_word(text, typed, caret))
    lead = " " if start and not (before[start - 1].isspace() or before[start - 1] == "(") else ""
    return replace(reader.place(typed), start=start, end=end, lead=lead)


def named(place: Opening, field: str, names: Iterable[str]) -> list[Suggestion]:
    """Return the keys of a field's entries as the dialect spells them, without those that it cannot spell."""
    spelled = (_entry_text(name) for name in names if 1 <= len(name) <= KEY_LENGTH)
    return [_suggestion(place, f"{field}.{text}", SuggestionKind.KEY) for text in spelled if text]


def valued(place: Opening, values: Iterable[str]) -> list[Suggestion]:
    """Return values as the dialect quotes them, without those that are too long for a list."""
    return [_suggestion(place, in_quotes(value), SuggestionKind.VALUE) for value in values if _is_shown(value)]


def in_quotes(value: str) -> str:
    """Return a value as the dialect quotes it."""
    return "'" + value.replace("'", "''") + "'"


def spaced(place: Opening) -> list[Suggestion]:
    """Return the words of the place, separated from the word before it."""
    return [_suggestion(place, one.text, one.kind) for one in place.words]


def _suggestion(place: Opening, text: str, kind: SuggestionKind) -> Suggestion:
    return Suggestion(place.lead + text, kind)


def _is_shown(value: str) -> bool:
    return len(value) <= MOST_TEXT and value.isprintable()


def _entry_text(name: str) -> str | None:
    if _PLAIN_ENTRY.match(name):
        return name
    quote = next((quote for quote in '`"' if quote not in name), None)
    return f"{quote}{name}{quote}" if quote and name.isprintable() else None


def _touches(word: Word, rest: str, before: str) -> bool:
    """Return whether the last word is unfinished: the caret is at its end, or a dot and an unfinished name follow."""
    if word.kind not in {WordKind.KEY, WordKind.KEYWORD, WordKind.NUMBER}:
        return False
    follows = before[word.column - 1 + len(word.text) :]
    return follows == rest and (not rest or (rest[0] == "." and "." not in word.text))


def _rest_of_word(text: str, typed: str, caret: int) -> str:
    """Return the part after the caret of the key or keyword that the caret is in."""
    matched = _KEY_REST.match(text, caret)
    return matched[0] if matched and typed and _PLAIN_ENTRY.match(typed) else ""


class _Reader:
    """Follows a text word by word, without its parentheses being matched."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._state: _Expected = _Expected.TEST
        self._key = Key("")
        self._field = Field()
        self._operator = ""
        self._depth = 0

    def read(self, word: Word) -> None:
        """Step over one word. One that cannot stand where it does leaves nothing to suggest."""
        self._state = self._after(word) or _Expected.ORDER_ERROR

    def place(self, typed: str) -> Opening:
        """Return what can stand next, of which *typed* is there already."""
        match self._state:
            case _Expected.TEST:
                return self._keys(typed)
            case _Expected.KEY | _Expected.ON_DIGEST:
                return _words(typed, self._operators(), SuggestionKind.OPERATOR)
            case _Expected.NEGATED:
                return _words(typed, self._negated(), SuggestionKind.OPERATOR)
            case _Expected.IS:
                return _words(typed, ("NULL", "NOT NULL"), SuggestionKind.OPERATOR)
            case _Expected.IS_NOT:
                return _words(typed, ("NULL",), SuggestionKind.OPERATOR)
            case _Expected.LIST:
                return _words(typed, ("(",), SuggestionKind.OPERATOR)
            case _Expected.ON | _Expected.VALUE | _Expected.ITEM:
                return self._values(typed)
            case _Expected.AFTER_ITEM:
                return _words(typed, (",", ")"), SuggestionKind.KEYWORD)
            case _Expected.DONE:
                return _words(typed, ("AND", "OR", *[")"] * (self._depth > 0)), SuggestionKind.KEYWORD)
        return Opening(0, 0)

    def _after(self, word: Word) -> _Expected | None:
        match self._state:
            case _Expected.TEST:
                return self._after_test(word)
            case _Expected.KEY | _Expected.ON_DIGEST | _Expected.NEGATED:
                return self._after_key(word)
            case _Expected.ON:
                return _Expected.ON_DIGEST if word.kind is WordKind.STRING else None
            case _Expected.IS:
                return {"NOT": _Expected.IS_NOT, "NULL": _Expected.DONE}.get(word.text)
            case _Expected.IS_NOT:
                return _Expected.DONE if word.text == "NULL" else None
            case _Expected.LIST:
                return _Expected.ITEM if word.text == "(" else None
            case _Expected.VALUE | _Expected.ITEM:
                is_item = self._state is _Expected.ITEM
                return (_Expected.AFTER_ITEM if is_item else _Expected.DONE) if self._is_value(word) else None
            case _Expected.AFTER_ITEM:
                return {",": _Expected.ITEM, ")": _Expected.DONE}.get(word.text)
            case _Expected.DONE:
                return self._after_condition(word)
        return None

    def _after_test(self, word: Word) -> _Expected | None:
        if word.text in {"NOT", "("} and word.kind is not WordKind.STRING:
            self._depth += word.text == "("
            return _Expected.TEST
        return self._names(word.text) if word.kind is WordKind.KEY else None

    def _names(self, text: str) -> _Expected | None:
        field, entry = self._split(text.removeprefix("attribute."))
        found = self._vocabulary.fields.get(field)
        if found is None or found.entries is (entry is None):
            return None
        self._field, self._key = found, Key(field, entry)
        return _Expected.KEY

    def _after_key(self, word: Word) -> _Expected | None:
        negated = self._state is _Expected.NEGATED
        if word.kind is WordKind.OPERATOR:
            self._operator = word.text
            return None if negated else _Expected.VALUE
        if word.kind is not WordKind.KEYWORD:
            return None
        if word.text in _WORDED:
            self._operator = f"NOT {word.text}" if negated else word.text
            return _Expected.LIST if word.text == "IN" else _Expected.VALUE
        if word.text == "ON" and self._state is _Expected.KEY and self._field.measured:
            return _Expected.ON
        return None if negated else {"NOT": _Expected.NEGATED, "IS": _Expected.IS}.get(word.text)

    def _after_condition(self, word: Word) -> _Expected | None:
        if word.text in {"AND", "OR"} and word.kind is WordKind.KEYWORD:
            return _Expected.TEST
        if word.text == ")" and word.kind is WordKind.MARK and self._depth:
            self._depth -= 1
            return _Expected.DONE
        return None

    def _is_value(self, word: Word) -> bool:
        numeric = self._field.kind in {ValueKind.NUMBER, ValueKind.WHOLE}
        return word.kind is (WordKind.NUMBER if numeric else WordKind.STRING)

    def _split(self, text: str) -> tuple[str, str | None]:
        """Return the field, and the name of its entry where the text has one, without its quotes."""
        plain = self._vocabulary.synonyms.get(text, text)
        if plain in self._vocabulary.fields:
            return plain, None
        first, dot, entry = text.partition(".")
        name = entry.strip("`") if entry[:1] == "`" else entry.strip('"') if entry[:1] == '"' else entry
        return self._vocabulary.synonyms.get(first, first), name if dot else None

    def _keys(self, typed: str) -> Opening:
        field, entry = self._split(typed)
        fields = self._vocabulary.fields
        if entry is not None and field in fields and fields[field].entries:
            return Opening(0, 0, entries_of=(field,), begin=entry)
        if typed and not _PLAIN_ENTRY.match(typed):
            return Opening(0, 0)
        ordered = sorted(fields, key=lambda name: _COMMON.index(name) if name in _COMMON else len(_COMMON))
        keys = [f"{name}." if fields[name].entries else name for name in ordered]
        found = _beginning(keys, typed, SuggestionKind.KEY)
        if typed:
            found += _beginning(("NOT",), typed, SuggestionKind.KEYWORD)
        entries = tuple(name for name in ordered if fields[name].entries) if typed and "." not in typed else ()
        return Opening(0, 0, words=tuple(found), entries_of=entries, begin=typed)

    def _operators(self) -> Sequence[str]:
        operators = [one.value for one in Operator if one in OPERATORS[self._field.kind]]
        on = ["ON"] * (self._field.measured and self._state is _Expected.KEY)
        return [*operators, *on, *_NULLS]

    def _negated(self) -> Sequence[str]:
        return [name for name in _WORDED_IN_ORDER if Operator(f"NOT {name}") in OPERATORS[self._field.kind]]

    def _values(self, typed: str) -> Opening:
        if typed and typed[0] not in _QUOTES:
            return Opening(0, 0)
        begin = typed[1:].replace(typed[0] * 2, typed[0]) if typed else ""
        if self._state is _Expected.ON:
            return Opening(0, 0, values_of=self._key, is_digest=True, begin=begin)
        exact = self._state is _Expected.ITEM or self._operator in _CHOSEN
        if self._field.choices and exact:
            choices = tuple(
                Suggestion(in_quotes(choice), SuggestionKind.VALUE)
                for choice in map(str, self._field.choices)
                if choice.startswith(begin.lower())
            )
            return Opening(0, 0, words=choices)
        return Opening(0, 0, values_of=self._key if exact else None, begin=begin)


_WORDED_IN_ORDER = ("LIKE", "ILIKE", "IN")


def _words(typed: str, words: Iterable[str], kind: SuggestionKind) -> Opening:
    return Opening(0, 0, words=tuple(_beginning(words, typed, kind)))


def _beginning(words: Iterable[str], typed: str, kind: SuggestionKind) -> list[Suggestion]:
    """Return the words that begin as *typed*, in any letter case."""
    return [Suggestion(word, kind) for word in words if word.lower().startswith(typed.lower())]
