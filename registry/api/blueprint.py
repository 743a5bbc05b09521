"""The blueprint of the API: strict bodies, documented refusals, idempotent writes, ETags."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NoReturn

import flask
from flask import Request, Response, request
from marshmallow import Schema, ValidationError, fields
from webargs.flaskparser import FlaskParser

from registry.api import operation_docs, replies
from registry.api.dumping import compiled
from registry.api.operation_docs import Operation, is_conditional, recorded, takes_query
from registry.api.refusal_docs import refuses
from registry.api.replies import Recall, Reply
from registry.db.retry import persistently
from registry.domain.errors import Invalid, Malformed, NotJson
from registry.http import bodies
from registry.http.access import WRITES
from registry.http.context import current_request, etag
from registry.http.database_position import is_replicable
from registry.rules.suggestions import hint, nearest

View = Callable[..., Any]
Decorator = Callable[[View], View]


class Parser(FlaskParser):
    """webargs with ``strict_json`` bodies, whose mistakes are domain errors."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012 -- webargs declares it so
        "json": None,
        "query": None,
    }  # the schema's own: RAISE

    def get_default_request(self) -> Request:
        """Return the request itself, not Flask's proxy for it."""
        return current_request()

    def load_json(self, req: Request, schema: Schema) -> Any:
        if not bodies.is_json(req):
            raise NotJson("send the body as Content-Type: application/json, not encoded")
        return bodies.load(req, incidental=getattr(schema, "INCIDENTAL", frozenset()))

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        fields_by_name = {field.data_key or name: field for name, field in schema.fields.items()}
        known, lists = sorted(fields_by_name), set[str]()
        for name, values in req.args.lists():
            if name not in known:
                text = f"is not a query parameter here; those are {', '.join(known)}"
                raise Invalid.field(name[:64], text + hint(nearest(name, known)))
            if isinstance(fields_by_name[name], fields.List):
                lists.add(name)
            elif len(values) > 1:
                raise Invalid.field(name, "is given more than once")
        return {**req.args.to_dict(), **{name: req.args.getlist(name) for name in lists}}

    def handle_error(self, error: ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        messages = error.messages_dict
        errors = next(iter(messages.values())) if set(messages) <= {"json", "query"} else messages
        if isinstance(errors, list):
            errors = {"_schema": errors}
        raise Invalid(f"the request breaks a rule: {_first_text(errors)}", errors=errors)


PARSER = Parser()


class Blueprint(flask.Blueprint):
    """Every operation documents its refusals; every write is idempotent; every record with a version has its ETag.

    The decorators do at run time what they declare, and record it for the OpenAPI document (``operation_docs``).
    """

    def __init__(self, name: str, import_name: str, *, url_prefix: str, description: str) -> None:
        super().__init__(name, import_name, url_prefix=url_prefix)
        self.description = description
        self.operations: list[Operation] = []

    def arguments(self, schema: type[Schema], *, location: str = "json", **documentation: Any) -> Decorator:
        """Parse the body or the query by *schema* and pass the result to the view, before the parts of the address.

        *documentation* is that of flask-smorest's decorator of this name.
        """
        instance = schema()
        parse = PARSER.use_args(instance, location=location)
        note = recorded("arguments", instance, location=location, **documentation)
        return lambda view: note(parse(view))

    def doc(self, **documentation: Any) -> Decorator:
        """Document the view as flask-smorest's decorator of this name does."""
        return recorded("doc", **documentation)

    def alt_response(self, status_code: int, response: str | None = None, **documentation: Any) -> Decorator:
        """Document another response of the view as flask-smorest's decorator of this name does."""
        return recorded("alt_response", status_code, response, **documentation)

    def response(
        self,
        status_code: int,
        schema: Any = None,
        *,
        existing: str | None = None,
        location: Callable[[Any], str] | None = None,
        recall: Recall | None = None,
        description: str | None = None,
        headers: Mapping[str, Any] | None = None,
        **documentation: Any,
    ) -> Decorator:
        """Render what the view returns by *schema*; a view without a schema returns the response itself.

        The description is by default that of the schema. *existing* describes the response with status 200, for a
        result that says ``created: False``; *location* gives the path of a result. *recall*, which every write needs,
        is the service that reads the result of an earlier request: a repetition with the same Idempotency-Key is
        answered with it. *documentation* is that of flask-smorest's decorator of this name.
        """
        headers = {
            **(operation_docs.ETAG if getattr(schema, "VERSIONED", False) else {}),
            **(operation_docs.LOCATION if location else {}),
            **(headers or {}),
        } or None
        text = description or operation_docs.summary_of(schema)
        note = recorded("response", status_code, schema, description=text, headers=headers, **documentation)
        also = {"schema": schema, "description": existing, "headers": headers, "success": True}
        note_existing = recorded("alt_response", 200, **also)
        if schema is None:
            return lambda view: note(_repeated(view) if is_replicable(view) else view)
        dump = compiled(schema() if isinstance(schema, type) else schema)

        def render(result: Any) -> Reply:
            status = 200 if existing is not None and not getattr(result, "created", True) else status_code
            return Reply(status, dump(result), etag_of(result), location(result) if location else None)

        def decorate(view: View) -> View:
            @functools.wraps(view)
            def answering(*args: Any, **kwargs: Any) -> Any:
                return persistently(lambda: replies.answer(lambda: view(*_afresh(args), **kwargs), render, recall))

            if recall is not None:
                answering.__recall__ = recall  # type: ignore[attr-defined]  # a mark, read by route
            documented = note(answering)
            return documented if existing is None else note_existing(documented)

        return decorate

    def route(self, rule: str, *, methods: Sequence[str] = ("GET",)) -> Decorator:  # type: ignore[override]  # narrower
        """Add a route as Flask does, with the documentation that the decorators of the view imply."""
        register = super().route(rule, methods=methods)

        def decorate(view: View) -> View:
            if operation_docs.writes(methods, view) and not hasattr(view, "__recall__"):
                raise LookupError(f"{view.__module__}.{view.__name__} cannot be repeated: give its response a recall")
            view = refuses(*operation_docs.refusals(rule, methods, view))(view)
            self.operations.append(Operation(rule, tuple(methods), view))
            return register(view)

        return decorate


def polled(tag: Callable[..., str | None]) -> Decorator:
    """Answer polls of the view: *tag* returns the ETag of its present result, at a lower cost than the result.

    It gets the arguments of the URL; a request with a query string is answered in full.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def answering(*args: Any, **parts: Any) -> Any:
            known = tag(**parts) if request.if_none_match and not request.args else None
            if known is not None and request.if_none_match.contains_weak(known.strip('"')):
                return Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": known})
            return view(*args, **parts)

        return answering

    return decorate


def tagged(tag: Callable[[], str]) -> Decorator:
    """Give a list without arguments an ETag, and answer polls of it as :func:`polled` does.

    *tag* is read before the list, so that the list is at least as new as its ETag. It stands above the response.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def answering(*args: Any, **parts: Any) -> Any:
            if request.args:
                return view(*args, **parts)
            known = tag()
            if request.if_none_match.contains_weak(known.strip('"')):
                return Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": known})
            response = view(*args, **parts)
            response.headers["ETag"] = known
            return response

        return answering

    return decorate


def refuse_idle_conditions(request: Request, view: View | None) -> None:
    """Refuse, before each write, conditional headers that the view does not evaluate."""
    if view and request.method in WRITES and "If-Match" in request.headers and not is_conditional(view):
        raise Malformed("If-Match is not taken here: its ETag would protect nothing")


def refuse_unknown_query(request: Request, view: View | None) -> None:
    """Before each request: a view that declares no query takes none."""
    if not request.query_string or (request.blueprint or "").startswith(("mlflow", "web")):
        return  # MLflow's protocol ignores unknown fields, and links to pages get decorated
    if view and request.args and not takes_query(view):
        name = next(iter(request.args))
        raise Invalid.field(name[:64], "is not a query parameter here; there are none")


def etag_of(result: Any) -> str | None:
    """Return the ETag of a record: by row version, or by tenure; None for a result that has no version."""
    subject = getattr(result, "version", None)
    subject = result if subject is None or isinstance(subject, int) else subject
    if (row_version := getattr(subject, "row_version", None)) is not None:
        return etag("r", row_version, *getattr(subject, "facts", ()))
    if (tenure := getattr(subject, "tenure", None)) is not None:
        kind = "t" if subject.until is None else "e"  # its end changes it once more
        return etag(kind, tenure, *getattr(subject, "facts", ()))
    return None


def _repeated(view: View) -> View:
    """Repeat a read whose replica failed; others without a schema may have consumed a body, or sent a part."""

    @functools.wraps(view)
    def answering(*args: Any, **kwargs: Any) -> Any:
        return persistently(lambda: view(*_afresh(args), **kwargs))

    return answering


def _afresh(args: Sequence[Any]) -> Iterator[Any]:
    """Yield the arguments for one more attempt, with what the one before took out of them."""
    return (dict(one) if isinstance(one, dict) else one for one in args)


def _first_text(errors: Mapping[Any, Any] | list[Any], path: str = "") -> str:
    if isinstance(errors, list):
        return f"{path}: {errors[0]}"
    key, value = next(iter(errors.items()))
    return _first_text(value, f"{path}.{key}" if path else str(key)) if value else path
