"""The addresses in ``Location`` are those of the routes."""

from __future__ import annotations

import uuid

import pytest
from flask import Flask, url_for

from registry.api import addresses
from tests.support.api import Api
from tests.support.replies import expect


@pytest.mark.parametrize("name", ["fraud", "cards é+%?#", "a;b@c,d='(1)'&$!*~|"])
def test_addresses_are_those_of_the_routes(app: Flask, name: str) -> None:
    import_id = str(uuid.uuid4())

    with app.test_request_context("/", base_url="http://registry.test"):
        assert addresses.of_model(name) == url_for("models.get_model", model=name)
        assert addresses.of_version(name, 7) == url_for("versions.get_version", model=name, number=7)
        assert addresses.of_import(import_id) == url_for("imports.get_import", import_id=import_id)


def test_a_new_model_is_found_at_its_location(api: Api) -> None:
    created = api.post("/models", {"name": "cards é+%?#"})

    location = created.headers["Location"].removeprefix("/api/v1")
    assert expect(200, api.get(location))["name"] == expect(201, created)["name"]
