"""Models through the API: created, described, edited, deleted, restored, and never confused with one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


def test_a_new_model_is_described_as_it_was_created(api: Api) -> None:
    body = {
        "name": "fraud",
        "description": "card payments",
        "tags": {"team": "risk", "tier": ""},
        "lifecycle": "open",
    }

    created = expect(201, api.post("/models", body))

    assert {key: created[key] for key in body} == body
    assert created == expect(200, api.get("/models/fraud"))
    assert (created["state"], created["latest_version"], created["deleted_at"]) == ("active", None, None)
    assert (created["stages"], created["aliases"]) == ({"staging": [], "production": []}, {})
    assert (created["created_by"], created["created_at"]) == ("all", created["updated_at"])


@pytest.mark.parametrize("name", ["fraud", "Käse & Brot, 100 %", "模型#1?"])
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "create-1"}], ids=["plain", "with a key"])
def test_the_reply_to_a_creation_says_where_the_model_is(api: Api, name: str, headers: dict[str, str]) -> None:
    response = api.post("/models", {"name": name}, headers=headers)

    found = api.get(response.headers["Location"].removeprefix("/api/v1"))

    assert expect(200, found) == expect(201, response)
    assert found.headers["ETag"] == response.headers["ETag"]


@pytest.mark.parametrize(
    ("first", "second"),
    [("fraud", "fraud"), ("fraud", "FRAUD"), ("fraud", "ｆｒａｕｄ"), ("straße", "STRASSE"), ("ﬁre", "fire")],
)
def test_names_that_look_alike_are_one_name(api: Api, registry: RegistryBuilder, first: str, second: str) -> None:
    registry.create_model(first)

    problem = expect(409, api.post("/models", {"name": second}))

    assert problem["code"] == "already_exists"
    assert [item["name"] for item in expect(200, api.get("/models"))["items"]] == [first]


def test_a_new_name_does_not_read_as_a_reference_but_an_imported_one_may(api: Api) -> None:
    for name in ("x@y", "x@latest", "p#production", "p#Staging"):
        refused = expect(422, api.post("/models", {"name": name}))
        assert "reads as a version of the model" in refused["errors"]["name"][0], name
        expect(404, api.get(f"/models/{quote(name)}"))

    for name in ("team@7", "c#", "c#sharp", "team@a b"):
        expect(201, api.post("/models", {"name": name}))
    imported = expect(201, api.post("/models", {"name": "x@y", "claimed": {"registry": "elsewhere"}}))
    assert imported["name"] == "x@y"


def test_a_name_is_found_only_as_it_is_written(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("Fraud")

    response = api.get("/models/fraud")

    assert expect(404, response)["code"] == "not_found"


def test_an_edit_changes_what_it_names_and_leaves_the_rest(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model(description="old", tags={"team": "risk", "tier": "1", "gone": "soon"})

    edited = expect(200, api.patch("/models/fraud", {"tags": {"tier": "2", "gone": None, "new": "x", "never": None}}))

    assert edited["tags"] == {"team": "risk", "tier": "2", "new": "x"}
    assert edited["description"] == "old"
    assert edited == expect(200, api.get("/models/fraud"))


def test_a_cleared_description_is_recorded_in_history(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model(description="old")

    edited = expect(200, api.patch("/models/fraud", {"description": "", "reason": "wrong model"}))

    assert edited["description"] == ""
    entry = expect(200, api.get("/models/fraud/history"))["items"][0]
    assert (entry["action"], entry["texts"], entry["reason"]) == ("model.edited", {"description": ""}, "wrong model")


def test_an_edit_that_names_nothing_writes_nothing(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    before = api.get("/models/fraud").headers["ETag"], registry.audit_entry_count()

    edited = expect(200, api.patch("/models/fraud", {}))

    assert edited["name"] == "fraud"
    assert (api.get("/models/fraud").headers["ETag"], registry.audit_entry_count()) == before


def test_a_hundred_tags_are_taken_and_no_more(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model(tags={f"key {number}": "value" for number in range(100)})

    problem = expect(422, api.patch("/models/fraud", {"tags": {"one more": "value"}}))

    assert problem["errors"] == {"tags": ["must be 100 at most"]}
    assert len(expect(200, api.get("/models/fraud"))["tags"]) == 100


def test_models_are_listed_by_name_bytewise(api: Api, registry: RegistryBuilder) -> None:
    names = ["B", "a", "ä", "Z", "c"]
    for name in names:
        registry.create_model(name)

    listed = expect(200, api.get("/models"))["items"]

    assert [item["name"] for item in listed] == sorted(names, key=str.encode)
    assert listed[0] == expect(200, api.get("/models/B"))


@pytest.mark.parametrize(
    ("query", "names"),
    [("", ["a", "b"]), ("?deleted=false", ["a", "b"]), ("?deleted=true", ["gone"]), ("?name=b", ["b"]),
     ("?name=gone", []), ("?name=gone&deleted=true", ["gone"])],
)  # fmt: skip
def test_a_list_of_models_is_narrowed(api: Api, registry: RegistryBuilder, query: str, names: list[str]) -> None:
    for name in ["a", "b", "gone"]:
        registry.create_model(name)
    expect(200, api.delete("/models/gone"))

    listed = expect(200, api.get(f"/models{query}"))

    assert [item["name"] for item in listed["items"]] == names


@pytest.mark.parametrize("stage", ["staging", "production"])
def test_a_model_that_serves_cannot_be_deleted(api: Api, registry: RegistryBuilder, stage: str) -> None:
    registry.model("fraud").version(stage=stage)
    before = registry.audit_entry_count()

    problem = expect(409, api.delete("/models/fraud"))

    assert problem["code"] == "in_use"
    assert expect(200, api.get("/models/fraud"))["state"] == "active"
    assert registry.audit_entry_count() == before


def test_a_model_from_which_another_derives_cannot_be_deleted(api: Api, registry: RegistryBuilder) -> None:
    registry.model("base").version()
    registry.model("tuned").version(parents=[{"model": "base", "version": 1}])

    problem = expect(409, api.delete("/models/base"))

    assert problem["code"] == "in_use"
    assert "tuned:1" in problem["detail"]


def test_a_model_from_which_only_its_own_versions_derive_can_be_deleted(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    registry.model("fraud").version(parents=[{"model": "fraud", "version": 1}])

    deleted = expect(200, api.delete("/models/fraud"))

    assert deleted["state"] == "deleted"


def test_a_deleted_model_stays_readable(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="archived")
    registry.model("fraud").version(aliases=["champion"])

    deleted = expect(200, api.delete("/models/fraud?reason=replaced"))

    assert deleted["deleted_at"] == deleted["updated_at"]
    assert deleted == expect(200, api.get("/models/fraud"))
    assert [item["number"] for item in expect(200, api.get("/models/fraud/versions"))["items"]] == [2, 1]
    assert expect(200, api.get("/models/fraud/versions/1"))["stage"] == "archived"
    assert expect(200, api.get("/models/fraud/aliases/champion"))["number"] == 2
    entry = expect(200, api.get("/models/fraud/history"))["items"][0]
    assert (entry["action"], entry["reason"]) == ("model.deleted", "replaced")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"description": "x"}),
        ("DELETE", "", None),
        ("POST", "/rollback", {"reason": "x"}),
        ("POST", "/rollback", {"reason": "x", "dry_run": True}),
        ("PATCH", "/versions/1", {"description": "x"}),
        ("DELETE", "/versions/1", None),
        ("POST", "/versions/1/restore", {}),
        ("POST", "/versions/1/metrics", {"metrics": {"auc": 1}}),
        ("PUT", "/versions/1/stage", {"stage": "staging", "reason": "x"}),
        ("PUT", "/versions/1/stage", {"stage": "staging", "reason": "x", "dry_run": True}),
        ("PUT", "/aliases/champion", {"version": 1}),
        ("DELETE", "/aliases/champion", None),
    ],
)
def test_nothing_of_a_deleted_model_can_be_changed(
    api: Api, registry: RegistryBuilder, method: str, path: str, body: dict[str, Any] | None
) -> None:
    registry.model("fraud").version(aliases=["champion"])
    expect(200, api.delete("/models/fraud"))
    before = registry.audit_entry_count()

    problem = expect(409, api(method, f"/models/fraud{path}", json=body))

    assert problem["code"] == "conflict"
    assert "restore" in problem["detail"]
    assert registry.audit_entry_count() == before


def test_a_restored_model_is_as_it_was(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(aliases=["champion"])
    before = expect(200, api.get("/models/fraud"))
    expect(200, api.delete("/models/fraud"))

    restored = expect(200, api.post("/models/fraud/restore", {"reason": "a mistake"}))

    assert {**restored, "updated_at": ""} == {**before, "updated_at": ""}
    assert registry.model("fraud").actions()[-2:] == ["model.deleted", "model.restored"]
    assert registry.model("fraud").version() == 2


def test_a_model_that_was_never_deleted_cannot_be_restored(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()

    problem = expect(409, api.post("/models/fraud/restore", {}))

    assert problem["code"] == "conflict"


@pytest.mark.parametrize("name", ["fraud", "FRAUD"])
def test_a_new_model_of_a_deleted_name_goes_on_counting(api: Api, registry: RegistryBuilder, name: str) -> None:
    registry.model("fraud").version()
    registry.model("fraud").version()
    expect(200, api.delete("/models/fraud"))

    again = registry.create_model(name)

    assert (again["latest_version"], again["stages"], again["aliases"]) == (None, {"staging": [], "production": []}, {})
    assert registry.model(name).version() == 3


@pytest.mark.parametrize("name", ["fraud", "FRAUD"])
def test_a_deleted_model_is_not_restored_while_a_successor_has_its_name(
    api: Api, registry: RegistryBuilder, name: str
) -> None:
    registry.model("fraud").version()
    expect(200, api.delete("/models/fraud"))
    registry.create_model(name)

    problem = expect(409, api.post("/models/fraud/restore", {}))

    assert problem["code"] == "conflict"
    assert [item["name"] for item in expect(200, api.get("/models"))["items"]] == [name]


def test_numbers_go_on_through_any_series_of_deletions_and_restorations(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    expect(200, api.delete("/models/fraud"))
    numbers = [registry.model("FRAUD").version(), registry.model("FRAUD").version()]
    expect(200, api.delete("/models/FRAUD"))

    expect(200, api.post("/models/fraud/restore", {}))

    assert numbers == [2, 3]
    assert registry.model("fraud").version() == 4
    assert expect(200, api.get("/models/FRAUD/versions/3"))["model"] == "FRAUD"


def test_what_a_deleted_model_said_of_a_version_is_found_under_its_name(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(description="of the first")
    expect(200, api.delete("/models/fraud"))
    registry.create_model()
    registry.model("fraud").version(description="of the second")

    first, second = (expect(200, api.get(f"/models/fraud/versions/{number}")) for number in (1, 2))

    assert (first["description"], second["description"]) == ("of the first", "of the second")
    assert [item["number"] for item in expect(200, api.get("/models/fraud/versions"))["items"]] == [2]
    assert registry.model("fraud").actions() == [
        "model.created",
        "version.registered",
        "model.deleted",
        "model.created",
        "version.registered",
    ]


def test_the_default_lifecycle_is_enforced(api: Api) -> None:
    response = api.post("/models", {"name": "fraud"})

    assert expect(201, response)["lifecycle"] == "enforced"


@pytest.mark.parametrize("role", ["writer", "promoter"])
def test_only_an_admin_decides_about_the_lifecycle(
    registry: RegistryBuilder, as_role: Callable[[str], Api], role: str
) -> None:
    registry.create_model()
    api = as_role(role)

    problems = [
        expect(403, api.patch("/models/fraud", {"lifecycle": "open"})),
        expect(403, api.post("/models", {"name": "other", "lifecycle": "open"})),
    ]

    assert {problem["permission"] for problem in problems} == {"model:lifecycle"}
    assert expect(200, as_role("admin").patch("/models/fraud", {"lifecycle": "open"}))["lifecycle"] == "open"


def test_a_change_of_the_lifecycle_is_recorded_with_both_sides(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()

    expect(200, api.patch("/models/fraud", {"lifecycle": "open", "reason": "migration"}))

    entry = expect(200, api.get("/models/fraud/history"))["items"][0]
    assert (entry["before"], entry["after"]) == ({"lifecycle": "enforced"}, {"lifecycle": "open"})
    assert entry["reason"] == "migration"


def test_an_open_lifecycle_with_several_production_holders_cannot_be_enforced(
    api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model(lifecycle="open")
    for number in (1, 2):
        registry.model("fraud").version()
        registry.model("fraud").move(number, "production")
    before = registry.audit_entry_count()

    problem = expect(409, api.patch("/models/fraud", {"lifecycle": "enforced"}))

    assert problem["code"] == "conflict"
    assert "versions 1, 2 hold production" in problem["detail"]
    assert expect(200, api.get("/models/fraud"))["lifecycle"] == "open"
    assert registry.audit_entry_count() == before


def test_an_open_lifecycle_with_one_production_holder_is_enforced_from_then_on(
    api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model(lifecycle="open")
    for number in (1, 2):
        registry.model("fraud").version()
        registry.model("fraud").move(number, "production")
    registry.model("fraud").move(1, "archived")
    expect(200, api.patch("/models/fraud", {"lifecycle": "enforced"}))

    registry.model("fraud").version(stage="production")

    assert registry.model("fraud").stages() == {1: "archived", 2: "archived", 3: "production"}


def test_an_enforced_lifecycle_can_be_opened_while_a_version_serves(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version()
    expect(200, api.patch("/models/fraud", {"lifecycle": "open"}))

    registry.model("fraud").move(2, "production")

    assert expect(200, api.get("/models/fraud"))["stages"]["production"] == [1, 2]


def test_a_name_with_every_character_of_an_address_is_one_part_of_it(api: Api, registry: RegistryBuilder) -> None:
    name = "a b?c#d%e&f=g+h;i@j\\k"
    registry.create_model(name)

    document = expect(200, api.get(f"/models/{quote(name, safe='')}"))

    assert document["name"] == name
