"""The OpenAPI document of the API, generated when it is first requested.

Generating it takes longer than everything else that a process does to start, and most processes never need it.
"""

from __future__ import annotations

import functools
from importlib.metadata import version
from typing import Any

from flask import Flask
from flask_smorest import Api

from registry.api import converters
from registry.api.v1 import BLUEPRINTS


@functools.cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document; the same in every app of a release, do not change it."""
    app = Flask("registry", static_folder=None)
    converters.register(app)
    app.config |= {
        "API_TITLE": "Model registry",
        "API_VERSION": version("model-registry"),
        "OPENAPI_VERSION": "3.1.0",
        "API_SPEC_OPTIONS": {
            "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
            "security": [{"token": []}],
        },
    }
    api = Api()
    api.DEFAULT_ERROR_RESPONSE_NAME = None  # every operation lists its own
    converters.document(api)
    api.init_app(app)
    for part in BLUEPRINTS:
        api.register_blueprint(part)
    found: dict[str, Any] = api.spec.to_dict()
    return found
