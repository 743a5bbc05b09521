"""Every way into or out of production, as every role, in both lifecycles, through both faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from werkzeug.test import TestResponse

from registry.domain.access import GRANTABLE, Permission, Role, permissions_of
from tests.api.hostile import bodies
from tests.api.hostile.world import World
from tests.api.test_hostile_retries import WRITES
from tests.support.api import Api
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

PROMOTE, ROLLBACK = Permission.VERSION_PROMOTE, Permission.VERSION_ROLLBACK
WHY = {"reason": "why"}
# Those that may least come first: the last one may do everything, and does it.
COMBINATIONS = [[role] for role in sorted(GRANTABLE)] + [["admin", "writer"], ["admin", "promoter"]]


@dataclass(frozen=True, slots=True)
class Way:
    """``go`` is the attempt at a model; ``needs`` is what its actor must hold, beside what reading needs."""

    what: str
    lifecycles: str
    needs: set[Permission]
    go: Callable[[Api, MlflowApi, str], TestResponse]
    before: Callable[[RegistryBuilder, str], Any] = field(default=lambda registry, model: None)


def native(method: str, path: str, body: Any = None) -> Callable[[Api, MlflowApi, str], TestResponse]:
    return lambda api, mlflow_api, model: api(
        method, f"/models/{model}{path}", **({"json": body} if method != "DELETE" else {})
    )


def mlflow(method: str, path: str, **arguments: Any) -> Callable[[Api, MlflowApi, str], TestResponse]:
    return lambda api, mlflow_api, model: mlflow_api(
        method, path, name=model, **{key: str(value).format(model) for key, value in arguments.items()}
    )


def moved(stage: str, version: int, *, archive: bool = False) -> Callable[[Api, MlflowApi, str], TestResponse]:
    return lambda api, mlflow_api, model: mlflow_api.move(version, stage, archive=archive, name=model)


def delete(registry: RegistryBuilder, model: str) -> None:
    expect(200, registry.client.delete(f"/models/{model}"))


STAGE = {Permission.VERSION_STAGE, PROMOTE}
WAYS = [
    Way("archive", "enforced open", STAGE,
        native("PUT", "/versions/2/stage", {"stage": "archived", "leave_vacant": True, **WHY})),
    Way("demote to none", "open", STAGE, native("PUT", "/versions/2/stage", {"stage": "none", **WHY})),
    Way("demote to staging", "open", STAGE, native("PUT", "/versions/2/stage", {"stage": "staging", **WHY})),
    Way("promote", "enforced open", STAGE, native("PUT", "/versions/3/stage", {"stage": "production", **WHY})),
    Way("promote from none", "open", STAGE, native("PUT", "/versions/4/stage", {"stage": "production", **WHY})),
    Way("promote from archived", "open", STAGE, native("PUT", "/versions/1/stage", {"stage": "production", **WHY})),
    Way("roll back", "enforced open", {ROLLBACK}, native("POST", "/rollback", WHY)),
    Way("roll back to", "enforced open", {ROLLBACK}, native("POST", "/rollback", {"to": 1, **WHY})),
    Way("delete the version", "open", {Permission.VERSION_DELETE, PROMOTE}, native("DELETE", "/versions/2")),
    Way("delete the model", "open", {Permission.MODEL_DELETE, PROMOTE}, native("DELETE", "")),
    Way("restore the model", "open", {Permission.MODEL_DELETE, PROMOTE}, native("POST", "/restore", {}), delete),
    Way("MLflow: archive", "open", STAGE, moved("Archived", 2)),
    Way("MLflow: demote", "open", STAGE, moved("None", 2)),
    Way("MLflow: promote", "open", STAGE, moved("Production", 3)),
    Way("MLflow: promote alone", "enforced open", STAGE, moved("Production", 3, archive=True)),
    Way("MLflow: roll back", "enforced", {Permission.VERSION_STAGE, ROLLBACK}, moved("Production", 1, archive=True)),
    Way("MLflow: delete the version", "open", {Permission.VERSION_DELETE, PROMOTE},
        mlflow("DELETE", "/model-versions/delete", version="2")),
    Way("MLflow: delete the model", "open", {Permission.MODEL_DELETE, PROMOTE},
        mlflow("DELETE", "/registered-models/delete")),
    Way("MLflow: rename", "enforced open", {Permission.MODEL_RENAME, PROMOTE},
        mlflow("POST", "/registered-models/rename", new_name="{}-renamed")),
]  # fmt: skip
CASES = [pytest.param(way, lifecycle, id=f"{way.what}, {lifecycle}")
         for way in WAYS for lifecycle in way.lifecycles.split()]  # fmt: skip


@pytest.fixture
def callers(api: Api) -> list[tuple[set[Permission], Api, MlflowApi]]:
    """A caller with each combination of roles, and what it permits."""
    made = []
    for roles in COMBINATIONS:
        token = expect(201, api.post("/tokens", {"owner": "-".join(["some", *roles]), "roles": roles}))["token"]
        permissions = set(permissions_of(Role(role) for role in roles))
        made.append((permissions, Api(api.client, token), MlflowApi(api.client, token)))
    return made


def arrange(registry: RegistryBuilder, model: str, lifecycle: str) -> None:
    """1 archived by 2, which holds production; 3 in staging; 4 fresh."""
    files = [registry.file(b"the same bytes for all of them")]
    for number, stage in enumerate(("production", "production", "staging", "none")):
        registry.model(model).version(stage=stage, files=files, run={"system": "ci", "id": str(number)})
    if lifecycle == "open":
        expect(200, registry.client.patch(f"/models/{model}", {"lifecycle": "open"}))


def serving(api: Api, *models: str) -> dict[str, list[int]]:
    """What each name has in production; nothing where the model is deleted."""
    found = {}
    for model in models:
        response = api.get(f"/models/{model}")
        live = response.status_code == 200 and response.get_json()["deleted_at"] is None
        found[model] = response.get_json()["stages"]["production"] if live else []
    return found


@pytest.mark.share(3)
@pytest.mark.parametrize(("way", "lifecycle"), CASES)
def test_a_way_into_or_out_of_production_is_open_to_those_alone_who_may_promote(
    api: Api, registry: RegistryBuilder, callers: Any, way: Way, lifecycle: str
) -> None:
    arrange(registry, "fraud", lifecycle)
    way.before(registry, "fraud")
    names = ("fraud", "fraud-renamed")
    before, entries = serving(api, *names), registry.audit_entry_count()

    for permissions, caller, mlflow_api in callers:
        reply = way.go(caller, mlflow_api, "fraud")
        if way.needs <= permissions:
            assert reply.status_code == 200, reply.get_data(as_text=True)
            break
        assert reply.status_code == 403, (permissions, reply.get_data(as_text=True))
        assert serving(api, *names) == before
        assert registry.audit_entry_count() == entries
    else:
        pytest.fail("no caller was let through")

    assert serving(api, *names) != before


@pytest.mark.parametrize("role", ["admin", "writer"])
@pytest.mark.parametrize("lifecycle", ["enforced", "open"])
def test_no_write_of_someone_who_may_not_promote_changes_who_holds_production(
    api: Api, registry: RegistryBuilder, world: World, as_role: Any, lifecycle: str, role: str
) -> None:
    expect(200, api.patch("/models/fraud", {"lifecycle": lifecycle}))
    caller, models = as_role(role), ("fraud", "empty", "gone", "buried")
    before, wrong = serving(api, *models), []

    for write in [*deletions(), *WRITES]:
        path = write.path.format_map(dict(world.parts) | {"sent": "00000000-0000-0000-0000-000000000000"})
        reply = caller(write.method, path, **({} if write.body is None else {"json": write.body}))
        if serving(api, *models) != before:
            wrong.append(f"{write.method} {path}: {reply.status_code}")

    assert wrong == []


def deletions() -> Iterator[bodies.Operation]:
    """What deletes the holder, or what has it, and takes no body."""
    for path in ("/models/fraud/versions/2", "/models/fraud"):
        yield bodies.Operation("DELETE", path, bodies.ReasonBody, None)  # type: ignore[arg-type]  # it takes none


@pytest.mark.parametrize(("start", "end"), [("enforced", "open"), ("open", "enforced")])
def test_the_lifecycle_of_a_model_with_a_holder_is_for_admins_who_may_promote(
    api: Api, registry: RegistryBuilder, callers: Any, start: str, end: str
) -> None:
    arrange(registry, "fraud", start)

    for permissions, caller, _ in callers:
        reply = caller.patch("/models/fraud", {"lifecycle": end})
        allowed = {Permission.MODEL_LIFECYCLE, PROMOTE} <= permissions
        assert reply.status_code == (200 if allowed else 403), reply.get_data(as_text=True)
        if {Permission.MODEL_LIFECYCLE} <= permissions and not allowed:
            assert reply.get_json()["permission"] == PROMOTE
            assert "version 2 of 'fraud' holds production" in reply.get_json()["detail"]

    assert expect(200, api.get("/models/fraud"))["lifecycle"] == end


def test_an_admin_cannot_leave_production_by_way_of_the_lifecycle(
    api: Api, registry: RegistryBuilder, as_role: Any
) -> None:
    """Open the lifecycle, delete the version in production, and bring the lifecycle back."""
    arrange(registry, "fraud", "enforced")
    admin = as_role("admin")

    steps = [
        admin.patch("/models/fraud", {"lifecycle": "open"}),
        admin.delete("/models/fraud/versions/2"),
        admin.put("/models/fraud/versions/2/stage", {"stage": "none", **WHY}),
        admin.patch("/models/fraud", {"lifecycle": "enforced"}),
    ]

    assert [step.status_code for step in steps] == [403, 409, 403, 200]
    assert serving(api, "fraud") == {"fraud": [2]}


def test_without_a_holder_an_admin_changes_deletes_restores_and_renames_as_before(
    registry: RegistryBuilder, as_role: Any
) -> None:
    registry.model("fraud").version(stage="archived")
    admin = as_role("admin")

    assert expect(200, admin.patch("/models/fraud", {"lifecycle": "open"}))["lifecycle"] == "open"
    expect(200, admin.delete("/models/fraud/versions/1"))
    expect(200, admin.delete("/models/fraud"))
    expect(200, admin.post("/models/fraud/restore", {}))
    expect(
        200, MlflowApi(admin.client, admin.token)("POST", "/registered-models/rename", name="fraud", new_name="churn")
    )


def test_a_holder_in_a_deleted_model_is_not_purged(registry: RegistryBuilder, as_role: Any) -> None:
    arrange(registry, "fraud", "open")
    expect(200, registry.client.delete("/models/fraud"))

    refused = as_role("admin").post("/models/fraud/versions/2/purge", {"reason": "gone"})

    assert refused.status_code == 409
