"""Who may do what: every endpoint with every identity, and the cases that the body decides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask
from werkzeug.routing import Rule

from registry.domain.access import GRANTABLE, GRANTS, Actor, ActorKind, Permission, Role, permissions_of
from registry.domain.errors import Forbidden
from registry.http import access
from registry.http.access import PUBLIC, permission_of, public, requires
from tests.api.hostile.world import World
from tests.support.api import HOST, ROOTS, Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

IDENTITIES = [None, *sorted(role.value for role in GRANTABLE), "revoked", "expired"]
# No model of this name exists: a caller that is let in gets 404, and nothing changes.
PARTS = {"model": "unknown", "number": "1", "other": "2", "alias": "champion", "stage": "production", "edge": "1",
         "hold": "1", "path": "model.bin", "request": "00000000-0000-0000-0000-000000000000",
         "upload": "00000000-0000-0000-0000-000000000000", "import_id": "00000000-0000-0000-0000-000000000000",
         "session": "000000000000",
         "job_id": "00000000-0000-0000-0000-000000000000",
         "file": "swagger-ui.css", "webhook": "none", "release": "2.0", "rest": "nothing",
         "directory": "x", "tile": "0/000",
         "digest": f"sha256:{'0' * 64}", "entry": "00000000-0000-0000-0000-000000000000"}  # fmt: skip

EVERYONE = "reader writer promoter approver admin auditor responder"
READING_FILES = "reader writer promoter approver admin"
# The table of roles, written out: who is let in. The generated test below trusts GRANTS, this table does not.
TABLE: dict[str, str] = {
    "GET /models": EVERYONE,
    "GET /models/unknown": EVERYONE,
    "GET /compare/file?v=unknown:1&v=unknown:2&path=x": READING_FILES,
    "GET /models/unknown/versions/1/lineage/export?format=prov": EVERYONE,
    "GET /models/unknown/versions/1/diff/2": EVERYONE,
    "GET /models/unknown/metrics": EVERYONE,
    "GET /models/unknown/history": EVERYONE,
    "GET /models/unknown/stages/production": EVERYONE,
    "GET /models/unknown/tenures": EVERYONE,
    "GET /models/unknown/versions/1/stage": EVERYONE,
    "GET /models/unknown/rollback": EVERYONE,
    "GET /me": EVERYONE,
    "GET /me/tokens": EVERYONE,
    "DELETE /me/tokens/000000000000": EVERYONE,
    "GET /me/sessions": EVERYONE,
    "DELETE /me/sessions": EVERYONE,
    "GET /models/unknown/versions/1/files": EVERYONE,
    "GET /models/unknown/versions/1/files/model.bin": READING_FILES,
    "POST /models": "writer promoter admin",
    "PATCH /models/unknown": "writer promoter admin",
    "POST /uploads": "writer promoter admin",
    "POST /uploads/batch": "writer promoter admin",
    "POST /uploads/batch/complete": "writer promoter admin",
    "GET /uploads/00000000-0000-0000-0000-000000000000/parts": "writer promoter admin",
    "GET /models/unknown/versions/1/archive": READING_FILES,
    "POST /models/unknown/versions/1/purge": "admin",
    "POST /models/unknown/versions": "writer promoter admin",
    "POST /models/unknown/imports": "admin",
    "GET /imports/00000000-0000-0000-0000-000000000000": EVERYONE,
    "PATCH /models/unknown/versions/1": "writer promoter admin",
    "POST /models/unknown/versions/1/metrics": "writer promoter admin",
    "POST /models/unknown/versions/1/notes": EVERYONE,
    "POST /models/unknown/versions/1/checks": "writer promoter admin",
    "GET /models/unknown/versions/1/checks": EVERYONE,
    "PUT /models/unknown/versions/1/stage": "writer promoter admin responder",
    "POST /models/unknown/versions/1/break-glass/acknowledge": "approver",
    "GET /models/unknown/versions/1/gates": EVERYONE,
    "GET /models/unknown/versions/1/gates/history": EVERYONE,
    "GET /models/unknown/versions/1/gates/history/00000000-0000-0000-0000-000000000000": EVERYONE,
    "PUT /models/unknown/policy": "admin",
    "GET /models/unknown/policy": EVERYONE,
    "DELETE /models/unknown/policy": "admin",
    "GET /models/unknown/policy/history": EVERYONE,
    "PUT /policy": "admin",
    "GET /policy": EVERYONE,
    "DELETE /policy": "admin",
    "GET /policy/history": EVERYONE,
    f"GET /policies/sha256:{'0' * 64}": EVERYONE,
    "POST /policies/test": EVERYONE,
    "PUT /models/unknown/aliases/champion": "writer promoter admin",
    "PUT /models/unknown/aliases/champion/protection": "promoter",
    "DELETE /models/unknown/aliases/champion/protection": "promoter",
    "DELETE /models/unknown/versions/1": "promoter admin",
    "POST /models/unknown/rollback": "writer promoter admin responder",
    "DELETE /models/unknown": "admin",
    "POST /models/unknown/restore": "admin",
    "GET /search/models": EVERYONE,
    "GET /search/versions": EVERYONE,
    "GET /inventory": EVERYONE,
    "GET /changes": EVERYONE,
    "GET /attention": EVERYONE,
    "GET /search/complete": EVERYONE,
    "GET /lineage/impact": EVERYONE,
    "POST /requests": "writer promoter admin",
    "GET /requests": EVERYONE,
    "GET /requests/00000000-0000-0000-0000-000000000000": EVERYONE,
    "POST /requests/00000000-0000-0000-0000-000000000000/approve": "approver",
    "POST /requests/00000000-0000-0000-0000-000000000000/reject": "approver",
    "POST /requests/00000000-0000-0000-0000-000000000000/withdraw": EVERYONE,
    "POST /requests/00000000-0000-0000-0000-000000000000/comment": EVERYONE,
    "POST /requests/00000000-0000-0000-0000-000000000000/apply": "writer promoter admin responder",
    "POST /holds": "promoter approver responder",
    "GET /holds": EVERYONE,
    "GET /holds/1": EVERYONE,
    "GET /holds/1/versions": EVERYONE,
    "POST /holds/1/release": "promoter approver",
    "GET /audit": "admin auditor",
    "GET /audit/00000000-0000-0000-0000-000000000000": "admin auditor",
    "GET /models/unknown/history/verification": "admin auditor",
    "GET /audit/chains": "admin auditor",
    "GET /models/unknown/evidence": "admin auditor",
    "GET /audit/entries": "admin auditor",
    "GET /audit/sealed": "admin auditor",
    "GET /audit/00000000-0000-0000-0000-000000000000/proof": "admin auditor",
    "GET /audit/checkpoint": "admin auditor",
    "GET /audit/keys": "admin auditor",
    "GET /audit/tile/0/000": "admin auditor",
    "GET /jobs": "admin",
    "POST /jobs/00000000-0000-0000-0000-000000000000/retry": "admin",
    "GET /tokens": "admin auditor",
    "POST /tokens": "admin",
    "DELETE /tokens/000000000000": "admin",
}


def endpoints(app: Flask) -> Iterator[tuple[str, str, str]]:
    """(method, address, endpoint) of everything that *app* serves but its pages, which ``tests.web`` opens."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("web."):
            continue
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            yield method, address(rule), rule.endpoint


