"""Texts that are None while they are unknown, and how the database stores that.

Releases before 0025 store "" for an unknown text and misread NULL, and they serve next to this release during an
upgrade. So this release stores "" as well. It reads "" and NULL alike: the next release stores NULL, next to this one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Dialect, String, Text, TypeDecorator, func
from sqlalchemy.orm import InstrumentedAttribute


class UnknownString(TypeDecorator[str]):
    """A text, or None while it is unknown. In SQL, :func:`is_known` has the condition; ``IS NULL`` misses the "".

    Without ``process_bind_param`` unknown texts are stored as NULL.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str:
        return value or ""

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return value or None


class UnknownText(UnknownString):
    """An ``UnknownString`` without a greatest length."""

    impl = Text
    cache_ok = True


def is_known(column: InstrumentedAttribute[str | None]) -> ColumnElement[bool]:
    """Return the condition that a column of one of these types has a text."""
    text: ColumnElement[Any] = func.nullif(column, "")
    return text.is_not(None)
