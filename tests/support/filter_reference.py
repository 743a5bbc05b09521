"""What a filter means, told over plain values in Python: what both databases have to agree with."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.domain.filters.terms import Absent, And, Condition, Key, Not, Operator, Or, Order, Term


def _like(value: str, pattern: str) -> bool:
    parts = (".*" if one == "%" else "." if one == "_" else re.escape(one) for one in pattern)
    return re.fullmatch("".join(parts), value, re.DOTALL) is not None


_LOWER = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})
_COMPARED: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.IN: lambda value, wanted: value in wanted,
    Operator.NOT_IN: lambda value, wanted: value not in wanted,
    Operator.LIKE: _like,
    Operator.NOT_LIKE: lambda value, pattern: not _like(value, pattern),
    Operator.ILIKE: lambda value, pattern: _like(value.translate(_LOWER), pattern.translate(_LOWER)),
    Operator.NOT_ILIKE: lambda value, pattern: not _like(value.translate(_LOWER), pattern.translate(_LOWER)),
}


@dataclass(frozen=True)
class Thing:
    """Something to be found: its values by key, each a list; ``serial`` is the order in which things were made."""

    label: str
    serial: int
    values: Mapping[Key, Sequence[Any]]


def holds(term: Term, thing: Thing) -> bool:
    match term:
        case And(parts):
            return all(holds(part, thing) for part in parts)
        case Or(parts):
            return any(holds(part, thing) for part in parts)
        case Not(part):
            return not holds(part, thing)
        case Absent(key):
            return not thing.values.get(key)
        case Condition(key, operator, value):
            held = thing.values.get(key, ())
            return any(_COMPARED[operator](one, value) for one in held)


def ordered(things: Iterable[Thing], order: Sequence[Order]) -> list[Thing]:
    """Sorted by the keys, what has no value last; what is equal in the order of making, or against it."""
    newest = bool(order) and order[0].descending
    found = sorted(things, key=lambda thing: thing.serial, reverse=newest)
    for one in reversed(order):
        values = {id(thing): thing.values.get(one.key, ()) for thing in found}
        having = [thing for thing in found if values[id(thing)]]
        missing = [thing for thing in found if not values[id(thing)]]
        # A stable sort that is reversed keeps equals in their order only if they are reversed before.
        having = having[::-1] if one.descending else having
        having.sort(key=lambda thing: values[id(thing)][0])
        found = (having[::-1] if one.descending else having) + missing
    return found
