"""The native dialect: MLflow's conditions on more keys, with OR, NOT, parentheses and IS NULL.

or     := and (OR and)*
and    := not (AND not)*
not    := NOT not | "(" or ")" | test
test   := named operator value | named [NOT] IN "(" value ("," value)* ")" | named IS [NOT] NULL
named  := key | key ON digest
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

from registry.domain.errors import Invalid
from registry.domain.filters.digests import pattern as digest_pattern
from registry.domain.filters.keys import OPERATORS, Field, Vocabulary
from registry.domain.filters.keys import ValueKind as FieldKind
from registry.domain.filters.native_words import Word, WordKind, words, wrong
from registry.domain.filters.terms import (
    EVERYTHING,
    MOST_VALUES,
    PATTERNS,
    Absent,
    And,
    Condition,
    Key,
    Not,
    Operator,
    Or,
    Order,
    Term,
    Value,
    conditions,
    costly_pattern,
)
from registry.rules import digests, suggestions

MOST_CHARACTERS = 40_000  # a list of 1,000 run ids, as MLflow's own server takes
MOST_ORDER_CHARACTERS = 1000
MOST_TERMS = 20
MOST_DEPTH = 20
MOST_ORDERS = 5
KEY_LENGTH = 250

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2}))?\Z"
)
_WILDCARDS = {"%": ".*", "_": "."}
_NEGATED = {
    Operator.IN: Operator.NOT_IN,
    Operator.LIKE: Operator.NOT_LIKE,
    Operator.ILIKE: Operator.NOT_ILIKE,
}


def parse(vocabulary: Vocabulary, text: str) -> Term:
    """Return the tree of *text*; a blank one matches everything. Raises Invalid with the column of the error."""
    _check_characters(text, "filter", MOST_CHARACTERS)
    if not text.strip():
        return EVERYTHING
    term = _Parser(vocabulary, text, field="filter").filter()
    if (terms := sum(1 for _ in conditions(term))) > MOST_TERMS:
        raise Invalid.field("filter", f"has {terms} conditions; at most {MOST_TERMS} are allowed")
    if problem := costly_pattern(term):
        raise Invalid.field("filter", problem)
    return term


def parse_order(vocabulary: Vocabulary, text: str) -> tuple[Order, ...]:
    """Return the order of *text*, keys with ASC or DESC and commas between them. Raises Invalid."""
    _check_characters(text, "order_by", MOST_ORDER_CHARACTERS)
    return _Parser(vocabulary, text, field="order_by").order() if text.strip() else ()


def _check_characters(text: str, field: str, most: int) -> None:
    if len(text) > most:
        raise Invalid.field(field, f"has {len(text)} characters; at most {most} are allowed")
    for column, character in enumerate(text, 1):
        if character == "\x00" or "\ud800" <= character <= "\udfff":
            raise wrong(field, column, f"U+{ord(character):04X} cannot be stored, so nothing has it")


class _Parser:
    """Recursive descent over the words; one reader of one text."""

    def __init__(self, vocabulary: Vocabulary, text: str, *, field: str) -> None:
        self._vocabulary, self._argument = vocabulary, field
        self._words = words(text, field=field)
        self._position = 0
        self._depth = 0

    def filter(self) -> Term:
        term = self._or()
        if self._word.kind is not WordKind.END:
            raise self._wrong(f"expected AND, OR or the end, not {self._word}")
        return term

    def order(self) -> tuple[Order, ...]:
        terms = [self._order()]
        while self._takes(","):
            terms.append(self._order())
        if self._word.kind is not WordKind.END:
            raise self._wrong(f"expected ASC, DESC, a comma or the end, not {self._word}")
        if len(terms) > MOST_ORDERS:
            raise Invalid.field(self._argument, f"has {len(terms)} keys; at most {MOST_ORDERS} are allowed")
        return tuple(terms)

    def _order(self) -> Order:
        word = self._word
        key, field = self._key()
        if field.many:
            raise self._wrong(f"{word} can have several values, so it gives no order", word)
        if self._takes("DESC"):
            return Order(key, descending=True)
        self._takes("ASC")
        return Order(key)

    def _or(self) -> Term:
        return self._joined("OR", self._and, Or)

    def _and(self) -> Term:
        return self._joined("AND", self._not, And)

    def _joined(self, keyword: str, part: Callable[[], Term], join: Callable[[tuple[Term, ...]], Term]) -> Term:
        parts = [part()]
        while self._takes(keyword):
            parts.append(part())
        return parts[0] if len(parts) == 1 else join(tuple(parts))

    def _not(self) -> Term:
        word = self._word
        if not (negates := self._takes("NOT")) and not self._takes("("):
            return self._test()
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise self._wrong(f"more than {MOST_DEPTH} levels of NOT and parentheses", word)
        term = Not(self._not()) if negates else self._or()
        if not negates and not self._takes(")"):
            raise self._wrong(f"expected ) for the ( at column {word.column}, not {self._word}")
        self._depth -= 1
        return term

    def _test(self) -> Term:
        start = self._word
        key, field = self._key()
        if self._takes("IS"):
            negated = self._takes("NOT")
            if not self._takes("NULL"):
                raise self._wrong(f"expected NULL after IS or IS NOT, not {self._word}")
            return Not(Absent(key)) if negated else Absent(key)
        at = self._word
        operator = self._operator()
        if operator not in OPERATORS[field.kind]:
            allowed = ", ".join(one for one in Operator if one in OPERATORS[field.kind])
            raise self._wrong(f"{start} compares with {allowed}, IS NULL and IS NOT NULL, not with {operator}", at)
        listed = operator in {Operator.IN, Operator.NOT_IN}
        return Condition(key, operator, self._list(field) if listed else self._value(field, operator))

    def _key(self) -> tuple[Key, Field]:
        word = self._word
        if word.kind is not WordKind.KEY:
            raise self._wrong(f"expected a key, not {word}; keys are {self._vocabulary.names}")
        self._position += 1
        text = word.text.removeprefix("attribute.")
        plain = self._vocabulary.synonyms.get(text, text)
        if (field := self._vocabulary.fields.get(plain)) and not field.entries:
            return Key(plain), field
        first, _, entry = text.partition(".")
        first = self._vocabulary.synonyms.get(first, first)
        field = self._vocabulary.fields.get(first)
        if field is None or not field.entries:
            raise self._wrong(f"there is no key {word}{self._nearest(text)}; keys are {self._vocabulary.names}", word)
        name = entry[1:-1] if entry[:1] in {"`", '"'} else entry
        if not 1 <= len(name) <= KEY_LENGTH:
            raise self._wrong(f"{first} needs a key of 1 to {KEY_LENGTH} characters, as in {first}.`any key`", word)
        return Key(first, name, self._dataset(field)), field

    def _dataset(self, field: Field) -> str | None:
        """Return the digest after ON, if it is next."""
        if not field.measured or not self._takes("ON"):
            return None
        word = self._word
        if word.kind is not WordKind.STRING:
            raise self._wrong(f"expected the digest of a dataset in quotes after ON, not {word}")
        self._position += 1
        try:
            return digests.stored(word.value)
        except ValueError as error:
            raise self._wrong(f"ON takes the digest of a dataset: {error}", word) from error

    def _nearest(self, key: str) -> str:
        return suggestions.hint(suggestions.nearest(key, [*self._vocabulary.fields, *self._vocabulary.synonyms]))

    def _operator(self) -> Operator:
        word = self._word
        negated = self._takes("NOT")
        name = self._word
        if name.kind is WordKind.OPERATOR and not negated:
            self._position += 1
            return Operator(name.text)
        if name.kind is WordKind.KEYWORD and name.text in {"IN", "LIKE", "ILIKE"}:
            self._position += 1
            return _NEGATED[Operator(name.text)] if negated else Operator(name.text)
        raise self._wrong(f"expected an operator ({', '.join(Operator)}, IS NULL, IS NOT NULL), not {word}", word)

    def _list(self, field: Field) -> Value:
        if not self._takes("("):
            raise self._wrong(f"expected a list in parentheses, not {self._word}")
        values = [self._value(field, Operator.EQ)]
        while self._takes(","):
            if len(values) == MOST_VALUES:
                raise self._wrong(f"a list has at most {MOST_VALUES} values")
            values.append(self._value(field, Operator.EQ))
        if not self._takes(")"):
            raise self._wrong(f"expected a comma or the ) of the list, not {self._word}")
        return cast(Value, tuple(values))

    def _value(self, field: Field, operator: Operator) -> Value:
        word = self._word
        expected = WordKind.NUMBER if field.kind in {FieldKind.NUMBER, FieldKind.WHOLE} else WordKind.STRING
        if word.kind is not expected:
            raise self._wrong(f"expected {field.kind.value}, not {word}")
        self._position += 1
        try:
            return _parse_value(word, field, operator)
        except ValueError as error:
            raise self._wrong(str(error), word) from error

    @property
    def _word(self) -> Word:
        return self._words[self._position]

    def _takes(self, text: str) -> bool:
        """Step over the keyword or mark, if it is next."""
        matches = self._word.kind in {WordKind.KEYWORD, WordKind.MARK} and self._word.text == text
        self._position += matches
        return matches

    def _wrong(self, text: str, word: Word | None = None) -> Invalid:
        return wrong(self._argument, (word or self._word).column, text)


def _parse_value(word: Word, field: Field, operator: Operator) -> Value:
    """Return the value that a word means. Raises ValueError with what is wrong."""
    if field.kind is FieldKind.NUMBER:
        return _parse_number(word.text)
    if field.kind is FieldKind.WHOLE:
        return _parse_integer(word.text)
    if field.kind is FieldKind.TIME:
        return _parse_time(word.value)
    if field.choices and not _can_hold(field, operator, word.value):
        near = suggestions.hint(suggestions.nearest(word.value, field.choices))
        raise ValueError(f"it is one of {', '.join(field.choices)}, never {word.text}{near}")
    if field.digest:
        return digest_pattern(word.value) if operator in PATTERNS else digests.stored(word.value)
    return word.value


def _can_hold(field: Field, operator: Operator, value: str) -> bool:
    """Return whether one of the choices is what the condition compares with."""
    if operator not in PATTERNS:
        return value in field.choices
    ignored = re.IGNORECASE if operator in {Operator.ILIKE, Operator.NOT_ILIKE} else re.NOFLAG
    form = re.compile("".join(_WILDCARDS.get(character) or re.escape(character) for character in value), ignored)
    return any(form.fullmatch(choice) for choice in field.choices)


def _parse_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


def _parse_integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"expected a whole number, not {text}") from error


def _parse_time(text: str) -> datetime:
    try:
        if not _TIME.match(text):
            raise ValueError(text)
        moment = datetime.fromisoformat(text)
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"expected {FieldKind.TIME.value}, not '{text}'") from error
