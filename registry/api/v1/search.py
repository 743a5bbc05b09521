"""Search of models and versions."""

from __future__ import annotations

from typing import Any

from registry.api import examples
from registry.api.blueprint import Blueprint
from registry.api.operation_docs import reads
from registry.api.refusal_docs import refuses
from registry.api.schemas.models import ModelPage
from registry.api.schemas.paging import paged
from registry.api.schemas.search import (
    CompletionQuery,
    CompletionView,
    ModelSearchBody,
    ModelSearchQuery,
    VersionSearchBody,
    VersionSearchQuery,
)
from registry.api.schemas.versions import FoundVersionPage
from registry.api.v1.versions import RENDERED
from registry.domain.access import Permission
from registry.domain.errors import UnknownValue
from registry.http.access import requires
from registry.http.database_position import replicable
from registry.services.search import completion, search
from registry.services.search.completion import Completion
from registry.services.search.search import FoundVersions

blueprint = Blueprint("search", __name__, url_prefix="/api/v1/search", description="Find models and versions.")


@blueprint.route("/models")
@refuses(UnknownValue)
@blueprint.arguments(ModelSearchQuery, location="query")
@blueprint.response(200, ModelPage)
@requires(Permission.MODEL_READ)
@replicable
def search_models(query: dict[str, Any]) -> dict[str, Any]:
    """Find models by a filter."""
    return paged(search.find_models(**query))


@blueprint.route("/models", methods=["POST"])
@refuses(UnknownValue)
@blueprint.arguments(ModelSearchBody)
@blueprint.response(200, ModelPage)
@reads
@requires(Permission.MODEL_READ)
@replicable
def search_models_by_body(body: dict[str, Any]) -> dict[str, Any]:
    """Find models by a filter in the body.

    As GET, for filters that are too long for an address. Changes nothing and needs no Idempotency-Key.
    """
    return paged(search.find_models(**body))


@blueprint.route("/versions")
@refuses(UnknownValue)
@blueprint.arguments(VersionSearchQuery, location="query")
@blueprint.response(200, FoundVersionPage, example=examples.FOUND)
@requires(Permission.MODEL_READ)
@replicable
def search_versions(query: dict[str, Any]) -> dict[str, Any]:
    """Find versions of all models by a filter, or the best ones by a metric on one dataset."""
    return _with_best(search.find_versions(**query, rendering=RENDERED))


@blueprint.route("/versions", methods=["POST"])
@refuses(UnknownValue)
@blueprint.arguments(VersionSearchBody, example=examples.VERSION_SEARCH)
@blueprint.response(200, FoundVersionPage, example=examples.FOUND)
@reads
@requires(Permission.MODEL_READ)
@replicable
def search_versions_by_body(body: dict[str, Any]) -> dict[str, Any]:
    """Find versions of all models by a filter in the body.

    As GET, for filters that are too long for an address. Changes nothing and needs no Idempotency-Key.
    """
    return _with_best(search.find_versions(**body, rendering=RENDERED))


@blueprint.route("/complete")
@blueprint.arguments(CompletionQuery, location="query")
@blueprint.response(200, CompletionView, example=examples.COMPLETION)
@requires(Permission.MODEL_READ)
@replicable
def complete_filter(query: dict[str, Any]) -> Completion:
    """Suggest the next part of an unfinished filter: keys, operators, and stored values.

    Values are suggested for `name`, tags, `run.id`, datasets, stages, states and lifecycles.
    """
    return completion.complete(**query)


def _with_best(page: FoundVersions) -> dict[str, Any]:
    return paged(page) | {"best": page.best}
