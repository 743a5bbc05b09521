"""Searches in MLflow's filter language, page by page."""

from __future__ import annotations

from typing import Any

from registry.domain.access import Permission
from registry.http.access import requires
from registry.http.database_position import replicable
from registry.mlflow import entities
from registry.mlflow.endpoint import endpoint
from registry.mlflow.parsing import integer, string, strings
from registry.services.search import search

# MLflow's own defaults. A page may end earlier, at its budget of bytes.
MODELS_PAGE = 100
VERSIONS_PAGE = 200_000


@endpoint("GET", "/registered-models/search", filter=string(), max_results=integer(), order_by=strings(),
          page_token=string())  # fmt: skip
@requires(Permission.MODEL_READ)
@replicable
def search_registered_models(
    filter: str | None = None, max_results: int = MODELS_PAGE, order_by: list[str] | None = None, page_token: str = ""
) -> dict[str, Any]:
    """Search registered models; prompts are left out unless the filter includes them."""
    page = search.find_models_mlflow(filter, order_by=order_by or (), limit=max_results, token=page_token or None)
    models = [entities.model(one) for one in page.items]
    return entities.given(registered_models=models, next_page_token=page.next_page_token)


@endpoint("GET", "/model-versions/search", filter=string(), max_results=integer(), order_by=strings(),
          page_token=string())  # fmt: skip
@requires(Permission.MODEL_READ)
@replicable
def search_model_versions(
    filter: str | None = None, max_results: int = VERSIONS_PAGE, order_by: list[str] | None = None, page_token: str = ""
) -> dict[str, Any]:
    """Search versions; those of prompts are left out unless the filter includes them."""
    page = search.find_versions_mlflow(
        filter, order_by=order_by or (), limit=max_results, token=page_token or None, rendering=entities.rendering()
    )
    return entities.given(model_versions=list(page.items), next_page_token=page.next_page_token)