def address(rule: Rule) -> str:
    """The rule with something in place of each part."""
    parts = PARTS | {"token": "forged" if rule.rule.startswith("/transfer/") else "000000000000"}
    return re.sub(r"<(?:[^:<>]+(?:\([^)]*\))?:)?(\w+)>", lambda found: parts[found[1]], rule.rule)


def ask(world: World, method: str, path: str, identity: str | None) -> int:
    headers = {} if identity is None else {"Authorization": f"Bearer {world.tokens[identity]}"}
    body: Any = {} if method in {"POST", "PUT", "PATCH"} else None
    with world.client.open(path, method=method, base_url=HOST, headers=headers, json=body) as response:
        return response.status_code


def expected(declared: str, identity: str | None) -> set[int]:
    """The refusals that an identity may get from an endpoint: 401, 403 or none at all."""
    if declared == PUBLIC:
        return set()
    if identity in {None, "revoked", "expired"}:
        return {401}
    return set() if Permission(declared) in GRANTS[Role(identity)] else {403}


def test_every_endpoint_refuses_whom_its_permission_does_not_admit_and_only_them(app: Flask, world: World) -> None:
    wrong, tried = [], 0
    for method, path, endpoint in endpoints(app):
        declared = permission_of(app.view_functions[endpoint])
        for identity in IDENTITIES:
            tried += 1
            own = path.replace("artifacts/model.bin", f"artifacts/{identity}.bin")  # which is nobody else's
            status = ask(world, method, own, identity)
            refusals = {status} & {401, 403} if not path.startswith("/transfer/") else set()
            if refusals != expected(str(declared), identity) or status >= 500:
                wrong.append(f"{method} {path} as {identity}: {status}, declared {declared}")

    assert wrong == []
    assert tried == len(list(endpoints(app))) * len(IDENTITIES) > 400


