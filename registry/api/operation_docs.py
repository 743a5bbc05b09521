"""The documentation of an operation, as the decorators of its view imply it.

The decorators record their arguments on the view. flask-smorest's decorators of the same names are applied to a stub
when the OpenAPI document is generated: they put no function around a view that serves requests.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marshmallow import Schema

from registry.api import refusal_docs
from registry.api.prose import markdown
from registry.domain import errors
from registry.http import receipts
from registry.http.access import WRITES, permission_of
from registry.http.database_position import is_replicable
from registry.rules.database_positions import HEADER

if TYPE_CHECKING:
    import flask_smorest

View = Callable[..., Any]
_RECORDS = "__records__"
# What every operation can refuse, and those that read a body, write, or take a condition.
ALWAYS = (errors.Malformed, errors.Unauthenticated, errors.Forbidden, errors.Invalid, errors.RateLimited,
          errors.Unavailable)  # fmt: skip
OF_BODIES = (errors.BodyTimeout, errors.TooLarge)
OF_WRITES = (*OF_BODIES, errors.Conflict, errors.IdempotencyMismatch, errors.ClockImplausible)
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Visible ASCII, new for each new request. Repeating a request with its key gives the first reply to "
    "a caller who holds the permissions that it needed.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
}
PREFER = {
    "name": receipts.PREFER,
    "in": "header",
    "required": False,
    "description": "`wait=N` (RFC 7240): send the response when the audit entry of the request is sealed, or after N "
    f"seconds, {receipts.MOST_SECONDS} at most. When too many requests wait, it is sent at once.",
    "schema": {"type": "string"},
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag that came with the resource: refuses (412) when it has changed since.",
    "schema": {"type": "string", "pattern": '^("[a-z][0-9]{1,18}(-[a-z]+)*"|\\*)$'},
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of the copy that the client has: 304 when it has not changed since.",
    "schema": {"type": "string"},
}
ETAG = {"ETag": {"description": "The state of the resource, for If-Match and If-None-Match.",
                 "schema": {"type": "string"}}}  # fmt: skip
UNCHANGED = {"description": "The copy that If-None-Match names is up to date.", "headers": ETAG}
LOCATION = {"Location": {"description": "The path of the resource.", "schema": {"type": "string"}}}
REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true` where an earlier request with the same Idempotency-Key was done. The response "
        "shows what it wrote, as it is now.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
RECEIPT = {
    receipts.HEADER: {
        "description": "The audit entry that the request appended: its id, the hash of its leaf in the sealed log and, "
        "after a wait, its position there. Absent where nothing was appended.",
        "schema": {"type": "string", "pattern": "^[0-9a-f-]{36}; leaf=[0-9a-f]{64}(; position=[0-9]+)?$"},
    },
    receipts.APPLIED: {
        "description": "`wait=N` where the request has waited for its entry, N seconds at most.",
        "schema": {"type": "string"},
    },
}
AFTER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "What the latest write of the client returned under this name: the response shows at least that "
    "state, also where a read replica answers.",
    "schema": {"type": "string"},
}
WRITTEN = {
    HEADER: {
        "description": "The position of the database after the request, where there is a read replica. Send it with "
        "later reads.",
        "schema": {"type": "string"},
    }
}
# By the name in the address: what it is, and an example.
PATH_PARAMETERS: Mapping[str, tuple[str, Any]] = {
    "model": ("The name of the model.", "fraud"),
    "number": ("The number of the version.", 2),
    "other": ("The number of the version that is compared with it.", 1),
    "digest": ("The digest of the policy.", f"sha256:{'0' * 64}"),
    "edge": ("The id of the edge of the lineage.", 1),
    "hold": ("The id of the hold.", 4),
    "alias": ("The name of the alias.", "champion"),
    "stage": ("The stage.", "production"),
    "path": ("The path of the file in the version.", "model.bin"),
    "upload": ("The id of the upload.", "0b7c1f7e-4d3a-4c52-9a55-2f1d6a8c9e10"),
    "import_id": ("The id of the import.", "0b7c1f7e-4d3a-4c52-9a55-2f1d6a8c9e10"),
    "job_id": ("The id of the job.", "0b7c1f7e-4d3a-4c52-9a55-2f1d6a8c9e10"),
    "token": ("The id of the token, which is no secret.", "4fTq81LmZc0X"),
    "entry": ("The id of the audit entry.", "35a3bd7f-7aa4-4a9b-8cae-26643292bc1f"),
    "request": ("The id of the request.", "0d0ce5ab-3a6c-4c8e-9d10-62a6a1f0b6c4"),
    "tile": (
        "The path of the tile: its level, or `entries`, and its number; `.p/` and a width for a partial one.",
        "0/000.p/17",
    ),
}
_ARGUMENT = re.compile(r"<(?:[^<>]*:)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Record:
    """One of flask-smorest's decorators, by its name, and the arguments that it is called with."""

    decorator: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """A view and the address that it serves; the decorators of the view have left their records on it."""

    rule: str
    methods: tuple[str, ...]
    view: View


def recorded(decorator: str, *args: Any, **kwargs: Any) -> Callable[[View], View]:
    """Return a decorator that notes on a view how flask-smorest's *decorator* is to document it."""
    record = Record(decorator, args, kwargs)

    def note(view: View) -> View:
        setattr(view, _RECORDS, (*records(view), record))
        return view

    return note


