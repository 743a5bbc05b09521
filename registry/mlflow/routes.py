"""All of MLflow's registry endpoints, and an answer in its dialect for those that this registry has not."""

from __future__ import annotations

from typing import NoReturn

from flask import request
from werkzeug.exceptions import NotFound

from registry.http.access import public
from registry.mlflow import aliases, artifacts, errors, models, probes, search, stages, versions, webhooks
from registry.mlflow.endpoint import blueprint

MODULES = (models, versions, stages, aliases, search, webhooks, probes)  # each has put its endpoints on the blueprint
BLUEPRINTS = (blueprint, artifacts.blueprint)
errors.register(artifacts.blueprint)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@blueprint.route("/api/<any('2.0','3.0'):release>/mlflow/<path:rest>", methods=METHODS)
@blueprint.route("/ajax-api/<any('2.0','3.0'):release>/mlflow/<path:rest>", methods=METHODS)
@public("it reports only that there is no such endpoint")
def unknown(release: str, rest: str) -> NoReturn:
    """Refuse an unknown endpoint in JSON: a client would take HTML for an internal error."""
    raise NotFound(
        f"This model registry has no endpoint {request.method} /api/{release}/mlflow/{rest[:200]}. It keeps models, "
        "not runs: point MLFLOW_TRACKING_URI at a tracking server, and MLFLOW_REGISTRY_URI here."
    )
