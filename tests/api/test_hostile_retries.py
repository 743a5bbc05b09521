"""A write that is sent again with its Idempotency-Key: done once, answered alike, for its sender only."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from registry.db.models import IdempotencyKey, Registry
from registry.db.session import transaction
from registry.domain import clock
from registry.domain.access import GRANTABLE, GRANTS, Permission
from registry.http.access import permission_of
from tests.api.hostile import bodies
from tests.api.hostile.row_watch import RowWatch
from tests.api.hostile.world import World
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

# What a repetition of a path's write does not show again: it is a credential, and is not kept.
HIDDEN = {"/tokens": "token", "/uploads": "target"}  # credentials, which are not kept


READING = ("/search/", "/policies/test")  # what takes a body and writes nothing


@dataclass(frozen=True, slots=True)
class Write:
    method: str
    path: str
    body: Mapping[str, Any] | None = None

    def send(self, api: Api, key: str, *, body: Mapping[str, Any] | None = None) -> TestResponse:
        sent = self.body if body is None else body
        options = {} if sent is None else {"json": sent}
        return api(self.method, self.path, headers={"Idempotency-Key": key}, **options)

    def other(self) -> Mapping[str, Any] | None:
        """Another good body; None where there is no body."""
        body: Any = copy.deepcopy(self.body)
        name = next(
            (name for name in ("reason", "description", "summary", "name", "step", "size") if name in (body or {})),
            None,
        )
        if name is None:
            return None
        body[name] = body[name] + 1 if isinstance(body[name], int) else f"{body[name]} after all"
        return dict(body)


WRITES = [
    *(Write(one.method, one.path, one.body) for one in bodies.OPERATIONS if not one.path.startswith(READING)),
    Write("POST", "/uploads/{sent}/complete"),
    Write("DELETE", "/uploads/{upload}"),
    Write("DELETE", "/models/fraud/versions/5"),
    Write("DELETE", "/models/fraud/aliases/champion"),
    Write("DELETE", "/models/fraud/aliases/stable/protection"),
    Write("DELETE", "/models/empty/policy?reason=why"),
    Write("DELETE", "/policy?reason=why"),
    Write("DELETE", "/models/empty"),
    Write("DELETE", "/tokens/{reader_id}"),
    Write("DELETE", "/me/tokens/{own_id}"),
    Write("DELETE", "/me/sessions"),
    Write("POST", "/jobs/{parked}/retry"),
]

# What the services require of these writes beyond their routes' permissions.
FINER = {
    ("POST", "/models"): {Permission.MODEL_LIFECYCLE, Permission.VERSION_IMPORT},
    ("PATCH", "/models/fraud"): {Permission.MODEL_LIFECYCLE},
    ("POST", "/models/fraud/versions"): {Permission.VERSION_IMPORT, Permission.FILE_UPLOAD},
    ("POST", "/models/fraud/rollback"): {Permission.VERSION_ROLLBACK},
    ("POST", "/requests/00000000-0000-4000-8000-000000000103/apply"): {Permission.ALIAS_SET},
}


def hidden(told: Any, path: str) -> Any:
    """What was told at *path* without what is told only once."""
    if isinstance(told, list):
        return [hidden(item, path) for item in told]
    if isinstance(told, dict):
        secret = HIDDEN.get(f"/{path.split('/')[1]}")
        return {name: None if name == secret else hidden(value, path) for name, value in told.items()}
    return told


def arranged(write: Write, registry: RegistryBuilder, world: World) -> Write:
    """*write* at an address of the world; the bytes of the upload that it completes have arrived."""
    parts = dict(world.parts) | ({"sent": arrived(registry)} if "{sent}" in write.path else {})
    return Write(write.method, write.path.format_map(parts), write.body)


def arrived(registry: RegistryBuilder) -> str:
    """An upload whose bytes have arrived."""
    content = b"sent but not completed"
    upload = expect(
        201, registry.client.post("/uploads", {"sha256": sha256(content).hexdigest(), "size": len(content)})
    )
    registry.send(upload["target"], content)
    return str(upload["id"])


def test_the_writes_tried_here_are_all_that_there_are(api: Api) -> None:
    paths = api.get("/openapi.json").get_json()["paths"]
    writes = [item for path, item in paths.items() if not path.removeprefix("/api/v1").startswith(READING)]
    documented = sum(method in {"post", "put", "patch", "delete"} for item in writes for method in item)

    assert len({(write.method, write.path) for write in WRITES}) == len(WRITES) == documented


def test_a_write_sent_again_with_its_key_is_answered_alike_and_done_once(
    api: Api, registry: RegistryBuilder, world: World, row_watch: RowWatch
) -> None:
    wrong = []
    for index, plain in enumerate(WRITES):
        write, key = arranged(plain, registry, world), f"retry-{index}"
        first = write.send(api, key)
        after = row_watch.digest()

        again = write.send(api, key)

        expected = hidden(first.get_json(), write.path)
        same = {name: first.headers.get(name) for name in ("ETag", "Location", "Content-Type")}
        if first.status_code >= 300 or "Idempotency-Replayed" in first.headers:
            wrong.append(f"{write}: first {first.status_code} {first.get_data(as_text=True)}")
        if (again.status_code, again.get_json()) != (first.status_code, expected):
            wrong.append(f"{write}: then {again.status_code} {again.get_data(as_text=True)}")
        if again.headers.get("Idempotency-Replayed") != "true" or same != {n: again.headers.get(n) for n in same}:
            wrong.append(f"{write}: with {dict(again.headers)}")
        if row_watch.digest() != after:
            wrong.append(f"{write}: was done twice")

    assert wrong == []


def test_a_key_that_comes_back_with_another_request_is_refused(
    api: Api, registry: RegistryBuilder, world: World, row_watch: RowWatch
) -> None:
    wrong, tried = [], 0
    for index, plain in enumerate(WRITES):
        write, key = arranged(plain, registry, world), f"reuse-{index}"
        write.send(api, key)
        after = row_watch.digest()
        others = [write.other()] if write.other() else []

        replies = [write.send(api, key, body=other) for other in others]
        replies.append(api.post("/models", {"name": "elsewhere"}, headers={"Idempotency-Key": key}))
        replies.append(api.patch("/models/fraud", {"description": "x"}, headers={"Idempotency-Key": key}))

        for reply in replies:
            tried += 1
            if (reply.status_code, reply.get_json().get("code")) != (422, "idempotency_mismatch"):
                wrong.append(f"{write}: {reply.status_code} {reply.get_data(as_text=True)}")
        if row_watch.digest() != after:
            wrong.append(f"{write}: something was written")

    assert wrong == []
    assert tried >= 3 * len(bodies.OPERATIONS)


def test_a_key_means_nothing_to_another_principal(api: Api, registry: RegistryBuilder, world: World) -> None:
    roles = ["writer", "promoter", "admin"]
    stranger = Api(api.client, expect(201, api.post("/tokens", {"owner": "stranger", "roles": roles}))["token"])
    wrong = []
    for index, plain in enumerate(WRITES):
        write, key = arranged(plain, registry, world), f"shared-{index}"
        write.send(api, key)

        theirs = write.send(stranger, key)

        if "Idempotency-Replayed" in theirs.headers or theirs.get_json().get("code") == "idempotency_mismatch":
            wrong.append(f"{write}: {theirs.status_code} {theirs.get_data(as_text=True)}")

    assert wrong == []


def test_the_same_document_spelled_otherwise_is_the_same_request(api: Api) -> None:
    headers = {"Idempotency-Key": "spelling", "Content-Type": "application/json"}
    first = api("POST", "/models", data=b'{"name": "caf\xc3\xa9", "description": "x"}', headers=headers)

    again = api("POST", "/models", data=rb'{ "description":"\u0078","name":"caf\u00e9" }', headers=headers)

    assert expect(201, again) == expect(201, first)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_refusal_is_not_stored_so_the_retry_is_evaluated_again(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    content = b"bytes that come late"
    line = {"path": "a", "size": len(content), "sha256": sha256(content).hexdigest()}
    write = Write("POST", "/models/fraud/versions", {"files": [line]})

    early = write.send(api, "late")
    registry.blob(content)
    retried = write.send(api, "late")

    assert expect(409, early)["code"] == "blobs_missing"
    assert expect(201, retried)["created"] is True
    assert "Idempotency-Replayed" not in retried.headers


def test_a_rehearsal_uses_no_key_up(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    move = {"stage": "staging", "reason": "why"}
    path = "/models/fraud/versions/1/stage"

    rehearsed = Write("PUT", path, move | {"dry_run": True}).send(api, "rehearsal")
    done = Write("PUT", path, move).send(api, "rehearsal")

    assert expect(200, rehearsed)["dry_run"] is True
    assert expect(200, done)["changed"] is True
    assert registry.model("fraud").stages() == {1: "staging"}


def test_a_repeated_request_must_still_be_allowed(api: Api, world: World, registry: RegistryBuilder) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "leaving", "roles": ["writer"]}))
    leaving = Api(api.client, issued["token"])
    write = Write("POST", "/models", {"name": "new"})
    expect(201, write.send(leaving, "mine"))

    expect(200, api.delete(f"/tokens/{issued['id']}"))

    assert expect(401, write.send(leaving, "mine"))["code"] == "unauthenticated"


def test_a_reply_is_sent_again_to_those_tokens_of_its_account_alone_that_may_do_what_it_says(
    api: Api, registry: RegistryBuilder, world: World
) -> None:
    """Whatever a service required beyond the route's permission counts as well."""
    wrong = []
    tokens = {role: as_token(api, "all", role) for role in sorted(GRANTABLE)}
    for index, plain in enumerate(WRITES):
        write, key = arranged(plain, registry, world), f"roles-{index}"
        expect(None, write.send(api, key))
        needed = FINER.get((plain.method, plain.path), set()) | {route_permission(api, write)}
        for role, token in tokens.items():
            again = write.send(token, key)
            expected = (200, 201, 202) if needed <= GRANTS[role] else (403,)
            if again.status_code not in expected or (again.status_code != 403) != (
                "Idempotency-Replayed" in again.headers
            ):
                wrong.append(f"{write} as {role}: {again.status_code} {again.get_data(as_text=True)[:200]}")

    assert wrong == []