def test_the_table_of_roles_holds(world: World) -> None:
    admitted = {
        call: {
            one
            for one in IDENTITIES
            if ask(world, method, path if path.startswith(ROOTS) else f"/api/v1{path}", one) not in {401, 403}
        }
        for call, (method, path) in ((call, call.split()) for call in TABLE)
    }

    assert admitted == {call: set(roles.split()) for call, roles in TABLE.items()}


def test_a_writer_moves_to_staging_but_not_into_or_out_of_production(registry: RegistryBuilder, as_role: Any) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version()
    writer, path = as_role("writer"), "/models/fraud/versions"

    staged = writer.put(f"{path}/2/stage", {"stage": "staging", "reason": "tests passed"})
    promoted = writer.put(f"{path}/2/stage", {"stage": "production", "reason": "mine"})
    vacated = writer.put(f"{path}/1/stage", {"stage": "archived", "reason": "mine", "leave_vacant": True})

    assert expect(200, staged)["changed"] is True
    assert [expect(403, reply)["permission"] for reply in (promoted, vacated)] == ["version:promote"] * 2
    assert registry.model("fraud").stages() == {1: "production", 2: "staging"}


def test_an_admin_neither_promotes_nor_rolls_back_but_a_promoter_does(registry: RegistryBuilder, as_role: Any) -> None:
    for stage in ("production", "production", "staging"):
        registry.model("fraud").version(stage=stage)
    promote = {"stage": "production", "reason": "AUC +2"}

    for role in ("reader", "writer", "admin", "auditor", "responder"):
        refused = as_role(role).put("/models/fraud/versions/3/stage", promote)
        assert expect(403, refused)["permission"] in {"version:promote", "version:stage"}, role
        if role != "responder":
            refused = as_role(role).post("/models/fraud/rollback", {"reason": "no"})
            assert expect(403, refused)["permission"] in {"version:rollback", "version:stage"}

    assert registry.model("fraud").stages() == {1: "archived", 2: "production", 3: "staging"}
    assert expect(200, as_role("promoter").put("/models/fraud/versions/3/stage", promote))["displaced"] == 2
    assert expect(200, as_role("promoter").post("/models/fraud/rollback", {"reason": "latency"}))["number"] == 2


def test_the_lifecycle_is_for_admins_at_creation_and_later(registry: RegistryBuilder, as_role: Any) -> None:
    registry.create_model()
    for role in ("writer", "promoter"):
        edited = as_role(role).patch("/models/fraud", {"lifecycle": "open"})
        same = as_role(role).patch("/models/fraud", {"lifecycle": "enforced"})
        created = as_role(role).post("/models", {"name": f"open-{role}", "lifecycle": "open"})
        assert {expect(403, reply)["permission"] for reply in (edited, same, created)} == {"model:lifecycle"}, role
        assert as_role(role).patch("/models/fraud", {"description": role}).status_code == 200

    assert expect(200, as_role("admin").patch("/models/fraud", {"lifecycle": "open"}))["lifecycle"] == "open"


