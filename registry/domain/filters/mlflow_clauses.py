"""Grouping of the words of MLflow's dialect into clauses, as far as its answers depend on it.

MLflow accepts comparisons; other clauses appear in its refusals, so the groups keep their texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from registry.domain.filters.mlflow_words import MlflowWord, MlflowWordKind, words


class Group(Enum):
    IDENTIFIER = auto()  # names joined by dots
    STRING = auto()
    WHOLE = auto()
    FRACTION = auto()
    LIST = auto()  # anything in parentheses
    KEYWORD = auto()
    OPERAND = auto()  # a function, a sum, a placeholder: what compares, and is none of the above
    COMPARISON = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Clause:
    """One group; a comparison has its parts: left, operator and, but for IS NULL, right."""

    group: Group
    text: str
    parts: tuple[Clause, ...] = ()

    def is_keyword(self, *names: str) -> bool:
        return self.group is Group.KEYWORD and " ".join(self.text.upper().split()) in names


_SINGLE = {
    MlflowWordKind.STRING: Group.STRING,
    MlflowWordKind.WHOLE: Group.WHOLE,
    MlflowWordKind.FRACTION: Group.FRACTION,
    MlflowWordKind.PLACEHOLDER: Group.OPERAND,
}
_ALIASED = {Group.IDENTIFIER, Group.WHOLE, Group.FRACTION, Group.LIST, Group.OPERAND, Group.COMPARISON}


def clauses(text: str) -> list[Clause]:
    """Return the clauses of *text* without the blanks between them."""
    return list(_with_lists(list(_ClauseReader(list(words(text))).clauses())))


def identifier(text: str) -> tuple[Clause | None, list[MlflowWord]]:
    """Return the identifier that *text* begins with, and the words after it."""
    sequence = list(words(text))
    reader = _ClauseReader(sequence)
    made = reader.name(0)
    return (made[0], sequence[made[1] :]) if made else (None, sequence)


class _ClauseReader:
    """Reads groups off a list of words; every method takes a position and answers what begins there and its end."""

    def __init__(self, sequence: Sequence[MlflowWord]) -> None:
        self.words = sequence
        self._closing = _matching(sequence)

    def clauses(self) -> Iterator[Clause]:
        position = self._skip(0)
        while position < len(self.words):
            clause, end = self._aliased(position)
            yield clause
            position = self._skip(end)

    def _aliased(self, position: int) -> tuple[Clause, int]:
        """SQL takes ``x y`` for x under the name y: the two are one clause."""
        clause, end = self._clause(position)
        following = self._skip(end)
        if clause.group in _ALIASED and self._is(following, MlflowWordKind.NAME):
            name, after = self._clause(following)
            if name.group is Group.IDENTIFIER:
                return Clause(Group.IDENTIFIER, self._text(position, after)), after
        return clause, end

    def _clause(self, position: int) -> tuple[Clause, int]:
        left, end = self._operand(position)
        operator = self._skip(end)
        if left.group is Group.OTHER or not self._is(operator, MlflowWordKind.COMPARISON):
            return left, end
        right, after = self._operand(self._skip(operator + 1))
        if right.group in {Group.OTHER, Group.KEYWORD} and not right.is_keyword("NULL"):
            return left, end
        if left.group is Group.KEYWORD and not left.is_keyword("NULL"):
            return left, end
        parts = (left, Clause(Group.OTHER, self.words[operator].text), right)
        return Clause(Group.COMPARISON, self._text(position, after), parts), after

    def _operand(self, position: int) -> tuple[Clause, int]:
        """Read one value, or several joined by arithmetic."""
        left, first_end = self._value(position)
        if left.group in {Group.OTHER, Group.KEYWORD}:
            return left, first_end
        end = first_end
        while self._is(operator := self._skip(end), MlflowWordKind.ARITHMETIC):
            right, after = self._value(self._skip(operator + 1))
            if right.group in {Group.OTHER, Group.KEYWORD}:
                break
            end = after
        return (left if end == first_end else Clause(Group.OPERAND, self._text(position, end))), end

    def _value(self, position: int) -> tuple[Clause, int]:
        if position >= len(self.words):
            return Clause(Group.OTHER, ""), position
        word = self.words[position]
        if word.kind is MlflowWordKind.NAME:
            return self._name_or_function(position)
        if word.kind is MlflowWordKind.KEYWORD:
            return Clause(Group.KEYWORD, word.text), position + 1
        if close := self._closing.get(position):
            return Clause(Group.LIST, self._text(position, close + 1)), close + 1
        return Clause(_SINGLE.get(word.kind, Group.OTHER), word.text), position + 1

    def _name_or_function(self, position: int) -> tuple[Clause, int]:
        made, end = self.name(position) or (Clause(Group.OTHER, ""), position)
        if close := self._closing.get(self._skip(end)):
            return Clause(Group.OPERAND, self._text(position, close + 1)), close + 1
        return made, end

    def name(self, position: int) -> tuple[Clause, int] | None:
        """Read names joined by dots, with the blanks around these."""
        if not self._is(position, MlflowWordKind.NAME):
            return None
        end = position + 1
        while self._is(dot := self._skip(end), MlflowWordKind.PUNCTUATION) and self.words[dot].text == ".":
            end = dot + 1
            member = self._skip(end)
            if not (self._is(member, MlflowWordKind.NAME) or self._is(member, MlflowWordKind.STRING)):
                break
            end = member + 1
        return Clause(Group.IDENTIFIER, self._text(position, end)), end

    def _skip(self, position: int) -> int:
        while self._is(position, MlflowWordKind.SPACE):
            position += 1
        return position

    def _is(self, position: int, kind: MlflowWordKind) -> bool:
        return position < len(self.words) and self.words[position].kind is kind

    def _text(self, start: int, end: int) -> str:
        return "".join(word.text for word in self.words[start:end])


def _matching(sequence: Sequence[MlflowWord]) -> dict[int, int]:
    """Return where each parenthesis that is closed is closed."""
    opened: list[int] = []
    pairs = {}
    for index, word in enumerate(sequence):
        if word.kind is MlflowWordKind.PUNCTUATION and word.text == "(":
            opened.append(index)
        elif word.kind is MlflowWordKind.PUNCTUATION and word.text == ")" and opened:
            pairs[opened.pop()] = index
    return pairs


def _with_lists(parts: Sequence[Clause]) -> Iterator[Clause]:
    """Join ``x IN (…)``, ``x NOT IN (…)`` and ``x IS [NOT] NULL``, three or four clauses at a time as MLflow."""
    position = 0
    while position < len(parts):
        ahead = parts[position : position + 4]
        if len(ahead) < 3:
            length = len(ahead)
        elif ahead[0].group is not Group.IDENTIFIER:
            length = 1
        elif length := _joinable(ahead):
            yield _joined(ahead[:length])
            position += length
            continue
        else:
            length = len(ahead)
        yield from ahead[:length]
        position += length


def _joinable(ahead: Sequence[Clause]) -> int:
    """Return how many of the words make one comparison; none: they make none."""
    second, third = ahead[1], ahead[2]
    if second.is_keyword("IN") and third.group is Group.LIST:
        return 3
    if second.is_keyword("IS") and third.is_keyword("NULL", "NOT NULL"):
        return 3
    negated = second.is_keyword("NOT") and third.is_keyword("IN")
    return 4 if negated and len(ahead) == 4 and ahead[3].group is Group.LIST else 0


def _joined(parts: Sequence[Clause]) -> Clause:
    text = " ".join(clause.text for clause in parts)
    if parts[1].is_keyword("IS"):
        return Clause(Group.COMPARISON, text, (parts[0], Clause(Group.OTHER, f"IS {parts[2].text.upper()}")))
    operator = "IN" if len(parts) == 3 else "NOT IN"
    return Clause(Group.COMPARISON, text, (parts[0], Clause(Group.OTHER, operator), parts[-1]))
