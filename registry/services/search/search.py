"""Search of models and versions, in MLflow's filter language and in the native one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from orjson import Fragment
from sqlalchemy.orm import Session

from registry.db.item_cache import Rendering
from registry.db.queries import existing_values, lists, mlflow_entities, pages, row_sizes, search
from registry.db.queries.lists import Document
from registry.db.queries.pages import Details, Fitting
from registry.db.queries.rendered_pages import Rendered
from registry.db.queries.search import Position, SearchPage
from registry.db.records import ModelBrief, ModelRecord, Page, VersionBrief, VersionRecord
from registry.db.session import reading
from registry.domain.errors import Invalid, Malformed
from registry.domain.filters import keys, mlflow, native
from registry.domain.filters.terms import Key, Order
from registry.services.search import known_terms
from registry.services.search.best import Best, BestQuery, best_of

MODELS_MOST = 1000
VERSIONS_MOST = 200_000

T = TypeVar("T")
Find = Callable[[Session, Details | Rendered, SearchPage], Fitting]
MOST_ON_PAGE = pages.BUDGET // row_sizes.LEAST  # no more could fit
BY_NAME = (Order(Key("name")),)
NEWEST_FIRST = (Order(Key("created_at"), descending=True),)


@dataclass(frozen=True, slots=True)
class MlflowPage(Generic[T]):
    """One page as MLflow's protocol has it; the token is None on the last."""

    items: Sequence[T]
    next_page_token: str | None


@dataclass(frozen=True, slots=True)
class FoundVersions(Page[VersionRecord | Fragment | Document]):
    """A page of versions; ``best`` is what the best ones were asked by."""

    best: Best | None = None


def find_models_mlflow(
    text: str | None, *, order_by: Sequence[str], limit: int, token: str | None
) -> MlflowPage[ModelBrief]:
    """Return live models by MLflow's filter. Raises Invalid with MLflow's text.

    Prompts are left out unless the filter includes them.
    """
    _check_limit(limit, MODELS_MOST)
    request, query = _wanted(mlflow.MODELS, text, order_by, limit=limit, token=token)
    with reading() as session:
        fitting = _found(search.models, session, mlflow_entities.MODELS, request)
    return MlflowPage(mlflow_entities.model_briefs(fitting.rows), _page_token(query, fitting))


def find_versions_mlflow(
    text: str | None, *, order_by: Sequence[str], limit: int, token: str | None, rendering: Rendering | None = None
) -> MlflowPage[VersionBrief | Fragment]:
    """Return live versions of live models that MLflow's filter describes, as their JSON where there is a *rendering*.

    Raises as :func:`find_models_mlflow`.
    """
    _check_limit(limit, VERSIONS_MOST)
    request, query = _wanted(mlflow.VERSIONS, text, order_by, limit=limit, token=token)
    with reading() as session:
        shown, render = mlflow_entities.versions(rendering)
        fitting = _found(search.versions, session, shown, request)
    return MlflowPage(render(fitting.rows), _page_token(query, fitting))


def find_models(
    *,
    filter: str = "",
    order_by: str = "",
    after: Position | None = None,
    limit: int,
    field_names: Collection[str] | None = None,
) -> Page[ModelRecord | Document]:
    """Live models that a filter describes, by name by default; with *field_names*, these fields of them.

    Raises Invalid or UnknownValue.
    """
    request, query = _wanted_natively(keys.MODELS, filter, order_by, default=BY_NAME, after=after, limit=limit)
    details, render = lists.models(None if field_names is None else frozenset(field_names))
    with reading() as session:
        fitting = search.models(session, details, request)
        if after is None:
            known_terms.require_known(session, known_terms.MODELS, request.term, request.order, fitting.places)
        return Page(render(fitting.rows), _position(query, fitting))


def find_versions(
    *,
    filter: str = "",
    order_by: str = "",
    best: BestQuery | None = None,
    after: Position | None = None,
    limit: int,
    field_names: Collection[str] | None = None,
    rendering: Rendering | None = None,
) -> FoundVersions:
    """Live versions of live models that a filter describes, newest first by default; with *field_names*, these fields.

    With *best*, those that have its metric, the best first and the newest of equal ones. Without field names they are
    their JSON where there is a *rendering*. Raises Invalid or UnknownValue.
    """
    if best is not None:
        return _best_versions(filter, best, after=after, limit=limit, field_names=field_names, rendering=rendering)
    request, query = _wanted_natively(keys.VERSIONS, filter, order_by, default=NEWEST_FIRST, after=after, limit=limit)
    shown, render = lists.versions(field_names, rendering)
    with reading() as session:
        fitting, mixed = search.compared_versions(session, shown, request)
        if after is None:
            known_terms.require_known(session, known_terms.VERSIONS, request.term, request.order, fitting.places)
        warnings = [_mixed(session, key, fitting) for key in mixed]
        return FoundVersions(render(fitting.rows), _position(query, fitting), warnings)


