"""Fixed statements: compiled once, then executed without SQLAlchemy's execution context and result.

The SQL text and the conversions of parameters and columns are SQLAlchemy's. For the statements of every request, of
which the execution through SQLAlchemy takes longer than the database does.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.sql.compiler import SQLCompiler


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
        self._expanding = compiled if compiled.post_compile_params else None
        self._text, self._order = compiled.string, compiled.positiontup
        # A value that must be given has a placeholder here, which the driver would send as a number.
        self._defaults = {name: value for name, value in compiled.params.items() if not compiled.binds[name].required}
        for column in (*compiled.insert_prefetch, *compiled.update_prefetch):  # it has a default of Python
            default: Any = column.default
            if default is None or not default.is_scalar:
                raise LookupError(f"the statement leaves out {column}, whose default has no fixed value")
            self._defaults[column.key] = default.arg
        self._converters = {
            name: convert
            for name, bind in compiled.binds.items()
            if (convert := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        self._dialect = dialect
        self._columns = tuple(getattr(statement, "exported_columns", ()))
        self._make: Callable[[Sequence[Any]], Any] | None = None
        self._from_row: Sequence[tuple[int, Callable[[Any], Any]]] = ()

    def bound(self, values: Mapping[str, Any]) -> tuple[str, Any]:
        """Return the SQL text and the parameters for *values*, as the driver takes them."""
        if self._expanding is not None:  # a list of values: each length has its own text
            state = self._expanding.construct_expanded_state(dict(values))
            parameters = dict(state.parameters)
            for name, convert in {**self._converters, **state.processors}.items():
                if name in parameters:
                    parameters[name] = convert(parameters[name])
            order = state.positiontup
            return state.statement, parameters if order is None else [parameters[name] for name in order]
        parameters = {**self._defaults, **values}
        for name, convert in self._converters.items():
            parameters[name] = convert(parameters[name])
        return self._text, parameters if self._order is None else [parameters[name] for name in self._order]

    def rows(self, cursor: Any) -> Sequence[Any]:
        """Return the rows of the driver's *cursor* as named tuples of the columns' types."""
        fetched = cursor.fetchall()
        make = self._make or self._prepare(cursor.description)
        if not self._from_row:
            return [make(row) for row in fetched]
        converted = []
        for row in fetched:
            values = list(row)
            for index, convert in self._from_row:
                values[index] = convert(values[index])
            converted.append(make(values))
        return converted

    def _prepare(self, description: Sequence[Sequence[Any]]) -> Callable[[Sequence[Any]], Any]:
        """Choose the conversions of the rows: some depend on the types that the database returns."""
        processors = (
            column.type.dialect_impl(self._dialect).result_processor(self._dialect, described[1])
            for column, described in zip(self._columns, description, strict=True)
        )
        self._from_row = [(index, convert) for index, convert in enumerate(processors) if convert is not None]
        names = [column.key or "" for column in self._columns]
        row = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # the statement has the names
        self._make = row._make
        return self._make
