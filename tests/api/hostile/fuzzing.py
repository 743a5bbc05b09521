"""Requests that schemathesis generates from the OpenAPI document, and what it finds wrong with the answers."""

from __future__ import annotations

import functools
import itertools

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.api.hostile.world import World

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# What a generated path may name instead of what was generated, so that more than 404 is seen.
REAL = {"model": ["fraud", "fraud", "empty", "gone"], "number": [1, 2, 3, 4, 5], "alias": ["champion", "fresh"],
        "path": ["model.bin", "data/train set.csv"]}  # fmt: skip


def fuzz(tag: str, app: Flask, world: World, *, examples: int) -> None:
    """Try each operation with generated requests, half of them for something that exists; the same ones each time."""
    headers = {"Authorization": f"Bearer {world.tokens['all']}"}
    real = REAL | {"upload": [world.parts["upload"]], "token": [world.parts["reader_id"]]}
    found, tried = [], 0
    wanted = [operation for result in schema_of(app).get_all_operations() if tag in (operation := result.ok()).tags]
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
    assert found == [], "\n\n".join(found)
    assert tried >= len(wanted) * examples / 2, f"{tried} requests of {len(wanted)} operations"


@functools.cache
def schema_of(app: Flask) -> OpenApiSchema:
    """The document as schemathesis reads it, once for each app: to read it takes longer than to try most tags."""
    return schemathesis.openapi.from_wsgi("/openapi.json", app)
