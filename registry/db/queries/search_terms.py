"""Translation of a filter's tree to SQL that means the same on SQLite and on PostgreSQL. Values are always bound.

Every part is true or false, never unknown, so that NOT is exact: a condition on an absent value is false.

Filters of one :func:`shape` have the same SQL: only the values that are bound differ.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Text, and_, bindparam, false, func, literal_column, not_, or_, true
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from registry.db.base import Rows
from registry.domain.filters.terms import Absent, And, Condition, Key, Not, Operator, Or, Term, conditions, requires

# Values of tags are too long for an index: it holds their beginnings, in this expression and no other.
PREFIX = 64
_NUMBER_MOST = 2**31 - 1
_GLOB = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})
_LOWER = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})


class Form(StrEnum):
    """What a condition compares, apart from the values."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    AMONG = "IN"
    BEGINNING = "IN, by the beginnings"
    NEVER = "false"


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition as the database is asked for it; ``values`` are bound, a list of them as one."""

    form: Form
    is_negated: bool = False
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchDialect:
    """The expressions of one database for what both must mean."""

    name: str

    @property
    def postgresql(self) -> bool:
        return self.name == "postgresql"

    def pattern(self, form: Form, pattern: str) -> str:
        """Return the pattern of a LIKE or ILIKE as :meth:`like` and :meth:`ilike` take it."""
        if form is Form.LIKE:
            return pattern if self.postgresql else pattern.translate(_GLOB)
        return pattern.translate(_LOWER) if self.postgresql else pattern

    def like(self, column: Any, pattern: Any) -> ColumnElement[bool]:
        """Return a case-sensitive LIKE with ``%`` and ``_`` only. SQLite's LIKE ignores case, its GLOB does not."""
        # By default a backslash escapes in PostgreSQL; in these filters it is an ordinary character.
        matched: ColumnElement[bool] = (
            column.like(pattern, escape="") if self.postgresql else column.op("GLOB", is_comparison=True)(pattern)
        )
        return matched

    def ilike(self, column: Any, pattern: Any) -> ColumnElement[bool]:
        """Return LIKE that ignores the case of ASCII letters, as SQLite does and PostgreSQL in collation C."""
        if self.postgresql:
            return func.lower(self.bytewise(column)).like(pattern, escape="")
        matched: ColumnElement[bool] = column.like(pattern)
        return matched

    def bytewise(self, column: Any) -> Any:
        """Return the text, ordered by code point."""
        return column.collate("C") if self.postgresql else column

    def unindexed(self, column: Any) -> Any:
        """Return the column so that SQLite, which has no statistics, chooses no index by it."""
        return column if self.postgresql else UnaryExpression(column, operator=custom_op("+"), type_=column.type)

    def rare(self, condition: ColumnElement[bool]) -> Any:
        """Return the condition as one that few rows meet, which SQLite, without statistics, cannot expect."""
        return condition if self.postgresql else func.likelihood(condition, literal_column("0.001"))

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
class Owners:
    """Rows that have values: ``key`` identifies a row that is searched, the statement returns keys, never NULL.

    An index must give the keys of those that have one value.
    """

    key: Any
    statement: Rows


@dataclass(frozen=True, slots=True)
class Related:
    """A field whose values are in other tables: the statement gives them for the row that is looked at.

    ``beginning`` is the part of a value that an index holds, where one does. ``compared`` is the value in conditions,
    where that is another expression. ``joined``: the conditions under which
    the table of the values has one row at most for the row that is looked at, where an index has these rows in the
    order of the values. ``owners``, where a value may be rare, selects the keys of all rows that have one.
    """

    statement: Rows
    value: Any
    beginning: Any = None
    compared: Any = None
    joined: tuple[ColumnElement[bool], ...] = ()
    owners: Owners | None = None


