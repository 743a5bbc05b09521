"""Events of OpenLineage, read strictly by the classes that openlineage-python generates from the published schemas."""

from __future__ import annotations

import importlib
import pkgutil
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import attr
from openlineage.client import generated
from openlineage.client.generated import base

from tests.support.document_validators import conforms

_MODULES = [base, *(importlib.import_module(f"{generated.__name__}.{one.name}")
                    for one in pkgutil.iter_modules(generated.__path__))]  # fmt: skip
_KINDS = {
    value._get_schema(): value
    for module in _MODULES
    for value in vars(module).values()
    if isinstance(value, type) and attr.has(value) and hasattr(value, "_get_schema")
}
_URIS = frozenset({"producer", "schemaURL", "_producer", "_schemaURL", "uri", "url"})


def event(document: Mapping[str, Any]) -> Any:
    """Return the event of a document.

    Raises ValueError for a field that the specification does not know, for a value of another type or format, and
    KeyError for a facet or an event of another schema.
    """
    return _read(_KINDS[document["schemaURL"]], document, "event")


def _read(kind: Any, value: Any, where: str) -> Any:
    if attr.has(kind):
        return _read_object(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        (kind,) = (one for one in arguments if one is not type(None))
        return _read(kind, value, where)
    if origin is list and isinstance(value, list):
        return [_read(arguments[0], one, f"{where}[{place}]") for place, one in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {name: _read(_facet(arguments[1], one, where), one, f"{where}.{name}") for name, one in value.items()}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if type(value) is not kind:
        raise ValueError(f"{where} is {value!r}, not {kind}")
    return value


def _facet(base_kind: type, value: Mapping[str, Any], where: str) -> type:
    kind = _KINDS[value["_schemaURL"]]
    if not issubclass(kind, base_kind):
        raise ValueError(f"{where} has a facet of {kind.__name__}, not {base_kind.__name__}")
    return kind


def _read_object(kind: Any, value: Any, where: str) -> Any:
    fields = {one.name: one for one in attr.fields(kind)}
    is_open = kind in base.BaseFacet.__subclasses__()  # a facet of the sender's own
    unknown = value.keys() - fields.keys()
    if unknown and not is_open:
        raise ValueError(f"{where} has {sorted(unknown)}")
    for name in _URIS & fields.keys() & value.keys():
        if not conforms(value[name], "uri"):
            raise ValueError(f"{where}.{name} is {value[name]!r}, which is no URI")
    hints = typing.get_type_hints(kind)
    known = {name: _read(hints[name], value[name], f"{where}.{name}") for name in fields.keys() & value.keys()}
    return kind(**{name.lstrip("_"): one for name, one in known.items() if fields[name].init})


def facets(document: Any) -> Iterator[str]:
    """Yield the names of all facets of a document, for a test of what it has."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from value if name in {"facets", "inputFacets", "outputFacets"} else ()
            yield from facets(value)
    elif isinstance(document, list):
        for one in document:
            yield from facets(one)
