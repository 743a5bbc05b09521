"""The tree that a filter becomes, and the order that goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias


class Operator(StrEnum):
    """Comparison operator of a condition.

    LIKE has ``%`` and ``_`` and no escape; ILIKE ignores the case of ASCII letters.
    """

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    NOT_LIKE = "NOT LIKE"
    NOT_ILIKE = "NOT ILIKE"
    IN = "IN"
    NOT_IN = "NOT IN"


PATTERNS = {Operator.LIKE, Operator.ILIKE, Operator.NOT_LIKE, Operator.NOT_ILIKE}
# Looking for a pattern takes time by its length, and by how many %, for each character of the text.
MOST_PATTERN = 255
MOST_WILDCARDS = 8
MOST_VALUES = 1000  # of a list

Value: TypeAlias = str | int | float | datetime | tuple[str, ...] | tuple[int, ...] | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """Left side of a condition: a field, or with ``entry`` one named entry of a field, such as a tag.

    ``on`` is the digest of the dataset that a metric was measured on, and ``same`` has further digests of it; None for
    its latest value on any data. ``slice`` is the part of the data; empty for the whole data.
    """

    field: str
    entry: str | None = None
    on: str | None = None
    same: tuple[str, ...] = ()
    slice: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of the key's value; false when there is none, with any operator."""

    key: Key
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Absent:
    """Holds if the key has no value."""

    key: Key


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Term


Term: TypeAlias = Condition | Absent | And | Or | Not
EVERYTHING = And(())


@dataclass(frozen=True, slots=True)
class Order:
    """One key to sort by; what has no value for it comes last in either direction."""

    key: Key
    descending: bool = False


def conditions(term: Term) -> Iterator[Condition | Absent]:
    """Yield the leaves of a tree."""
    match term:
        case And(parts) | Or(parts):
            for part in parts:
                yield from conditions(part)
        case Not(part):
            yield from conditions(part)
        case _:
            yield term


def asserted(term: Term, *, holds: bool = True) -> Iterator[Condition]:
    """Yield the conditions that do not stand under NOT: what matches nothing there finds nothing."""
    match term:
        case And(parts) | Or(parts):
            for part in parts:
                yield from asserted(part, holds=holds)
        case Not(part):
            yield from asserted(part, holds=not holds)
        case Condition() if holds:
            yield term


def costly_pattern(term: Term) -> str | None:
    """Return why a pattern of the tree would cost too much in large texts; None if none does."""
    for one in conditions(term):
        if isinstance(one, Condition) and one.operator in PATTERNS and (pattern := str(one.value)):
            if len(pattern) > MOST_PATTERN:
                return (
                    f"the pattern {pattern[:20]!r}… has {len(pattern)} characters; at most {MOST_PATTERN} are allowed"
                )
            if (wildcards := pattern.count("%")) > MOST_WILDCARDS:
                return f"the pattern {pattern[:20]!r}… has {wildcards} wildcards %; {MOST_WILDCARDS} are allowed"
    return None


def required(term: Term, key: Key) -> Iterator[Value]:
    """Yield the values that the key must be equal to for the tree to be true."""
    match term:
        case And(parts):
            for part in parts:
                yield from required(part, key)
        case Condition(found, Operator.EQ, value) if found == key:
            yield value


def requires(term: Term, condition: Condition) -> bool:
    """Return whether the tree is true only where the condition holds."""
    match term:
        case And(parts):
            return any(requires(part, condition) for part in parts)
        case Or(parts):
            return bool(parts) and all(requires(part, condition) for part in parts)
    return term == condition


def without_required(term: Term, key: Key) -> Term:
    """Return the tree without the conditions whose values :func:`required` yields."""
    match term:
        case And(parts):
            return And(tuple(without_required(part, key) for part in parts))
        case Condition(found, Operator.EQ) if found == key:
            return EVERYTHING
    return term
