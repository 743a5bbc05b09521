"""The OpenAPI document of the API, generated when it is first requested.

Generating it takes longer than everything else that a process does to start, and most processes never need it.
"""

from __future__ import annotations

import functools
from importlib.metadata import version
from typing import Any

import flask_smorest
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Flask
from flask_smorest import Api

from registry.api import converters, operation_docs, refusal_docs
from registry.api.prose import markdown
from registry.api.schemas.problem import ProblemView
from registry.api.v1 import BLUEPRINTS

ABOUT = """\
Versions of machine learning models: their files, where they came from, and the stage that each is in. Changes are
entries of an audit log.

**Authentication.** Send `Authorization: Bearer mrp_…`, an API token. Each operation names the permission that its
caller needs; the roles of a token grant permissions. `GET /api/v1/me` shows those of the caller. With
`registry serve --dev` no token is needed.

**Requests.** Bodies are JSON in UTF-8. Unknown fields and unknown query parameters are refused. Times are RFC 3339 with
a zone. A POST, PUT, PATCH or DELETE may carry an `Idempotency-Key`: after a timeout, a broken connection or a 503, send
the same request with the same key; it takes effect once. The response to a repetition has `Idempotency-Replayed: true`
and shows the resource as it is now.

**Responses.** Times are in UTC. `X-Request-Id` names the request in the logs and in the audit log.
`X-Token-Expires-At` appears when the end of the token is near. With a read replica, a write returns
`X-Database-Position`: a read that sends it shows what was written. Later releases may add fields, codes and values of
`state`, `kind` and `action`: ignore those that the client does not have.

**Lists** come in pages: `next_cursor` is null on the last page, otherwise it is the `cursor` of the next request, with
the same path and the same other parameters.

**Errors** are `application/problem+json` (RFC 9457). Programs decide by `code`; `detail` says what to do, and its text
may change. Every response of an operation lists its codes:

{codes}

Any address can also answer 405 `method_not_allowed`, and 500 `internal` for a defect of the registry. HTTP requests
that break a limit of the server get 400, 408, 414, 417, 431 or 501. A proxy in between may answer in another form."""
TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API token, `mrp_…`. `registry token create` and `POST /api/v1/tokens` issue them.",
}


class _Converter(OpenAPIConverter):
    """As apispec's; the docstring of a schema is its description."""

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        converted: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]  # apispec's
        text = markdown(schema if isinstance(schema, type) else type(schema))
        return ({"description": text} if text else {}) | converted


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


class _Api(Api):  # type: ignore[misc]  # flask-smorest is not typed
    """Every operation lists its own errors: flask-smorest's default responses are of the same schema."""

    DEFAULT_ERROR_RESPONSE_NAME = None
    ERROR_SCHEMA = ProblemView


@functools.cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document; the same in every app of a release, do not change it."""
    app = Flask("registry", static_folder=None)
    converters.register(app)
    views = [operation.view for part in BLUEPRINTS for operation in part.operations]
    app.config |= {
        "API_TITLE": "Model registry",
        "API_VERSION": version("model-registry"),
        "OPENAPI_VERSION": "3.1.0",
        "API_SPEC_OPTIONS": {
            "info": {
                "description": ABOUT.format(codes=refusal_docs.table(views)),
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "components": {"securitySchemes": {"token": TOKEN}},
            "security": [{"token": []}],
        },
    }
    api = _Api()
    converters.document(api)
    api.init_app(app, spec_kwargs={"marshmallow_plugin": _Plugin()})
    for code, example in refusal_docs.examples(views).items():
        api.spec.components.example(code, example)
    for name, response in refusal_docs.shared(views).items():
        api.spec.components.response(name, response)
    for part in BLUEPRINTS:
        documented = flask_smorest.Blueprint(
            part.name, part.import_name, url_prefix=part.url_prefix, description=part.description
        )
        for operation in part.operations:
            operation_docs.document(documented, operation)
        api.register_blueprint(documented)
    openapi: dict[str, Any] = api.spec.to_dict()
    openapi["components"]["schemas"].pop("PaginationMetadata")  # flask-smorest's; pages have cursors
    return openapi