def _best_versions(
    filter: str,
    asked: BestQuery,
    *,
    after: Position | None,
    limit: int,
    field_names: Collection[str] | None,
    rendering: Rendering | None,
) -> FoundVersions:
    term = native.parse(keys.VERSIONS, filter)
    query = fingerprint(filter, "best", asked.metric, asked.on, asked.slice, asked.direction or "")
    position = _require_position(query, after)
    shown, render = lists.versions(field_names, rendering)
    with reading(snapshot=True) as session:
        best = best_of(session, asked)
        request = SearchPage(term, [best.order], position, limit, is_best=True)
        fitting = search.versions(session, shown, request)
        if after is None:
            known_terms.require_known(session, known_terms.VERSIONS, request.term, (), fitting.places)
        return FoundVersions(render(fitting.rows), _position(query, fitting), best=best)


def _mixed(session: Session, key: Key, fitting: Fitting) -> str:
    """Return a warning that an order by the metric compares values on several datasets."""
    versions = [place[-1] for place in fitting.places]
    name, example = f"metrics.{key.entry}", existing_values.dataset_of(session, str(key.entry), versions) or "sha256:…"
    return (
        f"{name} was measured on several datasets, and this order compares the latest value of each version, whatever "
        f"the data. To compare on one dataset, name it: {name} ON '{example}'"
    )


def _check_limit(limit: int, most: int) -> None:
    if limit < 1:
        raise _refused(f"Invalid value for max_results. It must be a positive integer, but got {limit}", "max_results")
    if limit > most:
        text = f"Invalid value for request parameter max_results. It must be at most {most}, but got value {limit}"
        raise _refused(text, "max_results")


def _wanted(
    dialect: mlflow.Dialect, text: str | None, order_by: Sequence[str], *, limit: int, token: str | None
) -> tuple[SearchPage, str]:
    parsed = mlflow.parse(dialect, text, order_by)
    query = fingerprint(text or "", *order_by)
    after = _read_token(token, query) if token else None
    most = min(limit, MOST_ON_PAGE)
    return SearchPage(parsed.where, parsed.order, after, most, parsed.hides_prompts, bool(order_by)), query


def _wanted_natively(
    vocabulary: keys.Vocabulary,
    text: str,
    order_by: str,
    *,
    default: Sequence[Order],
    after: Position | None,
    limit: int,
) -> tuple[SearchPage, str]:
    term = native.parse(vocabulary, text)
    order = native.parse_order(vocabulary, order_by) or default
    query = fingerprint(text, order_by)
    return SearchPage(term, order, _require_position(query, after), limit, is_ordered=bool(order_by)), query


def _require_position(query: str, after: Position | None) -> Position | None:
    """Return the position of a cursor. Raises Malformed for one of another search."""
    if after is not None and after[:1] != (query,):
        raise Malformed("this cursor belongs to a search with another filter or order")
    return None if after is None else after[1:]


def _found(find: Find, session: Session, shown: Details | Rendered, request: SearchPage) -> Fitting:
    try:
        return find(session, shown, request)
    except ValueError as error:
        raise _refused(f"Invalid page token, {error}", "page_token") from error


def _position(query: str, fitting: Fitting) -> Position | None:
    position = search.position(fitting)
    return None if position is None else (query, *position)


def fingerprint(*texts: str) -> str:
    """Return a digest that distinguishes searches: a position of one is invalid in another."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]


def _page_token(query: str, fitting: Fitting) -> str | None:
    position = search.position(fitting)
    if position is None:
        return None
    return base64.b64encode(json.dumps({"query": query, "after": position}).encode()).decode()


def _read_token(token: str, query: str) -> Position:
    """Return the position of a token; a client may have forged it, so its values are checked where they are used."""
    try:
        text = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refused("Invalid page token, could not base64-decode", "page_token") from error
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused(f"Invalid page token, decoded value={text!r}", "page_token") from error
    match document:
        case {"query": str() as asked, "after": list() as after}:
            if asked != query:
                raise _refused("Invalid page token, it belongs to another filter or order_by", "page_token")
            return tuple(after)
    raise _refused(f"Invalid page token, parsed value={document}", "page_token")


def _refused(text: str, field: str) -> Invalid:
    return mlflow.refusal(text, field=field)
