"""Fixed statements: compiled once, then executed without SQLAlchemy's execution context and result.

The SQL text and the conversions of parameters and columns are SQLAlchemy's. For the statements of every request, of
which the execution through SQLAlchemy takes longer than the database does.
"""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

_PLACEHOLDER = re.compile(r"%(?:%|\((\w+)\)s)")


class _Text(NamedTuple):
    """A text as it is sent, and its parameters' order, conversions, and names for the elements of each list."""

    sql: str
    order: Sequence[str]
    elements: Mapping[str, Sequence[str]]
    converters: Mapping[str, Callable[[Any], Any]]


class FixedStatement:
    """A statement that is made once, as a constant or by a cached function, and then compiled once for each dialect."""

    def __init__(self, statement: Any, *, given: Sequence[str] | None = None) -> None:
        """*given* names the columns of an insert that takes its values when it is executed."""
        self._statement, self._given = statement, given
        self._compiled: dict[Dialect, CompiledStatement] = {}

    def compiled(self, dialect: Dialect) -> CompiledStatement:
        """Return the statement as compiled for *dialect*."""
        if (known := self._compiled.get(dialect)) is None:
            known = self._compiled[dialect] = CompiledStatement(self._statement, dialect, self._given)
        return known


class CompiledStatement:
    """A statement for one dialect."""

    def __init__(self, statement: Any, dialect: Dialect, given: Sequence[str] | None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=given)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 -- no statement of ours is DDL
        self._compiled = compiled
        # A value that must be given has a placeholder here, which the driver would send as a number.
        self._defaults = {name: value for name, value in compiled.params.items() if not compiled.binds[name].required}
        for column in (*compiled.insert_prefetch, *compiled.update_prefetch):  # it has a default of Python
            default: Any = column.default
            if default is None or not default.is_scalar:
                raise LookupError(f"the statement leaves out {column}, whose default has no fixed value")
            self._defaults[column.key] = default.arg
        self._converters = {
            name: convert
            for bind, name in compiled.bind_names.items()
            if (convert := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        # Parameters that take a list have a text for each padded length of it.
        self._lists = tuple(sorted(compiled.bind_names[bind] for bind in compiled.post_compile_params))
        self._texts: dict[tuple[int, ...], _Text] = {}
        self._dialect = dialect
        self._columns = tuple(getattr(statement, "exported_columns", ()))
        self._make: Callable[[Sequence[Any]], Any] | None = None
        self._from_row: Sequence[tuple[int, Callable[[Any], Any]]] = ()

    def bound(self, values: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
        """Return the SQL text, and the parameters for *values* in the order of their placeholders."""
        parameters = {**self._defaults, **values}
        for name in self._lists:
            parameters[name] = _padded(parameters[name])
        lengths = tuple(len(parameters[name]) for name in self._lists)
        if (text := self._texts.get(lengths)) is None:
            text = self._texts[lengths] = self._text(parameters)
        for name, elements in text.elements.items():
            parameters.update(zip(elements, parameters.pop(name), strict=True))
        for name, convert in text.converters.items():
            parameters[name] = convert(parameters[name])
        return text.sql, [parameters[name] for name in text.order]

    def _text(self, values: dict[str, Any]) -> _Text:
        compiled = self._compiled
        if not self._lists:
            return _Text(*_as_sent(compiled.string, compiled.positiontup), {}, self._converters)
        state = compiled.construct_expanded_state(values)
        order = state.positiontup
        whole = {name: convert for name, convert in self._converters.items() if name not in self._lists}
        converters: dict[str, Any] = whole | dict(state.processors)
        return _Text(*_as_sent(state.statement, order), dict(state.parameter_expansion), converters)

    def rows(self, fetched: Sequence[Any], types: Sequence[Any]) -> Sequence[Any]:
        """Return the rows that the driver *fetched* as named tuples of the columns' types; *types* are the driver's."""
        make = self._make or self._prepare(types)
        if not self._from_row:
            return [make(row) for row in fetched]
        converted = []
        for row in fetched:
            values = list(row)
            for index, convert in self._from_row:
                values[index] = convert(values[index])
            converted.append(make(values))
        return converted

    def _prepare(self, types: Sequence[Any]) -> Callable[[Sequence[Any]], Any]:
        """Choose the conversions of the rows: some depend on the types that the database returns."""
        processors = (
            column.type.dialect_impl(self._dialect).result_processor(self._dialect, type_)
            for column, type_ in zip(self._columns, types, strict=True)
        )
        self._from_row = [(index, convert) for index, convert in enumerate(processors) if convert is not None]
        names = [column.key or "" for column in self._columns]
        row = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # the statement has the names
        self._make = row._make
        return self._make


def _padded(values: Sequence[Any]) -> Sequence[Any]:
    """Return the values of an IN, the last one repeated up to a power of two: few lengths need few texts."""
    missing = (1 << (len(values) - 1).bit_length()) - len(values) if values else 0
    return [*values, *[values[-1]] * missing] if missing else values


def _numbered(text: str) -> tuple[str, Sequence[str]]:
    """Return a text with placeholders of psycopg as PostgreSQL takes it, and the names of the parameters in order."""
    names: dict[str, None] = {}

    def number(found: re.Match[str]) -> str:
        if (name := found[1]) is None:
            return "%"
        names.setdefault(name)
        return f"${list(names).index(name) + 1}"

    return _PLACEHOLDER.sub(number, text), tuple(names)


def _as_sent(text: str, order: Sequence[str] | None) -> tuple[str, Sequence[str]]:
    """Return the text that is sent, and the names of its parameters in their order."""
    return _numbered(text) if order is None else (text, order)
