"""The OpenAPI document: valid, complete, readable offline, and kept by the service under fuzzing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from registry.http.access import WRITES
from tests.api.hostile.world import World
from tests.support.api import Api

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
TAGS = ["models", "versions", "stages", "aliases", "uploads", "files", "imports", "jobs", "search", "audit", "refusals",
        "downloads", "tokens"]  # fmt: skip
# What a generated path may name instead of what was generated, so that more than 404 is seen.
REAL = {"model": ["fraud", "fraud", "empty", "gone"], "number": [1, 2, 3, 4, 5], "alias": ["champion", "fresh"],
        "path": ["model.bin", "data/train set.csv"]}  # fmt: skip


@pytest.fixture
def document(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/openapi.json").get_json()
    return found


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of each."""
    for path, item in document["paths"].items():
        for method in item.keys() - {"parameters"}:
            yield method.upper(), path, item[method]


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()

    assert document["openapi"].startswith("3.1.")


def test_the_document_describes_every_address_of_the_native_api(app: Flask, document: dict[str, Any]) -> None:
    served = {
        (method, re.sub(r"<(?:[^:<>]+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert {(method, path) for method, path, _ in operations(document)} == served


def test_every_operation_says_what_it_does_and_how_it_refuses(document: dict[str, Any]) -> None:
    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        refusals = {status for status in operation["responses"] if status >= "4"}
        assert operation["summary"].endswith("."), where
        assert operation["tags"], where
        assert operation.get("security", document["security"]) == [{"token": []}], where
        assert {"400", "401", "403", "404", "422", "503"} <= refusals, where
        assert not any(status.startswith("5") for status in refusals - {"503"}), where
        assert "default" not in operation["responses"], where
        for status in refusals:
            assert set(operation["responses"][status]["content"]) == {"application/problem+json"}, where
        if method in WRITES and "/search/" in path:  # a read whose filter is too long for an address
            assert {"413", "415"} <= refusals, where
            assert "parameters" not in operation, where
        elif method in WRITES:
            names = {parameter["name"] for parameter in operation["parameters"]}
            assert {"409", "413", "415"} <= refusals, where
            assert "Idempotency-Key" in names, where
            assert ("If-Match" in names) == ("412" in refusals), where


def test_every_body_refuses_unknown_fields_in_the_document_too(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    closed = {name for name in schemas if name.endswith("Body")}

    assert closed != set()
    assert [name for name in closed if schemas[name].get("additionalProperties") is not False] == []


def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    summaries = [operation["summary"] for _, _, operation in operations(document)]

    assert len(set(summaries)) == len(summaries)


def test_the_docs_are_read_without_any_other_host(world: World) -> None:
    fetched: dict[str, str] = {}
    waiting = ["/docs"]
    while waiting:
        path = waiting.pop()
        with world.client.get(path) as response:
            assert response.status_code == 200, path
            fetched[path] = response.get_data(as_text=True) if "png" not in path else ""
            policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert not re.search(r"https?:|\*|'unsafe-eval'", policy)
        if path == "/docs":
            waiting += [urljoin(path, found) for found in re.findall(r'(?:href|src)="([^"]+)"', fetched[path])]

    assert {"/docs", "/docs.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"} <= set(fetched)
    for path in ("/docs", "/docs.js"):
        assert not re.search(r"//\w", fetched[path]), path
    assert not re.search(r"url\(['\"]?(?:https?:)?//", fetched["/docs/swagger-ui.css"])
    assert 'url: "openapi.json"' in fetched["/docs.js"]
    assert "<script>" not in fetched["/docs"]


def test_the_way_in_leads_to_the_docs(anonymous: Api) -> None:
    client: FlaskClient = anonymous.client

    assert client.get("/", follow_redirects=True).request.path == "/docs"


@pytest.mark.parametrize("tag", TAGS)
def test_the_service_keeps_to_its_document(tag: str, app: Flask, world: World) -> None:
    fuzz(tag, app, world, examples=8)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("tag", TAGS)
def test_the_service_keeps_to_its_document_however_long_one_tries(tag: str, app: Flask, world: World) -> None:
    fuzz(tag, app, world, examples=400)


def test_the_tags_tried_here_are_all_that_there_are(document: dict[str, Any]) -> None:
    assert {tag for _, _, operation in operations(document) for tag in operation["tags"]} == set(TAGS)


def fuzz(tag: str, app: Flask, world: World, *, examples: int) -> None:
    """Try each operation with generated requests, half of them for something that exists; the same ones each time."""
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    headers = {"Authorization": f"Bearer {world.tokens['all']}"}
    real = REAL | {"upload": [world.parts["upload"]], "token": [world.parts["reader_id"]]}
    found, tried = [], 0
    wanted = [operation for result in schema.get_all_operations() if tag in (operation := result.ok()).tags]
    for operation, mode in itertools.product(wanted, GenerationMode):

        @settings(max_examples=examples, derandomize=True, database=None, deadline=None,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode), data=st.data(), exists=st.booleans())
        def keeps_to_it(case: schemathesis.Case, data: st.DataObject, exists: bool) -> None:
            nonlocal tried
            tried += 1
            if exists:
                for name in case.path_parameters or {}:
                    if name in real:
                        case.path_parameters[name] = data.draw(st.sampled_from(real[name]))
            case.validate_response(case.call(headers=headers), checks=CHECKS)

        try:
            keeps_to_it()
        except FailureGroup as group:
            found += [f"{operation.label}: {fault.title}: {fault}" for fault in group.exceptions]
    assert "\n\n".join(found) == ""
    assert tried >= len(wanted) * examples / 2
