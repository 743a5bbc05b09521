"""What an alias may point at, who moves a protected one, and aliases that wait for their version."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from registry.app import create_app
from registry.config import Settings
from registry.db.models import Version
from registry.db.session import db, transaction
from registry.domain.access import GRANTABLE
from tests.api.test_pending_versions import register, whole
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder, in_process
from tests.support.replies import expect

CHAMPION = "/models/fraud/aliases/champion"
PROTECTION = f"{CHAMPION}/protection"


@pytest.fixture
def app(in_parts: Flask) -> Flask:
    return in_parts


@pytest.fixture
def settled(database: Database, make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Flask]]:
    """Makes an app in which ``champion`` is protected in every model; keywords change its settings."""
    made = []

    def make(**changes: Any) -> Flask:
        made.append(create_app(make_settings(database.url, protected_aliases=("champion",), **changes)))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


def pending(api: Api, registry: RegistryBuilder, **fields: Any) -> int:
    """Register a version whose bytes a worker is to read back; its number."""
    content = uuid.uuid4().hex.encode() * 110
    whole(api, registry, content)
    version = expect(201, register(api, content, **fields))["version"]
    assert version["state"] == "pending"
    number: int = version["number"]
    return number


def be(app: Flask, number: int, state: str) -> None:
    """Give a version a state, as a worker would have done."""
    with app.app_context(), transaction() as session:
        session.execute(update(Version).where(Version.number == number).values(state=state))


def champion(api: Api) -> int | None:
    """Where the alias points."""
    response = api.get(CHAMPION)
    return None if response.status_code == 404 else expect(200, response)["number"]


def entries(api: Api, action: str) -> list[dict[str, Any]]:
    items = expect(200, api.get(f"/models/fraud/history?limit=200&action={action}"))["items"]
    return list(reversed(items))


# What each state of a version gets: (an alias, a protected alias).
FATES = {"ready": (201, 201), "unverified": (201, 409), "pending": (409, 409), "failed": (409, 409)}


@pytest.mark.parametrize("state", FATES)
@pytest.mark.parametrize("protected", [False, True])
def test_an_alias_points_at_no_failed_or_pending_version_and_a_protected_one_at_ready_ones_only(
    app: Flask, api: Api, registry: RegistryBuilder, state: str, protected: bool
) -> None:
    registry.model("fraud").version()
    registry.model("fraud").version()
    if protected:
        expect(200, api.put(PROTECTION, {}))
    be(app, 1, state)
    mlflow_api, entries = MlflowApi(api.client, api.token), registry.audit_entry_count()

    reply = api.put(CHAMPION, {"version": 1})
    told = mlflow_api("POST", "/registered-models/alias", name="fraud", alias="champion", version="1")

    assert reply.status_code == FATES[state][protected]
    assert (reply.get_json().get("code") == "not_ready") == (reply.status_code == 409)
    assert told.status_code == {201: 200, 409: 400}[reply.status_code]
    assert champion(api) == (1 if reply.status_code == 201 else None)
    assert registry.audit_entry_count() == entries + (reply.status_code == 201)


def test_an_alias_on_an_unverified_version_is_shown_as_such_wherever_it_is_resolved(
    api: Api, registry: RegistryBuilder
) -> None:
    mlflow_api = MlflowApi(api.client, api.token)
    registry.create_model()
    assert "status_message" not in mlflow_api.registry.model("fraud").register()
    expect(201, api.put(CHAMPION, {"version": 1}))

    shown, [listed] = expect(200, api.get(CHAMPION)), expect(200, api.get("/models/fraud/aliases"))["items"]
    resolved = mlflow_api.make("GET", "/registered-models/alias", name="fraud", alias="champion")["model_version"]

    assert (shown["state"], listed["state"]) == ("unverified", "unverified")
    assert resolved["status_message"].startswith("unverified: ")
    assert mlflow_api.get(1)["status_message"] == resolved["status_message"]


# Each tries to move, create or end the alias ``champion`` of fraud, which points at 1, or to end its protection.
ATTEMPTS: dict[str, Callable[[Api, MlflowApi, RegistryBuilder], Any]] = {
    "move": lambda api, mlflow_api, registry: api.put(CHAMPION, {"version": 2}),
    "stay": lambda api, mlflow_api, registry: api.put(CHAMPION, {"version": 1}),
    "delete": lambda api, mlflow_api, registry: api.delete(CHAMPION),
    "another case": lambda api, mlflow_api, registry: api.put("/models/fraud/aliases/Champion", {"version": 2}),
    "register": lambda api, mlflow_api, registry: api.post(
        "/models/fraud/versions", {"files": [registry.file()], "aliases": ["champion"]}
    ),
    "import": lambda api, mlflow_api, registry: api.post(
        "/models/fraud/imports", {"source": "https://sources.test/models/a", "aliases": ["champion"]}
    ),
    "MLflow: move": lambda api, mlflow_api, registry: mlflow_api(
        "POST", "/registered-models/alias", name="fraud", alias="champion", version="2"
    ),
    "MLflow: delete": lambda api, mlflow_api, registry: mlflow_api(
        "DELETE", "/registered-models/alias", name="fraud", alias="champion"
    ),
    "MLflow: rename": lambda api, mlflow_api, registry: mlflow_api(
        "POST", "/registered-models/rename", name="fraud", new_name="renamed"
    ),
    "MLflow: delete the model": lambda api, mlflow_api, registry: mlflow_api(
        "DELETE", "/registered-models/delete", name="fraud"
    ),
    "MLflow: delete the version": lambda api, mlflow_api, registry: mlflow_api(
        "DELETE", "/model-versions/delete", name="fraud", version="1"
    ),
    "delete the version": lambda api, mlflow_api, registry: api.delete("/models/fraud/versions/1"),
    "delete the model": lambda api, mlflow_api, registry: api.delete("/models/fraud"),
    "protect": lambda api, mlflow_api, registry: api.put(PROTECTION, {}),
    "unprotect": lambda api, mlflow_api, registry: api.delete(PROTECTION),
}


@pytest.mark.parametrize("everywhere", [False, True], ids=["in the model", "by the settings"])
@pytest.mark.parametrize("lifecycle", ["enforced", "open"])
def test_a_protected_alias_is_moved_by_those_alone_who_may_promote(
    api: Api, registry: RegistryBuilder, database: Database, settled: Any, lifecycle: str, everywhere: bool
) -> None:
    registry.create_model(lifecycle=lifecycle)
    registry.model("fraud").version(aliases=["champion"])
    registry.model("fraud").version()
    client = settled().test_client() if everywhere else api.client
    if not everywhere:
        expect(200, api.put(PROTECTION, {"reason": "served from it"}))
    before, models, wrong = expect(200, api.get(CHAMPION)), expect(200, api.get("/models"))["items"], []

    for role in sorted(GRANTABLE - {"promoter"}):
        caller = Api(client, database.tokens[role])
        for what, attempt in ATTEMPTS.items():
            reply = attempt(caller, MlflowApi(client, caller.token), registry)
            in_use = "delete the version" in what and lifecycle == "enforced" and role == "admin"
            if reply.status_code not in ({400, 409} if in_use else {403}):
                wrong.append(f"{what} as {role}: {reply.status_code} {reply.get_data(as_text=True)}")

    assert wrong == []
    assert expect(200, api.get(CHAMPION)) == before
    assert expect(200, api.get("/models"))["items"] == models
    promoter = Api(client, database.tokens["promoter"])
    document = expect(200, promoter.get(CHAMPION))
    assert (document["protected"], document["number"]) == (True, 1)
    assert expect(200, promoter.put(CHAMPION, {"version": 2}))["number"] == 2
    expect(200, promoter.delete(CHAMPION))
    expect(
        201, promoter.post("/models/fraud/versions", {"files": [in_process(promoter).file()], "aliases": ["champion"]})
    )


def test_a_model_with_a_protected_alias_comes_back_by_those_who_may_promote(
    api: Api, registry: RegistryBuilder, as_role: Any
) -> None:
    registry.model("fraud").version(aliases=["champion"])
    expect(200, api.put(PROTECTION, {}))
    expect(200, api.delete("/models/fraud"))

    refused = as_role("admin").post("/models/fraud/restore", {})

    assert "the alias 'champion' of 'fraud' is protected" in expect(403, refused)["detail"]
    expect(200, api.post("/models/fraud/restore", {}))


def test_protection_is_shown_recorded_and_ended(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(aliases=["champion"])

    done = [
        expect(200, api.put(PROTECTION, {"reason": "served"})),
        expect(200, api.put(PROTECTION, {})),
        expect(200, api.put("/models/fraud/aliases/stable/protection", {})),
    ]
    protected = expect(200, api.get("/models/fraud"))["protected_aliases"]
    ended = [expect(200, api.delete(f"{PROTECTION}?reason=retired")), expect(200, api.delete(PROTECTION))]

    assert [(one["alias"], one["protected"], one["changed"]) for one in done] == [
        ("champion", True, True), ("champion", True, False), ("stable", True, True),
    ]  # fmt: skip
    assert protected == ["champion", "stable"]
    assert [(one["protected"], one["changed"]) for one in ended] == [(False, True), (False, False)]
    assert expect(200, api.get("/models/fraud"))["protected_aliases"] == ["stable"]
    assert [
        (entry["before"], entry["after"], entry["reason"])
        for action in ("alias.protected", "alias.unprotected")
        for entry in entries(api, action)
    ] == [
        ({"protected_aliases": []}, {"protected_aliases": ["champion"]}, "served"),
        ({"protected_aliases": ["champion"]}, {"protected_aliases": ["champion", "stable"]}, None),
        ({"protected_aliases": ["champion", "stable"]}, {"protected_aliases": ["stable"]}, "retired"),
    ]


@pytest.mark.parametrize("state", ["unverified", "pending", "failed"])
def test_an_alias_on_a_version_that_is_not_ready_is_not_protected(
    app: Flask, api: Api, registry: RegistryBuilder, state: str
) -> None:
    registry.model("fraud").version(aliases=["Champion"])
    be(app, 1, state)

    refused = expect(409, api.put(PROTECTION, {}))

    assert refused["code"] == "not_ready"
    assert f"'Champion' of 'fraud' points at version 1, which is {state}" in refused["detail"]


def test_what_the_settings_protect_no_model_gives_up(
    registry: RegistryBuilder, database: Database, settled: Any
) -> None:
    registry.create_model()
    api = Api(settled().test_client(), database.tokens["promoter"])

    assert expect(200, api.put(PROTECTION, {}))["changed"] is False
    assert "REGISTRY_PROTECTED_ALIASES" in expect(409, api.delete(PROTECTION))["detail"]


def test_a_model_protects_a_hundred_aliases_at_most(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    for number in range(100):
        expect(200, api.put(f"/models/fraud/aliases/a{number}/protection", {}))

    assert "at most 100" in expect(422, api.put(PROTECTION, {}))["detail"]


def test_a_prompt_is_led_from_a_protected_alias_to_one_that_it_can_have(
    settled: Callable[..., Flask], database: Database
) -> None:
    """It has no bytes to register."""
    app = settled()
    api, mlflow_api = (
        Api(app.test_client(), database.tokens["all"]),
        MlflowApi(app.test_client(), database.tokens["all"]),
    )
    prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    mlflow_api.registry.create_model("greeting", tags=prompt)
    mlflow_api.registry.model("greeting").register(source="dummy-source", tags=prompt)
    expect(200, api.put("/models/greeting/aliases/stable/protection", {}))

    stable = expect(409, api.put("/models/greeting/aliases/stable", {"version": 1}))["detail"]
    champion = mlflow_api.refused("POST", "/registered-models/alias", name="greeting", alias="champion", version="1")[2]

    assert "a prompt has no files that could be verified" in stable
    assert "registry alias unprotect greeting stable" in stable
    assert "take 'champion' out of REGISTRY_PROTECTED_ALIASES" in champion
    expect(201, api.put("/models/greeting/aliases/current", {"version": 1}))
