"""What happened to a model and to a version, and why: complete, ordered, searchable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

TICK = timedelta(microseconds=1)


def history(api: Api, path: str = "", **query: Any) -> list[dict[str, Any]]:
    """The entries, newest first."""
    document = expect(200, api.get(f"/models/fraud{path}/history", query_string={"limit": 200, **query}))
    assert document["next_cursor"] is None
    items: list[dict[str, Any]] = document["items"]
    return items


def actions(api: Api, path: str = "", **query: Any) -> list[str]:
    """What happened, oldest first."""
    return [entry["action"] for entry in reversed(history(api, path, **query))]


@pytest.fixture
def _a_life(api: Api, registry: RegistryBuilder) -> None:
    """Everything that can happen to a model and its versions, once."""
    registry.create_model(description="new")
    registry.model("fraud").version()
    registry.model("fraud").version()
    expect(201, api.put("/models/fraud/aliases/champion", {"version": 1, "reason": "first"}))
    expect(200, api.delete("/models/fraud/aliases/champion?reason=last"))
    expect(201, api.post("/models/fraud/versions/1/metrics", {"metrics": {"auc": 0.5}}))
    expect(200, api.patch("/models/fraud/versions/1", {"description": "words"}))
    for number, stage in ((1, "staging"), (1, "none"), (1, "staging"), (1, "production"), (2, "archived"),
                          (2, "staging"), (2, "production")):  # fmt: skip
        registry.model("fraud").move(number, stage)
    registry.model("fraud").rollback()
    registry.model("fraud").move(1, "archived", leave_vacant=True)
    expect(200, api.delete("/models/fraud/versions/2?reason=slow"))
    expect(200, api.post("/models/fraud/versions/2/restore", {"reason": "after all"}))
    expect(200, api.patch("/models/fraud", {"tags": {"team": "risk"}}))
    expect(200, api.delete("/models/fraud"))
    expect(200, api.post("/models/fraud/restore", {}))


@pytest.mark.usefixtures("_a_life")
def test_everything_that_happened_is_recorded_once(api: Api) -> None:
    told = actions(api)

    assert told == [
        "model.created", "version.registered", "version.registered", "alias.set", "alias.deleted", "version.measured",
        "version.edited", "version.promoted", "version.demoted", "version.promoted", "version.promoted",
        "version.archived", "version.restored", "version.promoted", "version.rolled_back", "version.archived",
        "version.deleted", "version.undeleted", "model.edited", "model.deleted", "model.restored",
    ]  # fmt: skip


@pytest.mark.usefixtures("_a_life")
def test_a_versions_history_is_what_touched_it_and_no_more(api: Api) -> None:
    first, second = actions(api, "/versions/1"), actions(api, "/versions/2")

    assert first == [
        "version.registered", "alias.set", "alias.deleted", "version.measured", "version.edited", "version.promoted",
        "version.demoted", "version.promoted", "version.promoted", "version.promoted", "version.rolled_back",
        "version.archived",
    ]  # fmt: skip
    assert second == [
        "version.registered", "version.archived", "version.restored", "version.promoted", "version.rolled_back",
        "version.deleted", "version.undeleted",
    ]  # fmt: skip


@pytest.mark.usefixtures("_a_life")
def test_the_other_version_of_a_move_is_named(api: Api) -> None:
    entries = [entry for entry in reversed(history(api)) if entry["related_version"] is not None]

    named = [(entry["action"], entry["version"], entry["related_version"]) for entry in entries]

    assert named == [("version.promoted", 2, 1), ("version.rolled_back", 1, 2)]
    assert all(entry in history(api, f"/versions/{number}") for entry in entries for number in (1, 2))


@pytest.mark.usefixtures("_a_life")
def test_entries_are_numbered_without_a_gap_and_never_stamped_backwards(api: Api) -> None:
    entries = history(api)[::-1]

    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    stamps = [entry["at"] for entry in entries]
    assert stamps == sorted(set(stamps))
    assert len({entry["aggregate"] for entry in entries}) == 1
    links = [entry["previous_hash"] for entry in entries]
    assert links == ["", *(entry["leaf_hash"] for entry in entries[:-1])]


def test_an_entry_says_who_when_what_and_why(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    me = expect(200, api.get("/me"))
    moved = api.put(
        "/models/fraud/versions/1/stage", {"stage": "staging", "reason": "naïve “reason”\nof two lines"},
        headers={"X-Request-Id": "deploy-7"},
    )  # fmt: skip

    entry = history(api)[0]

    version = expect(200, moved)["version"]
    credential = {"credential": me["token"]["id"], "issuer": "local-dev"}
    assert entry["actor"] == {"id": me["id"], "name": "all", "kind": "user"} | credential
    assert (entry["at"], entry["action"]) == (moved.get_json()["at"], "version.promoted")
    assert (entry["model"], entry["version"], entry["related_version"]) == ("fraud", 1, None)
    assert (entry["before"], entry["after"]) == ({"stage": "none"}, {"stage": "staging"})
    assert (entry["reason"], entry["texts"]) == ("naïve “reason”\nof two lines", {})
    assert (entry["client_request_id"], entry["token"]) == ("deploy-7", None)
    assert entry["request_id"] == moved.headers["X-Request-Id"]
    assert entry["digests"] == {"manifest": version["manifest_digest"]}


def test_a_registration_is_tied_to_its_manifest_and_its_lineage(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(run={"system": "ci", "id": "1"}, description="words", tags={"team": "risk"})
    registry.model("fraud").version(run={"system": "ci", "id": "2"})

    second, first = history(api, action="version.registered")

    assert set(first["digests"]) == {"manifest", "lineage"}
    assert first["digests"]["manifest"] == expect(200, api.get("/models/fraud/versions/1"))["manifest_digest"]
    assert first["digests"]["lineage"] != second["digests"]["lineage"]
    assert (first["texts"], second["texts"]) == ({"description": "words", "tags": '{"team": "risk"}'}, {})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"action": "version.promoted"}, ["version.promoted"] * 2),
        ({"action": "version.restored"}, []),
        ({"actor": "promoter"}, ["version.promoted"]),
        ({"actor": "all", "action": "version.promoted"}, ["version.promoted"]),
        ({"actor": "system"}, []),
        ({"since": "2999-01-01T00:00:00Z"}, []),
        ({"until": "2020-01-01T00:00:00Z"}, []),
    ],
)
def test_history_is_narrowed(
    api: Api, registry: RegistryBuilder, as_role: Callable[[str], Api], query: dict[str, str], expected: list[str]
) -> None:
    registry.model("fraud").version(stage="staging")
    expect(200, as_role("promoter").put("/models/fraud/versions/1/stage", {"stage": "production", "reason": "why"}))

    found = [actions(api, path, **query) for path in ("", "/versions/1")]

    assert found == [expected, expected]


@pytest.mark.parametrize("path", ["", "/versions/1"])
def test_a_span_of_time_begins_with_its_first_instant_and_ends_before_its_last(
    api: Api, registry: RegistryBuilder, path: str
) -> None:
    registry.model("fraud").version(stage="production")
    moment = history(api, action="version.promoted")[1]["at"]
    before = (datetime.fromisoformat(moment) - TICK).isoformat()
    after = (datetime.fromisoformat(moment) + TICK).isoformat()

    found = [
        len(history(api, path, since=since, until=until, action="version.promoted"))
        for since, until in ((moment, after), (before, moment), (after, after), (before, after))
    ]

    assert found == [1, 0, 0, 1]


def test_histories_of_two_models_do_not_mix(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="staging")
    registry.model("other").version(stage="archived")

    found = {entry["model"] for entry in history(api)}

    assert found == {"fraud"}


def test_the_history_of_a_deleted_version_stays(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    expect(200, api.delete("/models/fraud/versions/1"))

    told = actions(api, "/versions/1")

    assert told == ["version.registered", "version.deleted"]


def test_what_was_refused_is_no_history(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    before = history(api)
    expect(409, api.put("/models/fraud/versions/1/stage", {"stage": "production", "reason": "x"}))
    expect(409, api.post("/models/fraud/rollback", {"reason": "x"}))
    expect(404, api.delete("/models/fraud/aliases/none"))
    expect(422, api.patch("/models/fraud", {"unknown": 1}))

    after = history(api)

    assert after == before


@pytest.mark.parametrize("path", ["/models/none/history", "/models/fraud/versions/9/history"])
def test_the_history_of_nothing_is_not_found(api: Api, registry: RegistryBuilder, path: str) -> None:
    registry.model("fraud").version()

    response = api.get(path)

    assert expect(404, response)["code"] == "not_found"
