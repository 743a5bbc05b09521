"""Endpoints of an MLflow server that need no login."""

from __future__ import annotations

import functools
from importlib.metadata import version

from flask import Response

from registry.http.access import public
from registry.mlflow.endpoint import blueprint


@blueprint.get("/health")
@public("returns only that the process answers")
def health() -> Response:
    """Answer OK while the process answers, as MLflow does; ``/readyz`` checks the database and the store."""
    return _text_response("OK")


@blueprint.get("/version")
@public("the API's description has it too")
def release() -> Response:
    """Return the version of this registry; MLflow's server returns its own here."""
    return _text_response(_package_version())


@functools.cache
def _package_version() -> str:
    return version("model-registry")  # reads and parses a file


def _text_response(text: str) -> Response:
    return Response(text, content_type="text/plain; charset=utf-8")
