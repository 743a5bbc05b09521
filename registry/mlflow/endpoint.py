"""The face's blueprint, and how a view of it is declared: method, path, fields; what it returns is the answer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response

from registry.db.retry import persistently
from registry.http import bodies, strict_json
from registry.http.context import current_request
from registry.mlflow import errors, parsing
from registry.mlflow.parsing import Argument

View = Callable[..., dict[str, Any]]
PREFIXES = {"/api/2.0/mlflow": "", "/ajax-api/2.0/mlflow": "ajax_"}
NAME = VERSION = KEY = ALIAS = parsing.string(required=True)  # several endpoints have these fields

blueprint = Blueprint("mlflow", __name__)
errors.register(blueprint)


def endpoint(methods: str, path: str, **fields: Argument) -> Callable[[View], View]:
    """Serve the view, which gets the fields as named arguments, under both of MLflow's prefixes."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def answering(**parts: Any) -> Response:
            request = current_request()
            if not fields and bodies.announced_length(request) != 0:
                parsing.require_json(request)  # without fields there need be no body
            arguments = parsing.read(request, fields) if fields else {}
            result = persistently(lambda: view(**parts, **arguments))
            return Response(strict_json.dumps(result), content_type="application/json")

        for prefix, name in PREFIXES.items():
            blueprint.add_url_rule(prefix + path, f"{name}{view.__name__}", answering, methods=methods.split())
        return view

    return decorate