def shape(term: Term, is_indexed: Callable[[Key], bool], dialect: SearchDialect) -> tuple[Hashable, dict[str, Any]]:
    """Return what determines the SQL of the tree, and the values by the names of their parameters in it.

    *is_indexed*: whether an index has the beginnings of the key's values.
    """
    values: dict[str, Any] = {}
    names = parameter_names()

    def of(term: Term) -> Hashable:
        match term:
            case And(parts) | Or(parts):
                return (type(term), *map(of, parts))
            case Not(part):
                return (Not, of(part))
            case Absent():
                return term
            case Condition(key):
                predicate = predicate_of(term, is_indexed(key), dialect)
                values.update((next(names), value) for value in predicate.values)
                # Lists of another length have another text, too: so the statements that are kept bound the texts.
                kinds = [(len(one), *map(type, one[:1])) for one in map(_listed, predicate.values)]
                return (key, predicate.form, predicate.is_negated, *kinds)

    return of(term), values


def parameter_names() -> Iterator[str]:
    """Yield the names of the parameters of a tree, in the order of its leaves."""
    return (f"value_{number}" for number in itertools.count())


def where(
    term: Term,
    find: Callable[[Key], Column | Related],
    dialect: SearchDialect,
    names: Iterator[str],
    rare: Collection[str] = (),
) -> ColumnElement[bool]:
    """Return the condition of the whole tree; *find* returns where a key's values are.

    Its parameters have the next *names*, and by default the values of the tree. *rare* are
    the names of owned conditions that few rows meet: their keys are selected first.
    """
    match term:
        case And(parts):
            return and_(true(), *(where(part, find, dialect, names, rare) for part in parts))
        case Or(parts):
            return or_(false(), *(where(part, find, dialect, names, rare) for part in parts))
        case Not(part):
            return not_(where(part, find, dialect, names, rare))
        case Absent(key):
            return _is_absent(find(key))
        case Condition(key):
            place = find(key)
            predicate = predicate_of(term, isinstance(place, Related) and place.beginning is not None, dialect)
            values = [(next(names), value) for value in predicate.values]
            if rare and values and values[0][0] in rare and (keys := _owners(place, predicate, dialect, values)):
                selected: ColumnElement[bool] = keys[0].in_(keys[1])
                return selected
            return _holds(place, predicate, dialect, values)


class OwnedCondition(NamedTuple):
    """A condition whose rows an index gives: the name of its first parameter, and the keys of the rows that meet it.

    ``is_required``: the whole tree is true of such rows only.
    """

    name: str
    keys: Rows
    is_required: bool


def owned_conditions(
    term: Term, find: Callable[[Key], Column | Related], dialect: SearchDialect
) -> Iterator[OwnedCondition]:
    """Yield the conditions of a tree whose rows an index gives; the parameters are those of :func:`where`."""
    names = parameter_names()
    for condition in conditions(term):
        if isinstance(condition, Condition):
            place = find(condition.key)
            predicate = predicate_of(condition, isinstance(place, Related) and place.beginning is not None, dialect)
            values = [(next(names), value) for value in predicate.values]
            if keys := _owners(place, predicate, dialect, values):
                yield OwnedCondition(values[0][0], keys[1], requires(term, condition))


def _owners(
    place: Column | Related, predicate: Predicate, dialect: SearchDialect, values: Sequence[tuple[str, Any]]
) -> tuple[Any, Rows] | None:
    """Return the key, and the keys of the rows that meet the condition, where an index gives them."""
    if not isinstance(place, Related) or not place.owners or predicate.form not in _EQUAL or predicate.is_negated:
        return None
    return place.owners.key, place.owners.statement.where(_met_by(place, predicate, dialect, values))


def predicate_of(condition: Condition, is_indexed: bool, dialect: SearchDialect) -> Predicate:
    """Return the predicate of a condition on a value that exists."""
    operator, value = condition.operator, condition.value
    several = value if isinstance(value, tuple) else (value,)
    if is_indexed and operator in {Operator.EQ, Operator.IN}:
        texts = [str(one) for one in several]
        short = [text for text in texts if len(text) < PREFIX]
        long = [text for text in texts if len(text) >= PREFIX]
        return Predicate(Form.BEGINNING, values=(short, [text[:PREFIX] for text in long], long))
    if operator in {Operator.IN, Operator.NOT_IN}:
        fitting = [one for one in several if type(one) is not int or abs(one) <= _NUMBER_MOST]
        is_negated = operator is Operator.NOT_IN
        return Predicate(Form.AMONG, is_negated, (fitting,)) if fitting else Predicate(Form.NEVER, is_negated)
    if form := _PATTERNS.get(operator):
        return Predicate(
            form, operator in {Operator.NOT_LIKE, Operator.NOT_ILIKE}, (dialect.pattern(form, str(value)),)
        )
    if type(value) is int and abs(value) > _NUMBER_MOST:
        return Predicate(Form.NEVER, _beyond(operator, above=value > 0))
    return Predicate(Form(operator.value), values=(value,))


