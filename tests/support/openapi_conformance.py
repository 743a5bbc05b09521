"""Compare what an app answers, in whatever test, with what its OpenAPI document says of the operation."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, current_app, request

from registry.api import description, refusal_docs
from registry.api.problems import MEDIA_TYPE
from registry.api.schemas.problem import ProblemView

View = Callable[..., Any]
FAULTS = "tests.documented"
MEMBERS = frozenset(ProblemView().fields)
HEADERS = ("ETag", "Location", "Idempotency-Replayed", "Audit-Event", "Preference-Applied")


def watched(app: Flask) -> Flask:
    """*app*, whose answers are compared from now on."""
    app.extensions[FAULTS] = []
    app.after_request(_compare)
    return app


def faults(app: Flask) -> list[str]:
    """What was answered and is not documented, since this was asked last."""
    found, app.extensions[FAULTS] = app.extensions[FAULTS], []
    return list(found)


def _compare(response: Response) -> Response:
    endpoint = request.endpoint or "web."  # /audit/{id} is a page, too
    if request.path.startswith(("/api/v1/", "/audit/")) and not endpoint.startswith("web."):
        view = current_app.view_functions[endpoint]
        found = _refusal(view, response) if response.status_code >= 400 else _success(view, response)
        current_app.extensions[FAULTS] += [f"{request.method} {endpoint}: {fault}" for fault in found]
    return response


def _refusal(view: View, response: Response) -> list[str]:
    if response.mimetype != MEDIA_TYPE:
        return [f"{response.status_code} {response.mimetype}"]
    problem = json.loads(response.get_data())
    if problem["code"] in {"method_not_allowed", "internal"}:  # of any address, as the document's introduction says
        return []
    answer = (response.status_code, problem["code"])
    unknown = sorted(problem.keys() - MEMBERS)
    return [str(answer)] * (answer not in refusal_docs.codes_of(view)) + [f"{answer}: {unknown}"] * bool(unknown)


def _success(view: View, response: Response) -> list[str]:
    status = response.status_code
    answer = _operations()[view.__name__]["responses"].get(str(status))
    if answer is None:
        return [str(status)]
    headers = answer.get("headers", {})
    return [f"{status} with {name}" for name in HEADERS if name in response.headers and name not in headers]


@functools.cache
def _operations() -> dict[str, Any]:
    """Return the operations of the OpenAPI document by their ids, which are the names of the views."""
    methods = [methods for path in description.document()["paths"].values() for methods in path.values()]
    return {one["operationId"]: one for one in methods if "operationId" in one}