def test_in_an_open_lifecycle_production_still_needs_its_permission(registry: RegistryBuilder, as_role: Any) -> None:
    registry.create_model(lifecycle="open")
    registry.model("fraud").version()

    refused = as_role("writer").put("/models/fraud/versions/1/stage", {"stage": "production", "reason": "open"})

    assert expect(403, refused)["permission"] == "version:promote"


def test_an_auditor_reads_history_but_gets_no_bytes_and_no_address_of_them(
    registry: RegistryBuilder, as_role: Any
) -> None:
    registry.model("fraud").version(stage="production")
    auditor = as_role("auditor")

    assert expect(200, auditor.get("/audit"))["items"] != []
    assert expect(200, auditor.get("/models/fraud/versions/1/files"))["items"] != []
    assert expect(403, auditor.get("/models/fraud/versions/1/files/model.bin"))["permission"] == "file:download"


def test_a_refusal_says_which_permission_and_which_roles_but_writes_nothing(
    api: Api, registry: RegistryBuilder, as_role: Any
) -> None:
    before = registry.audit_entry_count()

    problem = expect(403, as_role("reader").post("/models", {"name": "mine"}))

    assert problem["permission"] == "model:create"
    assert "reader" in problem["detail"]
    assert registry.audit_entry_count() == before


def test_who_may_not_enter_learns_nothing_about_what_is_inside(world: World) -> None:
    """A refusal comes before the look at the body, the query and the resource."""
    for path in ("/api/v1/models/fraud", "/api/v1/models/unknown"):
        assert ask(world, "GET", path, None) == 401
        assert ask(world, "DELETE", path, "reader") == 403
        assert ask(world, "DELETE", f"{path}?nonsense=1", "reader") == 403


def test_an_endpoint_that_declares_nothing_keeps_the_app_from_starting() -> None:
    app, blueprint = Flask("careless", static_folder=None), Blueprint("careless", __name__)

    @blueprint.get("/declared")
    @requires(Permission.MODEL_READ)
    def declared() -> str:
        return "ok"

    @blueprint.get("/open")
    @public("says nothing")
    def open_() -> str:
        return "ok"

    app.register_blueprint(blueprint)
    access.check_declared(app)
    other = Blueprint("other", __name__)
    other.add_url_rule("/secret", "secret", lambda: "everything")
    app.register_blueprint(other)

    with pytest.raises(LookupError, match="declares no permission"):
        access.check_declared(app)


def test_the_files_of_a_forgotten_static_folder_count_as_undeclared() -> None:
    with pytest.raises(LookupError, match="declares no permission"):
        access.check_declared(Flask("careless"))


def test_a_public_endpoint_says_why() -> None:
    with pytest.raises(ValueError, match="give a reason"):
        public("")


def test_what_needs_no_identity_is_what_was_meant(app: Flask) -> None:
    open_to_all = {rule.rule.split("<")[0] for rule in app.url_map.iter_rules()
                   if permission_of(app.view_functions[rule.endpoint]) == PUBLIC}  # fmt: skip

    assert open_to_all == {
        "/livez",
        "/readyz",
        "/metrics",
        "/health",
        "/version",
        "/openapi.json",
        "/docs",
        "/docs.js",
        "/docs/",
        "/static/",
        "/login",
        "/transfer/",
        "/api/",  # MLflow's addresses that there are not: they say so
        "/ajax-api/",
    }


def test_roles_add_up_and_none_takes_away() -> None:
    for one in GRANTABLE:
        for other in GRANTABLE:
            assert permissions_of([one, other]) == GRANTS[one] | GRANTS[other]
    assert permissions_of([]) == frozenset()


def test_every_permission_can_be_had_and_none_by_accident() -> None:
    actor = Actor("1", "ann", ActorKind.USER, frozenset({Role.READER}), permissions_of([Role.READER]))

    assert permissions_of(GRANTABLE) == frozenset(Permission)
    assert GRANTS[Role.BOOTSTRAP] == {Permission.SELF_READ, Permission.TOKEN_CREATE}
    with pytest.raises(Forbidden) as refused:
        actor.require(Permission.MODEL_CREATE)
    assert refused.value.extras == {"permission": "model:create"}
    assert refused.value.detail.endswith(
        "ann has the roles: reader; use a token with the role admin, promoter or writer"
    )
