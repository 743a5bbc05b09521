"""Columns of a version's signature, in MLflow's form or in any other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from registry.rules.json_values import can_be_stored

PARTS = ("inputs", "outputs", "params")


class SignatureColumn(NamedTuple):
    """A column of a part (``inputs``, ``outputs``, ``params``) and its type; ``part`` is "" in other forms."""

    part: str
    name: str
    kind: str


def columns(signature: Mapping[str, Any]) -> Iterator[SignatureColumn]:
    """Yield the columns of each part in their order; of a signature in another form, its entries as JSON.

    Columns without a name are numbered from 0, and a name that repeats has its place after it.
    """
    for part, value in signature.items():
        described = _parsed(value)
        if part in PARTS and isinstance(described, list) and all(isinstance(one, Mapping) for one in described):
            yield from _columns_of(part, described)
        else:
            yield SignatureColumn("", str(part), value if isinstance(value, str) else _compact(value))


def _columns_of(part: str, described: Sequence[Mapping[str, Any]]) -> Iterator[SignatureColumn]:
    used: set[str] = set()
    for place, one in enumerate(described):
        name = one.get("name")
        name = name if isinstance(name, str) and name else f"{place}"
        if name in used:
            name = f"{name} ({place})"
        used.add(name)
        yield SignatureColumn(part, name, _type_text(one))


def _type_text(column: Mapping[str, Any]) -> str:
    """Return the type of a column or a tensor: ``double``, ``tensor float64[-1,3]``, ``string, optional``."""
    others = {key: value for key, value in column.items() if key not in {"name", "type", "required", "tensor-spec"}}
    kind, tensor = column.get("type"), column.get("tensor-spec")
    text = kind if isinstance(kind, str) else _compact(kind)
    if isinstance(tensor, Mapping):
        text += f" {tensor.get('dtype')}{_compact(tensor.get('shape'))}"
    if others:
        text += f" {_compact(others)}"
    return text if column.get("required") in (None, True) else f"{text}, optional"


def _parsed(value: Any) -> Any:
    """Return the list that a text of MLflow holds; any other value as it is."""
    if not isinstance(value, str):
        return value
    try:
        document = json.loads(value)
        return document if can_be_stored(document) else value  # an escape may be half of a surrogate pair
    except (ValueError, RecursionError):
        return value


def _compact(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except RecursionError:
        return "…"
