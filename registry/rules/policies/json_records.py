"""Frozen dataclasses as JSON and back, exactly: JSON has no form for times and for numbers that are not finite."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from registry.rules.dataclass_fields import field_names

T = TypeVar("T")
_PLAIN = frozenset({str, int, bool, NoneType})
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def number_as_json(value: float) -> float | str:
    """Return the number, or the text that stands for one that is not finite."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def as_json(value: Any) -> Any:
    """Return a record, or what a field of one holds, as JSON. Times are RFC 3339 in UTC."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return number_as_json(value)
    if is_dataclass(kind):
        return {name: as_json(getattr(value, name)) for name in field_names(kind)}
    if isinstance(value, Mapping):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return number_as_json(value) if isinstance(value, float) else value


def of_json(kind: type[T], document: Any) -> T:
    """Return the record of *kind* that has this document. Raises ValueError for another form.

    A field that the document lacks has its default; a name that the record lacks is refused.
    """
    record: T = _of_type(kind, document, kind.__name__)
    return record


def _of_type(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind):
        return _decoded_record(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:  # only with None
        (other,) = (one for one in arguments if one is not NoneType)
        return None if value is None else _of_type(other, value, where)
    if origin is tuple:
        _require(isinstance(value, list), where, "a list")
        return tuple(_of_type(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is not None:
        _require(isinstance(value, dict), where, "an object")
        return {name: _of_type(arguments[1], item, f"{where}.{name}") for name, item in value.items()}
    if kind is datetime:
        return _time(value, where)
    if kind is float:
        if isinstance(value, str) and value in _NOT_FINITE:
            return _NOT_FINITE[value]
        _require(isinstance(value, int | float) and not isinstance(value, bool), where, "a number")
        return float(value)
    if kind is not Any:
        _require(isinstance(value, kind) and (kind is bool or not isinstance(value, bool)), where, kind.__name__)
    return value


def _decoded_record(kind: Any, value: Any, where: str) -> Any:
    _require(isinstance(value, dict), where, "an object")
    types = _types(kind)
    if unknown := sorted(map(str, value.keys() - types.keys())):
        raise ValueError(f"{where} has the unknown {unknown[0]!r}")
    try:
        return kind(**{name: _of_type(types[name], item, f"{where}.{name}") for name, item in value.items()})
    except TypeError as error:
        raise ValueError(f"{where} is not complete: {error}") from error


@functools.cache
def _types(kind: type) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {name: hints[name] for name in field_names(kind)}


def _time(value: Any, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{where} must be a time with an offset")
    return moment.astimezone(UTC)


def _require(is_right: bool, where: str, form: str) -> None:
    if not is_right:
        raise ValueError(f"{where} must be {form}")
