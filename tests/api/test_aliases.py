"""Aliases through the API: movable, compared and set, with a history that answers for any instant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

CHAMPION = "/models/fraud/aliases/champion"
TICK = timedelta(microseconds=1)


def point(api: Api, number: int, **terms: Any) -> dict[str, Any]:
    return expect(None, api.put(CHAMPION, {"version": number, **terms}))


def at(api: Api, instant: str, by: timedelta = timedelta()) -> int | None:
    """Where the alias pointed; None for nowhere."""
    moment = (datetime.fromisoformat(instant) + by).isoformat()
    response = api.get(CHAMPION, query_string={"as_of": moment})
    return None if response.status_code == 404 else expect(200, response)["number"]


@pytest.fixture(autouse=True)
def _two_versions(registry: RegistryBuilder) -> None:
    for files in registry.different_files(2):
        registry.model("fraud").version(files=files)


def test_a_new_alias_is_created_and_an_old_one_moved(api: Api, registry: RegistryBuilder) -> None:
    created, moved = (api.put(CHAMPION, {"version": number, "reason": f"because {number}"}) for number in (1, 2))

    assert (created.status_code, moved.status_code) == (201, 200)
    version = expect(200, api.get("/models/fraud/versions/2"))
    assert moved.get_json() == {
        "model": "fraud",
        "alias": "champion",
        "number": 2,
        "manifest_digest": version["manifest_digest"],
        "since": version["updated_at"],
        "until": None,
        "entry": expect(200, api.get("/models/fraud/history?limit=1"))["items"][0]["id"],
        "actor": "all",
        "reason": "because 2",
        "break_glass": None,
        "holds": [],
        "state": "ready",
        "protected": False,
    }
    assert expect(200, api.get(CHAMPION)) == moved.get_json()
    assert expect(200, api.get("/models/fraud"))["aliases"] == {"champion": 2}
    assert [expect(200, api.get(f"/models/fraud/versions/{n}"))["aliases"] for n in (1, 2)] == [[], ["champion"]]


def test_history_shows_which_alias_moved_from_where_to_where(api: Api, registry: RegistryBuilder) -> None:
    point(api, 1)
    point(api, 2, reason="better")
    expect(200, api.delete(f"{CHAMPION}?reason=retired"))

    entries = expect(200, api.get("/models/fraud/history?limit=3"))["items"][::-1]

    told = [(entry["action"], entry["version"], entry["before"], entry["after"], entry["reason"]) for entry in entries]
    assert told == [
        ("alias.set", 1, {"aliases": {"champion": None}}, {"aliases": {"champion": 1}}, None),
        ("alias.set", 2, {"aliases": {"champion": 1}}, {"aliases": {"champion": 2}}, "better"),
        ("alias.deleted", 2, {"aliases": {"champion": 2}}, {"aliases": {"champion": None}}, "retired"),
    ]


def test_pointing_where_it_points_writes_nothing(api: Api, registry: RegistryBuilder) -> None:
    first = point(api, 1, reason="first")
    before = api.get("/models/fraud/versions/1").headers["ETag"], registry.audit_entry_count()

    again = api.put(CHAMPION, {"version": 1, "reason": "again"})

    assert (again.status_code, again.get_json()) == (200, first)
    assert (api.get("/models/fraud/versions/1").headers["ETag"], registry.audit_entry_count()) == before


@pytest.mark.parametrize(
    ("current", "expected", "fits"),
    [(1, 1, True), (1, 2, False), (1, None, False), (None, None, True), (None, 1, False)],
)
def test_an_alias_is_compared_and_set(
    api: Api, registry: RegistryBuilder, current: int | None, expected: int | None, fits: bool
) -> None:
    if current:
        point(api, current)
    before = registry.audit_entry_count()

    response = api.put(CHAMPION, {"version": 2, "expected_current": expected})

    if fits:
        assert expect(None, response)["number"] == 2
    else:
        problem = expect(409, response)
        assert (problem["code"], problem["holder"]) == ("stale", current)
        assert registry.audit_entry_count() == before


def test_an_alias_that_was_moved_since_it_was_read_is_left_alone(api: Api, registry: RegistryBuilder) -> None:
    point(api, 1)
    stale = {"If-Match": api.get(CHAMPION).headers["ETag"]}
    fresh = {"If-Match": api.put(CHAMPION, {"version": 2}).headers["ETag"]}
    before = registry.audit_entry_count()

    problems = [
        expect(412, api.put(CHAMPION, {"version": 1}, headers=stale)),
        expect(412, api.delete(CHAMPION, headers=stale)),
        expect(412, api.put("/models/fraud/aliases/other", {"version": 1}, headers=stale)),
    ]

    assert {problem["code"] for problem in problems} == {"precondition_failed"}
    assert registry.audit_entry_count() == before
    assert expect(200, api.delete(CHAMPION, headers=fresh))["number"] == 2


def test_an_alias_remembers_every_version_it_pointed_at(api: Api, registry: RegistryBuilder) -> None:
    moves = [point(api, 1, reason="a"), point(api, 2, reason="b"), point(api, 1, reason="c")]

    history = expect(200, api.get(f"{CHAMPION}/history"))["items"]

    assert [item["number"] for item in history] == [1, 2, 1]
    assert [item["reason"] for item in history] == ["c", "b", "a"]
    assert [item["until"] for item in history] == [None, moves[2]["since"], moves[1]["since"]]


def test_an_alias_points_from_its_first_instant_and_not_at_its_last(api: Api) -> None:
    first = point(api, 1)["since"]
    second = point(api, 2)["since"]
    gone = expect(200, api.delete(CHAMPION))["until"]

    answers = [at(api, moment, by) for moment in (first, second, gone) for by in (-TICK, timedelta())]

    assert answers == [None, 1, 1, 2, 2, None]


def test_the_future_of_an_alias_is_not_known(api: Api) -> None:
    point(api, 1)

    problem = expect(422, api.get(f"{CHAMPION}?as_of=2999-01-01T00:00:00Z"))

    assert list(problem["errors"]) == ["as_of"]


def test_a_deleted_alias_is_gone_and_its_history_stays(api: Api, registry: RegistryBuilder) -> None:
    since = point(api, 1)["since"]

    deleted = expect(200, api.delete(f"{CHAMPION}?reason=retired"))

    assert (deleted["number"], deleted["since"]) == (1, since)
    assert deleted["until"] > since
    assert expect(404, api.get(CHAMPION))["code"] == "not_found"
    assert expect(404, api.delete(CHAMPION))["code"] == "not_found"
    assert expect(200, api.get("/models/fraud/aliases"))["items"] == []
    assert expect(200, api.get(f"{CHAMPION}/history"))["items"] == [deleted]
    assert expect(200, api.get("/models/fraud/versions/1"))["aliases"] == []


def test_a_deleted_alias_can_be_made_again(api: Api) -> None:
    point(api, 1)
    expect(200, api.delete(CHAMPION))

    again = api.put(CHAMPION, {"version": 2, "expected_current": None})

    assert expect(201, again)["number"] == 2
    assert [item["number"] for item in expect(200, api.get(f"{CHAMPION}/history"))["items"]] == [2, 1]


def test_an_alias_does_not_point_at_a_deleted_version(api: Api, registry: RegistryBuilder) -> None:
    expect(200, api.delete("/models/fraud/versions/2"))
    before = registry.audit_entry_count()

    problem = expect(409, api.put(CHAMPION, {"version": 2}))

    assert problem["code"] == "conflict"
    assert registry.audit_entry_count() == before


def test_an_alias_points_at_versions_that_exist(api: Api) -> None:
    problem = expect(404, api.put(CHAMPION, {"version": 99}))

    assert problem["code"] == "not_found"


def test_a_registration_moves_the_aliases_that_it_names(api: Api, registry: RegistryBuilder) -> None:
    point(api, 1)

    number = registry.model("fraud").version(aliases=["champion", "latest-good", "champion"])

    document = expect(200, api.get(CHAMPION))
    version = expect(200, api.get(f"/models/fraud/versions/{number}"))
    assert (document["number"], document["since"], document["actor"]) == (number, version["created_at"], "all")
    assert version["aliases"] == ["champion", "latest-good"]
    assert expect(200, api.get("/models/fraud/versions/1"))["aliases"] == []
    assert [item["number"] for item in expect(200, api.get(f"{CHAMPION}/history"))["items"]] == [number, 1]
    assert registry.model("fraud").actions()[-1] == "version.registered"


def test_the_reply_to_a_registration_shows_where_its_aliases_pointed_before(
    api: Api, registry: RegistryBuilder
) -> None:
    point(api, 1)

    registry.model("fraud").version(aliases=["new", "champion"])

    entry = expect(200, api.get("/models/fraud/history"))["items"][0]
    assert entry["before"]["aliases"] == {"champion": 1, "new": None}
    assert entry["after"]["aliases"] == {"champion": 3, "new": 3}


def test_aliases_are_listed_by_name_bytewise(api: Api) -> None:
    for alias in ("b", "B", "a_1", "a-1", "Z"):
        expect(201, api.put(f"/models/fraud/aliases/{alias}", {"version": 1}))

    listed = expect(200, api.get("/models/fraud/aliases"))["items"]

    assert [item["alias"] for item in listed] == ["B", "Z", "a-1", "a_1", "b"]


def test_aliases_that_differ_in_case_are_two(api: Api) -> None:
    point(api, 1)

    other = api.put("/models/fraud/aliases/Champion", {"version": 2})

    assert other.status_code == 201
    assert expect(200, api.get(CHAMPION))["number"] == 1


def test_an_alias_of_a_deleted_model_does_not_point_into_its_successor(api: Api, registry: RegistryBuilder) -> None:
    since = point(api, 1)["since"]
    deleted = expect(200, api.delete("/models/fraud"))["deleted_at"]
    registry.create_model()
    registry.model("fraud").version()

    problem = expect(404, api.get(CHAMPION))

    assert problem["code"] == "not_found"
    assert (at(api, since), at(api, deleted, -TICK), at(api, deleted)) == (1, 1, None)
    assert expect(201, api.put(CHAMPION, {"version": 3}))["number"] == 3


@pytest.mark.parametrize("alias", ["latest", "v1", "12", "a%20b", "a.b"])
def test_a_name_that_means_something_else_is_no_alias(api: Api, alias: str) -> None:
    response = api.put(f"/models/fraud/aliases/{alias}", {"version": 1})

    assert expect(404, response)["code"] == "not_found"
    assert expect(422, api.put("/models/fraud/aliases/production", {"version": 1}))["code"] == "invalid"


def test_an_alias_in_use_elsewhere_belongs_to_each_model_alone(api: Api, registry: RegistryBuilder) -> None:
    point(api, 1)

    registry.model("other").version(aliases=["champion"])

    assert expect(200, api.get(CHAMPION))["model"] == "fraud"
    assert expect(200, api.get("/models/other/aliases/champion"))["model"] == "other"
