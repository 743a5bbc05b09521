"""Request bodies from keyword arguments, where "not given" and "none" are different words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeVar

from registry.client.values import require_mapping, texts

T = TypeVar("T")


class Unset(Enum):
    """The type of UNSET: an argument that was not given, where None is a value."""

    UNSET = "unset"


UNSET = Unset.UNSET

Expected = int | None | Unset
"""The holder that the caller saw: a version's number, None for no holder, UNSET to not compare."""


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are neither None nor UNSET."""
    return {name: value for name, value in fields.items() if value is not None and value is not UNSET}


def several(values: Iterable[T], name: str) -> list[T]:
    """Return the values of the argument *name*. Raises ValueError for one text or path in place of a list."""
    if isinstance(values, str | bytes | PurePath):
        raise ValueError(f"{name} is a list: write {name}=[{values!r}]")
    return list(values)


def comma_separated(names: Iterable[str] | None) -> str | None:
    """Return the names of fields as the query of a list has them. Raises ValueError for one text, or no name."""
    if names is None:
        return None
    listed = several(names, "fields")
    if not listed:
        raise ValueError("fields names one field at least; leave it out for all")
    return ",".join(listed)


def expecting(current: Expected, **fields: Any) -> dict[str, Any]:
    """Return the given fields, with ``expected_current`` unless it is UNSET; None is sent: no version."""
    body = given(**fields)
    if not isinstance(current, Unset):
        body["expected_current"] = current
    return body


def labels(tags: Mapping[str, Any] | None) -> dict[str, str | None] | None:
    """Return tags as texts, with None for those to remove."""
    if tags is None:
        return None
    require_mapping(tags, "tags")
    kept = texts({key: value for key, value in tags.items() if value is not None}, "tag")
    return {key: kept.get(key) for key in tags}
