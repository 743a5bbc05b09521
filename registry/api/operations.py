"""For operators and tools: liveness, readiness, the OpenAPI document and its reader."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, jsonify, redirect, send_from_directory
from openapi_ui_bundles import swagger_ui
from werkzeug import Response as Redirect

from registry.api import description
from registry.http.access import public
from registry.http.context import below_prefix, pin, settings, store
from registry.services.monitoring import health
from registry.telemetry import processes

ASSETS = Path(swagger_ui.static_path)
# Addresses are relative: a proxy may serve it all below a path.
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>Model registry API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="docs/favicon-32x32.png">
</head>
<body>
<div id="ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs.js"></script>
</body>
</html>
"""
SCRIPT = """SwaggerUIBundle({url: "openapi.json", dom_id: "#ui", deepLinking: true, validatorUrl: null});
"""


blueprint = Blueprint("operations", __name__)
front = Blueprint("front", __name__)  # without the web interface, whose first page stands at its address


@blueprint.get("/livez")
@public("returns only that the process answers")
def livez() -> Response:
    return jsonify({"status": "ok"})


@blueprint.get("/readyz")
@public("load balancers call it; it names no secret")
def readyz() -> tuple[Response, int]:
    if processes.draining():
        return jsonify({"status": "draining", "mode": _mode(), "checks": {}}), 503
    checks = health.readiness(store(), pin(), seconds=settings().probe_seconds)
    state = health.state_of(checks)
    document = {
        "status": state,
        "mode": _mode(),
        "checks": {name: {"ok": check.ok, "detail": check.detail} for name, check in checks.items()},
    }
    return jsonify(document), 503 if state == health.NOT_READY else 200


@blueprint.get("/openapi.json")
@public("the API's description is not secret")
def openapi() -> Response:
    return jsonify({**description.document(), "servers": [{"url": below_prefix("") or "/"}]})


@blueprint.get("/docs")
@public("the API's description is not secret")
def docs() -> str:
    return PAGE


@blueprint.get("/docs.js")
@public("the API's description is not secret")
def docs_script() -> Response:
    return Response(SCRIPT, content_type="text/javascript")


@blueprint.get("/docs/<any('swagger-ui.css','swagger-ui-bundle.js','favicon-32x32.png'):file>")
@public("files of a public package")
def docs_asset(file: str) -> Response:
    return send_from_directory(ASSETS, file)


@front.get("/")
@public("leads to the docs")
def index() -> Redirect:
    return redirect("docs")


def _mode() -> str:
    return "dev-no-auth" if settings().dev else "production"
