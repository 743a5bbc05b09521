"""Translation of a filter's tree to SQL that means the same on SQLite and on PostgreSQL. Values are always bound.

Every part is true or false, never unknown, so that NOT is exact: a condition on an absent value is false.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, false, func, literal_column, not_, or_, true

from registry.db.base import Rows
from registry.domain.filters.terms import Absent, And, Condition, Key, Not, Operator, Or, Term, Value

# Values of tags are too long for an index: it holds their beginnings, in this expression and no other.
PREFIX = 64
_NUMBER_MOST = 2**31 - 1
_GLOB = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})
_LOWER = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})


@dataclass(frozen=True, slots=True)
class SearchDialect:
    """The expressions of one database for what both must mean."""

    name: str

    @property
    def postgresql(self) -> bool:
        return self.name == "postgresql"

    def like(self, column: Any, pattern: str) -> ColumnElement[bool]:
        """Return a case-sensitive LIKE with ``%`` and ``_`` only. SQLite's LIKE ignores case, its GLOB does not."""
        if self.postgresql:
            # By default a backslash escapes in PostgreSQL; in these filters it is an ordinary character.
            matched: ColumnElement[bool] = column.like(pattern, escape="")
        else:
            matched = column.op("GLOB", is_comparison=True)(pattern.translate(_GLOB))
        return matched

    def ilike(self, column: Any, pattern: str) -> ColumnElement[bool]:
        """Return LIKE that ignores the case of ASCII letters, as SQLite does and PostgreSQL in collation C."""
        if self.postgresql:
            return func.lower(self.bytewise(column)).like(pattern.translate(_LOWER), escape="")
        matched: ColumnElement[bool] = column.like(pattern)
        return matched

    def bytewise(self, column: Any) -> Any:
        """Return the text, ordered by code point."""
        return column.collate("C") if self.postgresql else column

    def milliseconds(self, column: Any) -> Any:
        """Return the instant in UTC without its microseconds, in a type of the database."""
        if self.postgresql:
            return func.date_trunc(literal_column("'milliseconds'"), func.timezone(literal_column("'UTC'"), column))
        return func.substr(column, literal_column("1"), literal_column("23"), type_=Text())


@dataclass(frozen=True, slots=True)
class Column:
    """A field that is a column of the rows searched."""

    expression: Any
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Related:
    """A field whose values are in other tables: the statement gives them for the row that is looked at.

    ``beginning`` is the part of a value that an index holds, where one does. ``joined``: the conditions under which
    the table of the values has one row at most for the row that is looked at, where an index has these rows in the
    order of the values.
    """

    statement: Rows
    value: Any
    beginning: Any = None
    joined: tuple[ColumnElement[bool], ...] = ()


def where(term: Term, find: Callable[[Key], Column | Related], dialect: SearchDialect) -> ColumnElement[bool]:
    """Return the condition of the whole tree; *find* returns where a key's values are."""
    match term:
        case And(parts):
            return and_(true(), *(where(part, find, dialect) for part in parts))
        case Or(parts):
            return or_(false(), *(where(part, find, dialect) for part in parts))
        case Not(part):
            return not_(where(part, find, dialect))
        case Absent(key):
            return _is_absent(find(key))
        case Condition(key, operator, value):
            return _holds(find(key), operator, value, dialect)


def _is_absent(place: Column | Related) -> ColumnElement[bool]:
    if isinstance(place, Related):
        return not_(place.statement.where(place.value.is_not(None)).exists())
    return place.expression.is_(None) if place.nullable else false()


def _holds(place: Column | Related, operator: Operator, value: Value, dialect: SearchDialect) -> ColumnElement[bool]:
    if isinstance(place, Column):
        condition = _compared(place.expression, operator, value, dialect)
        return and_(place.expression.is_not(None), condition) if place.nullable else condition
    if place.beginning is not None and operator in {Operator.EQ, Operator.IN}:
        test = _is_one_of(place, [str(one) for one in (value if isinstance(value, tuple) else (value,))])
    else:
        test = _compared(place.value, operator, value, dialect)
    return place.statement.where(test).exists()


def _is_one_of(place: Related, values: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that the value is one of *values*, so that the index of the beginnings can be used.

    A value shorter than its indexed part is compared once: PostgreSQL takes two conditions for independent, and with
    both it would expect the square of their selectivity.
    """
    short = [value for value in values if len(value) < PREFIX]
    long = [value for value in values if len(value) >= PREFIX]
    tests = [place.beginning.in_(short)] if short else []
    if long:
        tests.append(and_(place.beginning.in_([value[:PREFIX] for value in long]), place.value.in_(long)))
    return or_(*tests)


def _compared(column: Any, operator: Operator, value: Value, dialect: SearchDialect) -> ColumnElement[bool]:
    """Return one comparison with a column that has a value."""
    match operator:
        case Operator.IN | Operator.NOT_IN:
            condition = _among(column, value if isinstance(value, tuple) else (value,), dialect)
            return condition if operator is Operator.IN else not_(condition)
        case Operator.LIKE | Operator.NOT_LIKE:
            condition = dialect.like(column, str(value))
            return condition if operator is Operator.LIKE else not_(condition)
        case Operator.ILIKE | Operator.NOT_ILIKE:
            condition = dialect.ilike(column, str(value))
            return condition if operator is Operator.ILIKE else not_(condition)
    if type(value) is int and abs(value) > _NUMBER_MOST:
        return _beyond(operator, above=value > 0)
    return _PLAIN[operator](column, value)


def _among(column: Any, values: tuple[Any, ...], dialect: SearchDialect) -> ColumnElement[bool]:
    fitting = [value for value in values if type(value) is not int or abs(value) <= _NUMBER_MOST]
    return column.in_(fitting) if fitting else false()


def _beyond(operator: Operator, *, above: bool) -> ColumnElement[bool]:
    """Return the result of comparing a number with one that no column of it can hold."""
    if operator in {Operator.EQ, Operator.NE}:
        return true() if operator is Operator.NE else false()
    return true() if (operator in {Operator.LT, Operator.LE}) is above else false()


_PLAIN: dict[Operator, Callable[[Any, Any], ColumnElement[bool]]] = {
    Operator.EQ: lambda column, value: column == value,
    Operator.NE: lambda column, value: column != value,
    Operator.LT: lambda column, value: column < value,
    Operator.LE: lambda column, value: column <= value,
    Operator.GT: lambda column, value: column > value,
    Operator.GE: lambda column, value: column >= value,
}