_PATTERNS = {Operator.LIKE: Form.LIKE, Operator.NOT_LIKE: Form.LIKE, Operator.ILIKE: Form.ILIKE,
             Operator.NOT_ILIKE: Form.ILIKE}  # fmt: skip


def _beyond(operator: Operator, *, above: bool) -> bool:
    """Return the result of comparing a number with one that no column of it can hold."""
    if operator in {Operator.EQ, Operator.NE}:
        return operator is Operator.NE
    return (operator in {Operator.LT, Operator.LE}) is above


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else (value,)


def parameter(name: str, value: Any, column: Any) -> BindParameter[Any]:
    """Return the parameter that is compared with *column*, of the type that SQLAlchemy gives a literal *value*."""
    listed = _listed(value)
    kind = column.type.coerce_compared_value(operators.eq, listed[0] if listed else None)
    return bindparam(name, value, type_=kind, expanding=isinstance(value, list))


def _is_absent(place: Column | Related) -> ColumnElement[bool]:
    if isinstance(place, Related):
        return not_(place.statement.where(place.value.is_not(None)).exists())
    return place.expression.is_(None) if place.nullable else false()


def _holds(
    place: Column | Related, predicate: Predicate, dialect: SearchDialect, values: Sequence[tuple[str, Any]]
) -> ColumnElement[bool]:
    if isinstance(place, Related):
        return place.statement.where(_met_by(place, predicate, dialect, values)).exists()
    condition = _compared(place.expression, None, predicate, dialect, values)
    return and_(place.expression.is_not(None), condition) if place.nullable else condition


def _met_by(
    place: Related, predicate: Predicate, dialect: SearchDialect, values: Sequence[tuple[str, Any]]
) -> ColumnElement[bool]:
    value = place.value if place.compared is None else place.compared
    return _compared(value, place.beginning, predicate, dialect, values)


def _compared(
    column: Any, beginning: Any, predicate: Predicate, dialect: SearchDialect, values: Sequence[tuple[str, Any]]
) -> ColumnElement[bool]:
    """Return one comparison with a column that has a value."""
    if predicate.form is Form.NEVER:
        return true() if predicate.is_negated else false()
    if predicate.form is Form.BEGINNING:
        return _is_one_of(column, beginning, values)
    (value,) = (parameter(name, value, column) for name, value in values)
    match predicate.form:
        case Form.AMONG:
            condition: ColumnElement[bool] = column.in_(value)
        case Form.LIKE:
            condition = dialect.like(column, value)
        case Form.ILIKE:
            condition = dialect.ilike(column, value)
        case _:
            return _PLAIN[predicate.form](column, value)
    return not_(condition) if predicate.is_negated else condition


def _is_one_of(column: Any, beginning: Any, values: Sequence[tuple[str, Any]]) -> ColumnElement[bool]:
    """Return the condition that the value is one of several, so that the index of the beginnings can be used.

    A value shorter than its indexed part is compared once: PostgreSQL takes two conditions for independent, and with
    both it would expect the square of their selectivity.
    """
    short, begins, long = values
    parts = [beginning.in_(parameter(*short, beginning))] if short[1] else []
    if long[1]:
        parts.append(and_(beginning.in_(parameter(*begins, beginning)), column.in_(parameter(*long, column))))
    return or_(*parts)


_EQUAL = {Form.EQ, Form.AMONG, Form.BEGINNING}
_PLAIN: dict[Form, Callable[[Any, Any], ColumnElement[bool]]] = {
    Form.EQ: operators.eq,
    Form.NE: operators.ne,
    Form.LT: operators.lt,
    Form.LE: operators.le,
    Form.GT: operators.gt,
    Form.GE: operators.ge,
}
