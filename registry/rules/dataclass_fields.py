"""The names of a dataclass's fields, looked up once for each class."""

from __future__ import annotations

import functools
from dataclasses import fields


@functools.cache
def field_names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
