"""Aliases that wait until their version is ready."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from registry.db.models import AliasRequest, Upload
from registry.db.session import transaction
from tests.api.test_pending_versions import register, whole, work
from tests.api.test_protected_aliases import CHAMPION, PROTECTION, app, be, champion, entries, pending
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder, in_process
from tests.support.replies import expect

__all__ = ["app"]  # fixtures


def lose(app: Flask) -> None:
    """Let the bytes of every upload that waits turn out wrong."""
    with app.app_context(), transaction() as session:
        session.execute(update(Upload).where(Upload.state == "uploaded").values(state="failed", reason="other bytes"))


def waiting(app: Flask) -> int:
    with app.app_context(), transaction() as session:
        return session.scalar(select(func.count()).select_from(AliasRequest)) or 0


def test_an_alias_asked_for_with_a_pending_version_is_set_when_it_is_ready(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(aliases=["champion"])

    number = pending(api, registry, aliases=["champion", "new"])
    before = champion(api), expect(200, api.get(f"/models/fraud/versions/{number}"))["aliases"]
    work(app)

    assert before == (1, [])
    assert champion(api) == number
    assert expect(200, api.get(f"/models/fraud/versions/{number}"))["aliases"] == ["champion", "new"]
    assert entries(api, "version.registered")[-1]["after"]["requested_aliases"] == ["champion", "new"]
    told = [(entry["actor"]["name"], entry["before"], entry["after"]) for entry in entries(api, "alias.set")]
    assert told == [
        ("all", {"aliases": {"champion": 1}}, {"aliases": {"champion": number}}),
        ("all", {"aliases": {"new": None}}, {"aliases": {"new": number}}),
    ]
    assert waiting(app) == 0


def test_an_alias_whose_gates_the_version_does_not_meet_when_it_is_ready_is_dropped_with_the_reason(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model()
    # No worker has read the files when they become ready, which meets the second rule all the same.
    rules = [{"rule": "required", "tags": ["owner"]}, {"rule": "file_formats"}]
    policy = {"policy": 1, "protected_aliases": ["champion"], "production": rules}
    expect(200, api.put("/models/fraud/policy", {"document": policy, "reason": "agreed"}))

    refused = pending(api, registry, aliases=["champion", "new"])
    work(app)
    dropped, at = entries(api, "alias.dropped"), champion(api)
    met = pending(api, registry, aliases=["champion"], tags={"owner": "ann"})
    work(app)

    assert ([entry["version"] for entry in dropped], at) == ([refused], None)
    assert dropped[0]["reason"].startswith(f"fraud:{refused} cannot go to the alias champion: 1 of 2 gates is not met")
    assert expect(200, api.get("/models/fraud"))["aliases"] == {"champion": met, "new": refused}
    assert expect(200, api.get("/models/fraud/history/verification"))["outcome"] == "verified"


def test_an_alias_added_to_a_pending_version_is_set_when_it_is_ready(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model()
    content = uuid.uuid4().bytes * 220
    whole(api, registry, content)
    expect(201, register(api, content, aliases=["champion"]))

    updated = [
        expect(200, register(api, content, aliases=["champion", "new"], update=True))["updated"] for _ in range(2)
    ]
    [edited] = entries(api, "version.edited")
    work(app)

    assert updated == [["aliases.new"], []]
    assert edited["after"] == {"requested_aliases": ["new"]}
    assert expect(200, api.get("/models/fraud"))["aliases"] == {"champion": 1, "new": 1}
    assert waiting(app) == 0


def test_an_alias_that_was_moved_before_its_version_is_ready_stays_where_it_is(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    number = pending(api, registry, aliases=["champion"])
    expect(201, api.put(CHAMPION, {"version": 1}))

    work(app)

    assert champion(api) == 1
    [dropped] = entries(api, "alias.dropped")
    assert (dropped["version"], dropped["reason"]) == (number, "the alias was moved since it was requested")


@pytest.mark.parametrize(("role", "where"), [("writer", 1), ("promoter", 2)])
def test_an_alias_that_was_protected_while_it_waited_is_set_for_those_who_may_promote(
    app: Flask, api: Api, registry: RegistryBuilder, as_role: Any, role: str, where: int
) -> None:
    registry.model("fraud").version(aliases=["champion"])
    caller = as_role(role)
    pending(caller, in_process(caller), aliases=["champion"])
    expect(200, api.put(PROTECTION, {}))

    work(app)

    assert champion(api) == where
    assert len(entries(api, "alias.dropped")) == (where == 1)


def test_an_alias_whose_token_was_revoked_while_it_waited_is_not_set(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model()
    made = expect(201, api.post("/tokens", {"owner": "leaver", "roles": ["writer"]}))
    leaver = Api(app.test_client(), made["token"])
    number = pending(leaver, in_process(leaver), aliases=["champion"])
    expect(200, api.delete(f"/tokens/{made['id']}"))

    work(app)

    assert expect(200, api.get(f"/models/fraud/versions/{number}"))["state"] == "ready"
    assert (champion(api), waiting(app)) == (None, 0)
    [dropped] = entries(api, "alias.dropped")
    reason = f"the token {made['id']} that requested it was revoked"
    assert (dropped["reason"], dropped["actor"]["kind"]) == (reason, "system")


@pytest.mark.parametrize("fate", ["it fails", "it is deleted"])
def test_an_alias_that_waits_for_a_version_in_vain_is_forgotten(
    app: Flask, api: Api, registry: RegistryBuilder, fate: str
) -> None:
    registry.create_model()
    number = pending(api, registry, aliases=["champion"])
    assert waiting(app) == 1

    if fate == "it fails":
        lose(app)
    else:
        expect(200, api.delete(f"/models/fraud/versions/{number}"))
    work(app)

    assert champion(api) is None
    assert waiting(app) == 0
    failed = [entry["after"]["dropped_aliases"] for entry in entries(api, "version.failed")]
    assert failed == ([["champion"]] if fate == "it fails" else [])


CHANGES: list[dict[str, Any]] = [{"may_promote": True}, {"alias": "serving"}, {"seal": None}, {"token_id": "x" * 12}]


@pytest.mark.parametrize("change", CHANGES)
def test_a_request_for_an_alias_that_was_changed_in_the_database_sets_nothing(
    app: Flask, api: Api, registry: RegistryBuilder, as_role: Any, change: dict[str, Any]
) -> None:
    registry.create_model()
    caller = as_role("writer")
    number = pending(caller, in_process(caller), aliases=["champion"])
    with app.app_context(), transaction() as session:
        session.execute(update(AliasRequest).values(change))

    work(app)

    assert (expect(200, api.get("/models/fraud"))["aliases"], waiting(app)) == ({}, 0)
    assert entries(api, "alias.set") == []
    [dropped] = entries(api, "alias.dropped")
    assert (dropped["version"], dropped["actor"]["kind"]) == (number, "system")
    assert "does not bear this registry's seal" in dropped["reason"]


def test_an_alias_that_an_earlier_release_pointed_at_a_pending_version_ends_when_that_fails(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model()
    number = pending(api, registry)
    be(app, number, "ready")
    expect(201, api.put(CHAMPION, {"version": number}))
    be(app, number, "pending")
    lose(app)

    work(app)

    assert champion(api) is None
    [failed] = entries(api, "version.failed")
    assert (failed["before"]["aliases"], failed["after"]["aliases"]) == ({"champion": number}, {"champion": None})
    assert [past["number"] for past in expect(200, api.get(f"{CHAMPION}/history"))["items"]] == [number]
