"""The service keeps to its OpenAPI document under fuzzing."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.api.hostile.world import World

TAGS = ["models", "versions", "notes", "checks", "stages", "aliases", "policies", "gates", "holds", "requests",
        "uploads", "files",
        "imports", "jobs", "search", "lineage", "audit", "comparison",
        "overview", "sealed_log", "tiles", "refusals", "downloads", "evidence", "tokens"]  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_the_service_keeps_to_its_document(tag: str, app: Flask, world: World) -> None:
    fuzz(tag, app, world, examples=3)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("tag", TAGS)
def test_the_service_keeps_to_its_document_however_long_one_tries(tag: str, app: Flask, world: World) -> None:
    fuzz(tag, app, world, examples=400)


def test_the_tags_tried_here_are_all_that_there_are(app: Flask) -> None:
    from tests.api.hostile.fuzzing import schema_of  # as below

    operations = (result.ok() for result in schema_of(app).get_all_operations())

    assert {tag for operation in operations for tag in operation.tags} == set(TAGS)


def fuzz(tag: str, app: Flask, world: World, *, examples: int) -> None:
    from tests.api.hostile import fuzzing  # schemathesis takes most of a second to import

    fuzzing.fuzz(tag, app, world, examples=examples)
