"""Sizes of a version's metadata, in the unit of the service's limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from json import JSONEncoder
from typing import Any

from registry.rules.dataclass_fields import field_names

FACTS_BYTES = 2**20  # all facts of a registration, without its files and tags
_OTHER = 8  # a number, or a comma and the quotes around a text
_json = JSONEncoder(ensure_ascii=False).encode


def escaped(text: str) -> int:
    """Return how many bytes *text* takes within the quotes of JSON."""
    return len(_json(text).encode("utf-8", "surrogatepass")) - 2


def octets(value: Any) -> int:
    """About how many bytes *value* takes as JSON; exact for its texts."""
    total, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        total += _OTHER
        if one is None:
            continue
        if isinstance(one, str):
            total += escaped(one)
        elif isinstance(one, Mapping):
            waiting += one.keys()
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
        elif is_dataclass(one):
            kind: type = type(one)
            waiting += [getattr(one, name) for name in field_names(kind)]
    return total