def document(blueprint: flask_smorest.Blueprint, operation: Operation) -> None:
    """Add the documentation of *operation* to flask-smorest's *blueprint*, with a stub in the place of its view."""

    def stub() -> None:
        """Carry the documentation."""

    stub.__name__, stub.__doc__ = operation.view.__name__, operation.view.__doc__
    for record in records(operation.view):
        stub = getattr(blueprint, record.decorator)(*record.args, **record.kwargs)(stub)
    stub = blueprint.doc(**_implied(operation))(stub)
    parameters = _path_parameters(f"{blueprint.url_prefix}{operation.rule}")
    blueprint.route(operation.rule, parameters=parameters, methods=operation.methods)(stub)


def _path_parameters(rule: str) -> list[dict[str, Any]]:
    """Return what is documented of the parts of an address. Raises KeyError for a part that is not described."""
    named = ((name, *PATH_PARAMETERS[name]) for name in _ARGUMENT.findall(rule))
    return [{"in": "path", "name": name, "description": text, "example": value} for name, text, value in named]


def refusals(rule: str, methods: Collection[str], view: View) -> Sequence[refusal_docs.Kind]:
    """Return what an operation can refuse without a declaration."""
    return (
        *ALWAYS,
        *((errors.NotFound,) if "<" in rule else ()),
        *((errors.NotJson,) if takes_body(view) else ()),
        *(OF_WRITES if writes(methods, view) else OF_BODIES if takes_body(view) else ()),
        *((errors.PreconditionFailed,) if _takes_conditions(methods, view) else ()),
    )


def _headers(operation: Operation) -> list[dict[str, Any]]:
    """Return the headers that a request can have."""
    is_write = writes(operation.methods, operation.view)
    keys = [IDEMPOTENCY_KEY, PREFER] if is_write else []
    conditions = [IF_MATCH] if is_write else [IF_MATCH, IF_NONE_MATCH]
    after = [AFTER] if is_replicable(operation.view) else []
    return keys + (conditions if _takes_conditions(operation.methods, operation.view) else []) + after


def _queries(view: View) -> list[dict[str, Any]]:
    """Return the query parameters of the view: the list of all parameters replaces that of flask-smorest."""
    schemas = [record.args[0] for record in records(view, "arguments") if record.kwargs["location"] == "query"]
    return [{"in": "query", "required": True, "schema": schema} for schema in schemas]


def _implied(operation: Operation) -> dict[str, Any]:
    """Return the documentation of an operation, besides its body and its successful responses."""
    view = operation.view
    is_write = writes(operation.methods, view)
    responses = dict(refusal_docs.responses(refusal_docs.declared(view)))
    if is_write:
        responses |= {status: {"headers": REPLAYED | RECEIPT | WRITTEN} for status in _success_codes(view)}
    elif _takes_conditions(operation.methods, view):
        responses[304] = UNCHANGED
    permission = str(permission_of(view))
    more = inspect.cleandoc(view.__doc__ or "").partition("\n\n")[2]
    implied: dict[str, Any] = {
        "operationId": view.__name__,
        "description": "\n\n".join(filter(None, [more, f"Needs the permission `{permission}`."])),
        "security": [{"token": [permission]}],
        "responses": responses,
    }
    parameters = _queries(view) + _headers(operation)
    if not parameters and records(view, "arguments"):
        return implied  # it takes a body only
    return implied | {"parameters": parameters}


def summary_of(schema: type[Schema] | Schema | None) -> str | None:
    """Return the first paragraph of the docstring of a view: what a response is."""
    if schema is None:
        return None
    return markdown(schema if isinstance(schema, type) else type(schema)).partition("\n\n")[0] or None


def conditional(view: View) -> View:
    """Let the write take If-Match: its record has a version, and the ETag that came with it still has to be its own."""
    view.__conditional__ = True  # type: ignore[attr-defined]  # a mark, read by is_conditional
    return view


def is_conditional(view: View) -> bool:
    """Return whether the view takes If-Match."""
    return hasattr(view, "__conditional__")


def reads(view: View) -> View:
    """Declare that the view changes nothing although it takes a body: an Idempotency-Key has no effect there."""
    view.__reads__ = True  # type: ignore[attr-defined]  # a mark, read by is_read
    return view


def is_read(view: View) -> bool:
    """Return whether the view changes nothing although it takes a body."""
    return hasattr(view, "__reads__")


def writes(methods: Collection[str], view: View) -> bool:
    """Return whether the view changes something."""
    return bool(WRITES.intersection(methods)) and not is_read(view)


def _takes_conditions(methods: Collection[str], view: View) -> bool:
    """Return whether If-Match is looked at: in writes that declare it, and in reads whose response has an ETag."""
    if writes(methods, view):
        return is_conditional(view)
    return any("ETag" in (record.kwargs.get("headers") or {}) for record in _responses(view))


def takes_body(view: View) -> bool:
    """Return whether the view reads a JSON body."""
    return any(record.kwargs["location"] == "json" for record in records(view, "arguments"))


def takes_query(view: View) -> bool:
    """Return whether the view reads a query."""
    return any(record.kwargs["location"] == "query" for record in records(view, "arguments"))


def _success_codes(view: View) -> list[int]:
    return [
        record.args[0] for record in _responses(view)
        if record.decorator == "response" or record.kwargs.get("success")
    ]  # fmt: skip


def _responses(view: View) -> list[Record]:
    return [*records(view, "response"), *records(view, "alt_response")]


def records(view: View, decorator: str | None = None) -> tuple[Record, ...]:
    """Return what the decorators of the view have noted on it, the innermost first; only of *decorator* if given."""
    records: tuple[Record, ...] = getattr(view, _RECORDS, ())
    return records if decorator is None else tuple(one for one in records if one.decorator == decorator)
