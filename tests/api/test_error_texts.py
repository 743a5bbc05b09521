"""The text of an error names what was refused and what to do."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


def test_a_refused_token_is_not_reported_as_a_missing_one(app: Flask, api: Api, anonymous: Api) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    expect(200, api.delete(f"/tokens/{issued['id']}"))
    refused = [issued["token"], issued["token"][:-1], "mrp_unknown"]

    texts = {expect(401, Api(app.test_client(), token).get("/me"))["detail"] for token in refused}

    assert texts == {"the API token was refused: it is unknown, has expired or was revoked; send another one"}
    assert "a valid API token is needed" in expect(401, anonymous.get("/me"))["detail"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("frau", "there is no model 'frau'"),
        ("fraud%23prod", "there is no model 'fraud#prod'; a stage is written #staging, #production or #archived"),
    ],
)
def test_an_unknown_model_that_reads_as_a_stage_names_the_stages(api: Api, name: str, says: str) -> None:
    assert expect(404, api.get(f"/models/{name}"))["detail"] == says


def test_an_alias_that_was_not_where_expected_is_named_with_both_places(api: Api, registry: RegistryBuilder) -> None:
    number = registry.model("fraud").version()
    alias = "/models/fraud/aliases/champion"

    absent = expect(409, api.put(alias, {"version": number, "expected_current": 2}))
    expect(None, api.put(alias, {"version": number}))
    present = expect(409, api.put(alias, {"version": number, "expected_current": None}))

    assert absent["detail"].startswith("you expected the alias 'champion' to point at version 2, but it does not exist")
    assert present["detail"].startswith("you expected the alias 'champion' not to exist, but it points at version 1")


def test_a_wrong_method_or_a_doubled_prefix_is_named(api: Api) -> None:
    method = expect(405, api.post("/models/fraud/versions/1", {}))
    doubled = expect(404, api.get("/api/v1/models"))

    assert method["detail"].startswith("the address is right, but takes ")
    assert "GET" in method["detail"]
    assert doubled["detail"].endswith("; the registry's URL ends before /api/v1")
    assert "/api/v1" not in expect(404, api.get("/modles"))["detail"]
