"""Documentation of refusals: the error classes that a view declares, by status, code and meaning.

The texts are the docstrings of the classes, the codes theirs, and the statuses those of ``problems``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import groupby
from typing import Any, TypeVar

from werkzeug.http import HTTP_STATUS_CODES

from registry.api.problems import MEDIA_TYPE
from registry.api.prose import markdown
from registry.api.schemas.problem import ProblemView
from registry.domain.errors import RegistryError
from registry.http.statuses import status_of

View = TypeVar("View", bound=Callable[..., Any])
Kind = type[RegistryError]
_REFUSALS, _NEVER = "__refusals__", "__never__"
_HEADERS = {
    401: {"WWW-Authenticate": {"description": "Always `Bearer`.", "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}},
    503: {
        "Retry-After": {
            "description": "Seconds to wait; absent where the request is not to be repeated unasked.",
            "schema": {"type": "integer"},
        }
    },
}
# What more than two operations share is a component; a longer list is different in almost every operation.
_SHARED_MOST = 2


def refuses(*kinds: Kind, never: Iterable[Kind] = ()) -> Callable[[View], View]:
    """Declare the refusals of a view besides those that every operation of its kind has, and which of these not."""

    def mark(view: View) -> View:
        excluded = {*getattr(view, _NEVER, ()), *never}
        setattr(view, _NEVER, excluded)
        setattr(view, _REFUSALS, tuple(kind for kind in (*declared(view), *kinds) if kind not in excluded))
        return view

    return mark


def declared(view: Callable[..., Any]) -> tuple[Kind, ...]:
    """Return the refusals that the view declares."""
    kinds: tuple[Kind, ...] = getattr(view, _REFUSALS, ())
    return kinds


def codes_of(view: Callable[..., Any]) -> frozenset[tuple[int, str]]:
    """Return (status, code) of each refusal that the view declares."""
    return frozenset((status_of(kind), kind.code) for kind in declared(view))


def responses(kinds: Iterable[Kind]) -> Mapping[int, str | Mapping[str, Any]]:
    """Return the responses of the document by status: the name of a shared one, or the response."""
    return {
        status: _joined_name(same) if len(same) <= _SHARED_MOST else _response(status, same)
        for status, same in _by_status(kinds).items()
    }


def shared(views: Iterable[Callable[..., Any]]) -> Mapping[str, Mapping[str, Any]]:
    """Return the shared responses of the *views* by name."""
    groups = ((status, same) for view in views for status, same in _by_status(declared(view)).items())
    return {_joined_name(same): _response(status, same) for status, same in groups if len(same) <= _SHARED_MOST}


def examples(views: Iterable[Callable[..., Any]]) -> Mapping[str, Mapping[str, Any]]:
    """Return a problem document for each code of the *views*."""
    kinds = {kind.code: kind for view in views for kind in declared(view)}
    return {code: _example(kind) for code, kind in sorted(kinds.items())}


def table(views: Iterable[Callable[..., Any]]) -> str:
    """Return all codes of the *views* with their statuses and meanings, as a Markdown table."""
    kinds = {kind.code: kind for view in views for kind in declared(view)}
    rows = sorted((status_of(kind), code, _meaning(kind)) for code, kind in kinds.items())
    lines = ["| status | code | meaning |", "|---|---|---|"]
    return "\n".join(lines + [f"| {status} | `{code}` | {meaning} |" for status, code, meaning in rows])


def _by_status(kinds: Iterable[Kind]) -> Mapping[int, Collection[Kind]]:
    """Return one class for each code, by status."""
    owners = {_owner(kind) for kind in kinds}
    ordered = sorted(owners, key=lambda kind: (status_of(kind), kind.code))
    return {status: tuple(same) for status, same in groupby(ordered, status_of)}


def _owner(kind: Kind) -> Kind:
    """Return the class that defines the code: subclasses that share it look the same on the wire."""
    return next(base for base in kind.__mro__ if "code" in vars(base))


def _response(status: int, kinds: Collection[Kind]) -> Mapping[str, Any]:
    meanings = "\n".join(f"- `{kind.code}`: {_meaning(kind)}" for kind in kinds)
    content = {
        "schema": ProblemView,
        "examples": {kind.code: {"$ref": f"#/components/examples/{kind.code}"} for kind in kinds},
    }
    response = {"description": f"{HTTP_STATUS_CODES[status]}.\n\n{meanings}", "content": {MEDIA_TYPE: content}}
    return response | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def _joined_name(kinds: Collection[Kind]) -> str:
    return "Or".join(kind.__name__ for kind in kinds)


def _meaning(kind: Kind) -> str:
    """Return the first paragraph of the docstring."""
    return markdown(_owner(kind)).partition("\n\n")[0].replace("\n", " ")


def _example(kind: Kind) -> Mapping[str, Any]:
    status = status_of(kind)
    document = {
        "type": "about:blank",
        "title": HTTP_STATUS_CODES[status],
        "status": status,
        "code": kind.code,
        "detail": _meaning(kind).replace("`", ""),
        "request_id": "4f9d2c1e8b7a4e55a0c6f1d23b9e8a70",
    }
    return {"summary": kind.code, "value": document}
