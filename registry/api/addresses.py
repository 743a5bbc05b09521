"""Addresses of resources in the ``Location`` header, as paths of this service.

A test compares them with the routes. Flask's ``url_for`` builds the same, in 20 us of CPU instead of 1.
"""

from __future__ import annotations

from urllib.parse import quote

_SAFE = "!$&'()*+,/:;=@"  # as in Werkzeug: https://url.spec.whatwg.org/#url-path-segment-string


def of_model(name: str) -> str:
    return f"/api/v1/models/{quote(name, safe=_SAFE)}"


def of_version(model: str, number: int) -> str:
    return f"{of_model(model)}/versions/{number}"


def of_import(import_id: str) -> str:
    return f"/api/v1/imports/{import_id}"


def of_request(request: str) -> str:
    return f"/api/v1/requests/{request}"