@pytest.mark.parametrize(
    ("stage", "target"),
    [("staging", {"stage": "production"}), ("production", {"stage": "archived", "leave_vacant": True})],
    ids=["into production", "out of production"],
)
def test_a_move_that_needed_promotion_needs_it_again_whatever_the_stages_are_by_then(
    api: Api, registry: RegistryBuilder, stage: str, target: Mapping[str, Any]
) -> None:
    registry.model("fraud").version(stage=stage)
    promoter, writer, other = (as_token(api, "ci", role) for role in ("promoter", "writer", "writer"))
    write = Write("PUT", "/models/fraud/versions/1/stage", {"reason": "why", **target})
    done = expect(200, write.send(promoter, "ours"))

    refused, fresh, repeated = write.send(writer, "ours"), write.send(other, "other"), write.send(promoter, "ours")

    assert expect(403, refused)["permission"] == "version:promote"
    assert "version" not in refused.get_json()
    assert fresh.status_code == (403 if stage == "staging" else 200)  # archived already: nothing to do
    assert expect(200, repeated) == done


def test_a_reply_that_a_release_without_permissions_kept_is_sent_again(app: Flask, api: Api) -> None:
    write = Write("POST", "/models", {"name": "old"})
    first = expect(201, write.send(api, "old"))
    with app.app_context(), transaction() as session:
        session.execute(update(IdempotencyKey).values(permissions=None, seal=None))
        session.execute(update(Registry).values(unsealed_until=clock.now() + timedelta(days=1)))  # as migrations set it

    assert expect(201, write.send(api, "old")) == first


