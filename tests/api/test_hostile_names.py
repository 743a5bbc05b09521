"""Names that somebody might try: refused with a reason, or taken exactly as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import update

from registry.app import create_app
from registry.config import Settings
from registry.db.models import Account, Model
from registry.db.session import db, transaction
from registry.domain import confusables
from registry.services.accounts import confusable_names
from tests.api.conftest import Try
from tests.api.hostile import names
from tests.api.hostile.case import Case
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


def test_a_name_against_the_rule_is_refused_and_makes_no_model(attempt: Try) -> None:
    cases = [Case(what, "POST", "/models", 422, "invalid", json={"name": name}) for what, name in names.REFUSED]

    assert attempt(cases) == []


def test_a_name_that_cannot_be_stored_is_malformed(attempt: Try) -> None:
    headers = [("Content-Type", "application/json")]
    cases = [Case(what, "POST", "/models", 400, "malformed", raw=raw, headers=headers) for what, raw in names.MALFORMED]

    assert attempt(cases) == []


def test_another_spelling_of_a_model_makes_no_second_one(attempt: Try) -> None:
    cases = [Case(what, "POST", "/models", 409, "already_exists", json={"name": name}) for what, name in names.TAKEN]

    assert attempt(cases) == []


def test_a_name_that_looks_like_a_model_in_other_letters_makes_none(attempt: Try) -> None:
    cases = [Case(what, "POST", "/models", 409, "conflict", json={"name": name}) for what, name in names.ALIKE]

    assert attempt(cases) == []


@pytest.mark.parametrize("mlflow", [False, True], ids=["native", "MLflow"])
def test_a_refusal_names_the_model_and_the_letters(api: Api, world: object, mlflow: bool) -> None:
    name, mlflow_api = "fr\u0430ud", MlflowApi(api.client, api.token)

    if mlflow:
        status, code, text = mlflow_api.refused("POST", "/registered-models/create", name=name)
        assert (status, code) == (409, "RESOURCE_CONFLICT")
    else:
        text = expect(409, api.post("/models", {"name": name}))["detail"]

    assert "looks like that of the model 'fraud'" in text
    assert "U+0430 CYRILLIC SMALL LETTER A" in text


def test_the_honest_name_is_refused_where_the_other_one_was_first(api: Api) -> None:
    expect(201, api.post("/models", {"name": "fr\u0430ud"}))

    assert "U+0430" in expect(409, api.post("/models", {"name": "fraud"}))["detail"]


def test_a_model_is_neither_renamed_nor_restored_to_look_like_another(api: Api, registry: RegistryBuilder) -> None:
    for name in ("fraud", "other", "\u0441hurn"):
        registry.create_model(name)
    expect(200, api.delete("/models/\u0441hurn"))
    registry.create_model("churn")

    _, code, text = MlflowApi(api.client, api.token).refused(
        "POST", "/registered-models/rename", name="other", new_name="fr\u0430ud"
    )

    assert (code, "'fraud'" in text) == ("RESOURCE_CONFLICT", True)
    assert "'churn'" in expect(409, api.post("/models/\u0441hurn/restore", {}))["detail"]
    assert (
        MlflowApi(api.client, api.token)(
            "POST", "/registered-models/rename", name="fraud", new_name="fr\u0430ud"
        ).status_code
        == 200
    )  # its own name is no rival


def test_a_row_that_an_earlier_release_wrote_or_renamed_is_compared_and_filled_in(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model("fraud")
    registry.create_model("old")
    MlflowApi(api.client, api.token).make("POST", "/registered-models/rename", name="old", new_name="churn")
    with app.app_context(), transaction() as session:
        session.execute(update(Model).where(Model.name == "fraud").values(look=None))
        session.execute(update(Model).where(Model.name == "churn").values(look=confusables.look("old")))
        session.execute(update(Account).values(look=None))

    refused = api.post("/models", {"name": "fr\u0430ud"})
    with app.app_context():
        filled, again = confusable_names.fill(), confusable_names.fill()

    assert refused.status_code == 409
    assert filled > 2
    assert again == 0
    assert [api.post("/models", {"name": name}).status_code for name in ("fr\u0430ud", "\u0441hurn")] == [409, 409]
    assert api.post("/tokens", {"owner": "\u0430ll", "roles": ["reader"]}).status_code == 422


@pytest.mark.parametrize("name", ["\u0441\u043e\u0440\u0443", "copy"])
def test_of_names_that_are_given_at_once_one_is_taken(
    database: Database, make_settings: Callable[..., Settings], name: str
) -> None:
    """No unique index could tell: those who name models wait for each other."""
    app = create_app(make_settings(database.url))
    spellings = [name, "\u0441opy", "c\u043epy", "co\u0440y"]

    def create(spelling: str) -> int:
        return Api(app.test_client(), database.tokens["all"]).post("/models", {"name": spelling}).status_code

    with ThreadPoolExecutor(len(spellings)) as pool:
        statuses = sorted(pool.map(create, spellings))

    assert statuses == [201, 409, 409, 409]
    with app.app_context():
        db.engine.dispose()


def test_a_legal_name_is_found_again_under_the_address_that_its_creation_gave(api: Api, world: object) -> None:
    wrong = []
    for what, name in names.LEGAL:
        created = api.post("/models", {"name": name})
        found = api.client.get(created.headers.get("Location", "/"), headers={"Authorization": f"Bearer {api.token}"})
        listed = api.get(f"/models?name={quote(name, safe='')}")
        told = [
            (reply.get_json() or {}).get("name") if reply.status_code in {200, 201} else reply.get_data(as_text=True)
            for reply in (created, found)
        ]
        if told != [name, name] or [item["name"] for item in listed.get_json()["items"]] != [name]:
            wrong.append(f"{what}: {told} {json.dumps(listed.get_json())[:200]}")

    assert wrong == []


def test_a_refused_name_says_which_field_and_why(api: Api) -> None:
    problem = expect(422, api.post("/models", {"name": "a\u200bb"}))

    assert "U+200B" in problem["errors"]["name"][0]
