"""Read a request's arguments as MLflow's server does: from the query of a GET, else from one JSON object.

Unknown fields are ignored, ``null`` is absent, protobuf's camelCase spelling is taken.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import Request

from registry.domain.errors import Invalid
from registry.http import bodies, strict_json

SEE_DOCS = " See the API docs for more information about request parameters."
INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument. ``read`` turns what came into a value, or raises ValueError for another type."""

    read: Callable[[Any], Any]
    required: bool = False
    repeated: bool = False


def string(*, required: bool = False) -> Argument:
    return Argument(_string, required)


def strings() -> Argument:
    return Argument(_strings, repeated=True)


def boolean() -> Argument:
    return Argument(_boolean)


def integer() -> Argument:
    return Argument(_integer)


def tags() -> Argument:
    """Return ``[{"key", "value"}]`` as a mapping; of one key the last value counts."""
    return Argument(_parse_tags)


def documents(*, required: bool = False) -> Argument:
    """Return a list of JSON objects, as they are."""
    return Argument(_documents, required)


def read(request: Request, fields: Mapping[str, Argument]) -> dict[str, Any]:
    """Return the arguments that were given, by name. Raises Invalid with MLflow's text."""
    arguments = _query(request, fields) if request.method in {"GET", "HEAD"} else _parse_body(request)
    return {
        name: value for name, field in fields.items() if (value := _parse_value(arguments, name, field)) is not None
    }


def _query(request: Request, fields: Mapping[str, Argument]) -> dict[str, Any]:
    lists = {name: request.args.getlist(name) for name in request.args}
    for values in lists.values():
        for value in values:
            strict_json.check_text(value)
    return {name: lists[name] if field.repeated else lists[name][0] for name, field in fields.items() if name in lists}


def require_json(request: Request) -> None:
    """Raise Invalid, as MLflow does, for a body that is not declared as JSON, or is encoded."""
    if not bodies.is_json(request):
        raise Invalid.whole("Bad Request. Content-Type must be one of ['application/json'].")


def _parse_body(request: Request) -> dict[str, Any]:
    require_json(request)
    document: Any = None
    with suppress(ValueError, RecursionError):
        json.loads(bodies.read(request))  # what is no JSON at all counts as an empty object
        document = bodies.load(request)
    if isinstance(document, str):  # very old clients encode twice
        with suppress(ValueError, RecursionError):
            document = strict_json.loads(document.encode(), values=bodies.BODY_VALUES)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise Invalid.whole("The body must be one JSON object.")
    return document


def _parse_value(arguments: Mapping[str, Any], name: str, field: Argument) -> Any:
    camel = _camel(name)
    if camel != name and name in arguments and camel in arguments:
        raise Invalid.whole(f"Both '{name}' and '{camel}' are given; they are one parameter.")
    raw = arguments.get(name, arguments.get(camel))
    if raw is None or (field.required and raw == ""):
        if field.required:
            raise Invalid.whole(f"Missing value for required parameter '{name}'.{SEE_DOCS}")
        return None
    try:
        return field.read(raw)
    except ValueError as error:
        quoted = json.dumps(raw, sort_keys=True, separators=(",", ":"))[:1000]
        hint = f" Hint: Value was of type '{type(raw).__name__}'."
        text = f"Invalid value {quoted} for parameter '{name}' supplied: {hint}{SEE_DOCS}"
        raise Invalid.whole(text) from error


@functools.cache  # the names are those of the declared fields
def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _string(raw: Any) -> str:
    if not isinstance(raw, str):
        raise ValueError
    return raw


def _strings(raw: Any) -> list[str]:
    if not isinstance(raw, list):
        raise ValueError
    return [_string(item) for item in raw]


def _boolean(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise ValueError
    return raw


def _integer(raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int | str):
        raise ValueError
    number = int(raw)
    if not -INT64 <= number < INT64:
        raise ValueError
    return number


def _parse_tags(raw: Any) -> dict[str, str]:
    return {_tag_text(tag, "key"): _tag_text(tag, "value") for tag in _documents(raw)}


def _tag_text(tag: Mapping[str, Any], name: str) -> str:
    value = tag.get(name)
    return "" if value is None else _string(value)


def _documents(raw: Any) -> list[dict[str, Any]]:
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
        raise ValueError
    return raw