def as_token(api: Api, owner: str, role: str) -> Api:
    """A client with another token of *owner*."""
    return Api(api.client, expect(201, api.post("/tokens", {"owner": owner, "roles": [role]}))["token"])


def route_permission(api: Api, write: Write) -> str:
    """What the route of the write declares."""
    routes = api.client.application.url_map.bind("registry.test")
    endpoint, _ = routes.match(f"/api/v1{write.path}".partition("?")[0], method=write.method)
    return str(permission_of(api.client.application.view_functions[endpoint]))


def test_what_is_kept_for_a_repetition_holds_no_credential(api: Api, row_watch: RowWatch) -> None:
    token = Write("POST", "/tokens", {"owner": "ann", "roles": ["reader"]}).send(api, "token").get_json()["token"]
    upload = Write("POST", "/uploads", {"sha256": "cd" * 32, "size": 5}).send(api, "upload").get_json()

    assert token.startswith("mrp_")
    assert row_watch.holds(token) == row_watch.holds(token[16:48]) == []
    assert row_watch.holds(upload["target"]["url"].rpartition("/")[2]) == []
    assert row_watch.holds(upload["id"]) != []


def test_a_key_of_every_legal_character_and_length_is_taken(api: Api) -> None:
    visible = "".join(map(chr, range(0x21, 0x7F)))
    for index, key in enumerate(["a", visible, "a" * 128, '"quoted"', "a,b", "';DROP/**/TABLE/**/models;--"]):
        write = Write("POST", "/models", {"name": f"m{index}"})
        first = write.send(api, key)
        assert expect(201, write.send(api, key)) == expect(201, first)
