"""Distinct values of an indexed column that begin with a text: one look-up in the index for each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Integer, bindparam, func, literal_column, select

from registry.db.fixed_statements import FixedStatement

# Some collations sort other values between those that begin alike: so many values are looked at, not only the first.
_STEPS = 40


def distinct(column: Any, *among: ColumnElement[bool]) -> FixedStatement:
    """Select at most ``limit`` values of the rows *among*, that begin with ``begin``, in the order of the index.

    The parameter ``length`` is that of ``begin``.
    """

    def least(condition: ColumnElement[bool]) -> Any:
        return select(func.min(column)).where(*among, condition).scalar_subquery()

    begin = bindparam("begin", type_=column.type)
    first = select(least(column >= begin).label("value"), literal_column("1").label("step"))
    steps = first.cte("steps", recursive=True)
    value, step = steps.c.value, steps.c.step
    following = select(least(column > value), step + literal_column("1"))
    steps = steps.union_all(following.where(value.is_not(None), step < literal_column(str(_STEPS))))
    head = func.substr(steps.c.value, literal_column("1"), bindparam("length", type_=Integer()))
    return FixedStatement(select(steps.c.value).where(head == begin).limit(bindparam("limit", type_=Integer())))
