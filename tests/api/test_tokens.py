"""API tokens: issued once, stored as a hash, expired, revoked, and the one of the first run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update

from registry.app import create_app
from registry.auth import tokens
from registry.config import Settings
from registry.db.models import Account, AuditEntry, Token
from registry.db.session import db, transaction
from registry.domain.access import GRANTABLE
from registry.http.context import EXTENSION
from registry.services.accounts import accounts
from registry.services.maintenance import restoration
from tests.api.hostile.row_watch import watching
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


@pytest.fixture
def bootstrap(app: Flask) -> str:
    """The token of a first run, which an operator gets also where there are others."""
    with app.app_context():
        token = accounts.issue_bootstrap(pepper=app.extensions[EXTENSION].pepper, force=True)
    assert token is not None
    return token


def as_token(api: Api, token: str) -> Api:
    return Api(api.client, token)


def test_a_token_acts_as_its_owner_with_its_roles(api: Api) -> None:
    issued = expect(
        201, api.post("/tokens", {"owner": "ann", "roles": ["writer", "auditor", "writer"], "name": "laptop"})
    )

    me = expect(200, as_token(api, issued["token"]).get("/me"))

    assert (me["name"], me["kind"], me["roles"], me["mode"]) == ("ann", "user", ["auditor", "writer"], "production")
    assert me["token"] == {
        "id": issued["id"], "name": "laptop", "expires_at": issued["expires_at"], "issued_by": "all",
    }  # fmt: skip
    assert me["foreign_tokens"] == 1
    assert {"audit:read", "version:register"} <= set(me["permissions"])
    assert "version:promote" not in me["permissions"]


def test_a_token_is_shown_once_and_only_its_keyed_hash_is_stored(api: Api, database: Database) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))

    listed = api.get("/tokens?limit=200").get_data(as_text=True)

    assert tokens.lookup_id(issued["token"]) == issued["id"]
    assert issued["id"] in listed
    assert issued["token"] not in listed
    with watching(database.url) as row_watch:
        assert row_watch.holds(issued["token"]) == row_watch.holds(issued["token"][16:]) == []
        assert row_watch.holds(tokens.keyed_hash(issued["token"], pepper=b"another")) == []


def test_the_hash_of_a_token_is_of_no_use_without_the_pepper(api: Api, app: Flask, database: Database) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    pepper = app.extensions[EXTENSION].pepper

    with watching(database.url) as row_watch:
        assert row_watch.holds(tokens.keyed_hash(issued["token"], pepper=pepper)) == ["tokens.hash"]
        assert row_watch.holds(pepper.hex()) == []


def test_a_revoked_token_opens_nothing_and_is_revoked_once(api: Api) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    ann = as_token(api, issued["token"])
    expect(200, ann.get("/me"))

    revoked = expect(200, api.delete(f"/tokens/{issued['id']}?reason=lost"))

    assert revoked["revoked_at"] is not None
    assert expect(401, ann.get("/me"))["code"] == "unauthenticated"
    assert expect(409, api.delete(f"/tokens/{issued['id']}"))["code"] == "conflict"


def test_a_token_that_another_process_revoked_may_look_at_models_for_a_while_and_get_no_bytes(
    api: Api, registry: RegistryBuilder, database: Database, make_settings: Callable[..., Settings]
) -> None:
    registry.model("fraud").version()
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["writer"]}))
    other = create_app(make_settings(database.url))
    ann = Api(other.test_client(), issued["token"])
    expect(200, ann.get("/models/fraud"))

    expect(200, api.delete(f"/tokens/{issued['id']}"))

    expect(200, ann.get("/models/fraud/versions/1"))
    for path in ("/versions/1/files", "/versions/1/files?signed=true", "/versions/1/files/model.bin"):
        expect(401, ann.get(f"/models/fraud{path}"))
    expect(401, ann.post("/models", {"name": "other"}))
    with other.app_context():
        db.engine.dispose()


@pytest.mark.parametrize(("asked", "days"), [({}, 90), ({"expires_in_days": 1}, 1), ({"expires_in_days": 365}, 365)])
def test_a_token_lives_for_the_days_that_were_asked_for(api: Api, asked: dict[str, int], days: int) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"], **asked}))

    created, expires = (datetime.fromisoformat(issued[name]) for name in ("created_at", "expires_at"))
    assert expires - created == timedelta(days=days)


@pytest.mark.parametrize(("seconds", "status"), [(60, 200), (-1, 401)])
def test_a_token_expires_by_the_databases_clock(
    app: Flask, api: Api, database: Database, seconds: int, status: int
) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    with app.app_context(), db.engine.begin() as connection:
        expires = update(Token).where(Token.id == issued["id"])
        connection.execute(expires.values(expires_at=datetime.now(UTC) + timedelta(seconds=seconds)))

    assert as_token(api, issued["token"]).get("/me").status_code == status
    if database.kind == "postgresql":
        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=60 * seconds)):  # this process's clock is wrong
            assert as_token(api, issued["token"]).get("/me").status_code == status


def test_a_token_lives_a_year_at_most(api: Api) -> None:
    for days in (0, -1, 366, 2**31, "90", 1.5, None, True):
        body = {"owner": "ann", "roles": ["reader"], "expires_in_days": days}
        assert expect(422, api.post("/tokens", body))["errors"].keys() == {"expires_in_days"}, days


def test_the_day_of_the_last_use_is_kept(app: Flask, api: Api) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    ann = as_token(api, issued["token"])
    ann.get("/me")
    with app.app_context(), db.engine.begin() as connection:
        used = update(Token).where(Token.id == issued["id"])
        connection.execute(used.values(last_used_on=datetime.now(UTC).date() - timedelta(days=2)))
    before = datetime.now(UTC).date()
    ann.get("/me")
    ann.get("/me")

    listed = {item["id"]: item["last_used_on"] for item in expect(200, api.get("/tokens?limit=200"))["items"]}

    assert listed[issued["id"]] in {day.isoformat() for day in (before, datetime.now(UTC).date())}


def test_roles_that_cannot_be_granted_are_refused(api: Api) -> None:
    for roles in (
        ["bootstrap"],
        ["root"],
        ["Admin"],
        [],
        ["reader", "bootstrap"],
        "admin",
        ["admin"] * 11,
        [None],
        [[]],
    ):
        assert expect(422, api.post("/tokens", {"owner": "ann", "roles": roles}))["errors"].keys() == {"roles"}, roles


def test_no_token_is_issued_for_the_registrys_own_accounts(api: Api) -> None:
    for owner in ("system", "local-dev"):
        assert expect(422, api.post("/tokens", {"owner": owner, "roles": ["reader"]}))["errors"].keys() == {"owner"}


def test_an_owner_has_one_account_whatever_the_number_of_tokens(api: Api) -> None:
    first, second = (
        expect(201, api.post("/tokens", {"owner": "ann", "roles": [role]})) for role in ("reader", "writer")
    )

    assert (
        as_token(api, first["token"]).get("/me").get_json()["id"]
        == as_token(api, second["token"]).get("/me").get_json()["id"]
    )


def test_issuing_and_revoking_are_in_the_audit_log_without_the_secret(api: Api) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    expect(200, api.delete(f"/tokens/{issued['id']}?reason=lost"))

    log = expect(200, api.get("/audit?limit=2"))["items"]

    assert [entry["action"] for entry in log] == ["token.revoked", "token.created"]
    assert log[0]["reason"] == "lost"
    assert issued["token"] not in api.get("/audit?format=jsonl").get_data(as_text=True)


def test_the_bootstrap_token_makes_one_admin_and_nothing_else(api: Api, bootstrap: str) -> None:
    first = as_token(api, bootstrap)
    admin = {"owner": "ann", "roles": ["admin", "promoter"]}

    assert expect(200, first.get("/me"))["permissions"] == ["self:read", "token:create"]
    for path in ("/models", "/audit", "/tokens"):
        assert expect(403, first.get(path))["code"] == "forbidden"
    assert expect(403, first.post("/models", {"name": "new"}))["permission"] == "model:create"
    assert expect(403, first.post("/tokens", {"owner": "ann", "roles": ["promoter"]}))["code"] == "forbidden"
    issued = expect(201, first.post("/tokens", admin))
    assert expect(401, first.post("/tokens", admin))["code"] == "unauthenticated"
    assert expect(401, first.get("/me"))["code"] == "unauthenticated"
    made = expect(201, as_token(api, issued["token"]).post("/tokens", {"owner": "bob", "roles": ["reader"]}))
    assert made["owner"] == "bob"


@pytest.mark.usefixtures("bootstrap")
def test_the_bootstrap_token_lives_an_hour(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        found = connection.execute(select(Token).where(Token.name == "bootstrap")).one()

    assert found.expires_at - found.created_at == timedelta(hours=1)


def test_no_bootstrap_token_is_issued_where_tokens_exist_unless_an_operator_insists(
    app: Flask, api: Api, bootstrap: str
) -> None:
    pepper = app.extensions[EXTENSION].pepper

    with app.app_context():
        assert accounts.issue_bootstrap(pepper=pepper) is None
        insisted = accounts.issue_bootstrap(pepper=pepper, force=True)

    assert insisted is not None
    assert as_token(api, insisted).get("/me").status_code == 200
    assert as_token(api, bootstrap).get("/me").status_code == 401


def test_a_bootstrap_token_used_by_a_concurrent_request_is_used_up(app: Flask, api: Api, bootstrap: str) -> None:
    admin = {"owner": "ann", "roles": ["admin"]}
    key = {"Idempotency-Key": "first"}
    expect(201, as_token(api, bootstrap).post("/tokens", admin, headers=key))

    replayed = as_token(api, bootstrap).post("/tokens", admin, headers=key)

    assert expect(401, replayed)["code"] == "unauthenticated"
    with app.app_context(), transaction() as session:
        assert session.query(AuditEntry).where(AuditEntry.action == "token.created").count() == len(GRANTABLE) + 2


IMPOSTORS = ["System", "SYSTEM", "syst\u0435m", "local-dev", "Local-Dev", "Bootstrap", "bootstr\u0430p", "registry",
             "\u0430dmin", "adm\u0456n", "Writer\u200b", "wr\u0456ter", "\u0430nn", "Ann", "ANN", "an\u0578", "annl",
             "w0rker", "\uff41nn", "auditor ", "a/b", "a:b", "cafe\u0301", "adrnin", "r\u043eot",
             "x" * 129]  # fmt: skip


@pytest.mark.parametrize("owner", IMPOSTORS)
def test_no_account_passes_for_another_one_or_for_the_registry(api: Api, registry: RegistryBuilder, owner: str) -> None:
    for name in ("ann", "ann1"):
        expect(201, api.post("/tokens", {"owner": name, "roles": ["reader"]}))
    before = registry.audit_entry_count()

    refused = expect(422, api.post("/tokens", {"owner": owner, "roles": ["promoter"]}))

    assert list(refused["errors"]) == ["owner"]
    assert registry.audit_entry_count() == before


@pytest.mark.parametrize(
    "owner", ["J\u00fcrgen Gro\u00df", "\u0438\u0432\u0430\u043d", "ann@corp.example", "ci-fraud", "Owner"]
)
def test_an_honest_name_gets_an_account(api: Api, owner: str) -> None:
    assert expect(201, api.post("/tokens", {"owner": owner, "roles": ["reader"]}))["owner"] == owner
    assert expect(201, api.post("/tokens", {"owner": owner, "roles": ["writer"]}))["owner"] == owner


def test_an_account_that_is_older_than_the_rule_still_gets_tokens(api: Api, app: Flask) -> None:
    expect(201, api.post("/tokens", {"owner": "old", "roles": ["reader"]}))
    with app.app_context(), transaction() as session:
        session.execute(update(Account).where(Account.name == "old").values(name="team/old", look=None))

    assert expect(201, api.post("/tokens", {"owner": "team/old", "roles": ["reader"]}))["owner"] == "team/old"


def test_the_owner_of_a_token_that_another_account_issued_can_see_it_and_who_did(
    api: Api, as_role: Callable[[str], Api]
) -> None:
    """An admin may issue a token that acts as another account; not without a trace."""
    mine = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    ann = as_token(api, mine["token"])
    expect(201, api.post("/tokens", {"owner": "bob", "roles": ["reader"]}))
    forged = expect(201, as_role("admin").post("/tokens", {"owner": "ann", "roles": ["promoter"], "name": "forged"}))

    listed = expect(200, ann.get("/me/tokens"))["items"]
    me = expect(200, ann.get("/me"))
    theirs = expect(200, as_token(api, forged["token"]).get("/me"))

    assert {(one["id"], one["created_by"]) for one in listed} == {(mine["id"], "all"), (forged["id"], "admin")}
    assert (me["token"]["issued_by"], me["foreign_tokens"]) == ("all", 2)
    assert (theirs["name"], theirs["token"]["issued_by"]) == ("ann", "admin")
    assert forged["token"] not in ann.get("/me/tokens").get_data(as_text=True)
    expect(200, api.delete(f"/tokens/{forged['id']}"))
    assert expect(200, ann.get("/me"))["foreign_tokens"] == 1


def test_the_owner_of_a_token_can_revoke_it_when_another_issued_it(api: Api, as_role: Callable[[str], Api]) -> None:
    mine = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    ann = as_token(api, mine["token"])
    forged = expect(201, as_role("admin").post("/tokens", {"owner": "ann", "roles": ["promoter"]}))

    revoked = expect(200, ann.delete(f"/me/tokens/{forged['id']}?reason=not+mine"))
    last = expect(200, api.get("/audit?limit=1"))["items"][0]

    assert revoked["revoked_at"] is not None
    assert expect(401, as_token(api, forged["token"]).get("/me"))["code"] == "unauthenticated"
    assert expect(200, ann.get("/me"))["foreign_tokens"] == 1
    assert (last["action"], last["actor"]["name"], last["reason"]) == ("token.revoked", "ann", "not mine")
    assert expect(409, ann.delete(f"/me/tokens/{forged['id']}"))["code"] == "conflict"


def test_the_token_of_another_account_is_to_be_ended_by_admins_only(api: Api) -> None:
    mine, other = (expect(201, api.post("/tokens", {"owner": owner, "roles": ["auditor"]})) for owner in ("ann", "bob"))
    ann = as_token(api, mine["token"])

    assert "that acts as you" in expect(404, ann.delete(f"/me/tokens/{other['id']}"))["detail"]
    assert expect(403, ann.delete(f"/tokens/{mine['id']}"))["permission"] == "token:manage"
    expect(200, as_token(api, other["token"]).get("/me"))


@pytest.mark.share(1)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_hosts_wrong_clock_hides_no_token_from_its_owner_or_from_a_restore(api: Api, app: Flask) -> None:
    mine = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    ann = as_token(api, mine["token"])

    with time_machine.travel(datetime.now(UTC) + timedelta(days=400)):
        assert expect(200, ann.get("/me"))["foreign_tokens"] == 1
        with app.app_context():
            assert restoration.begin_epoch(keep_tokens=False).tokens > 1

    assert expect(401, ann.get("/me"))["code"] == "unauthenticated"


def test_a_role_of_a_later_release_grants_nothing_and_breaks_nothing(api: Api, app: Flask) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    with app.app_context(), transaction() as session:
        session.execute(update(Token).where(Token.id == issued["id"]).values(roles=["reader", "steward"]))
    ann = as_token(api, issued["token"])

    assert expect(200, ann.get("/me"))["roles"] == ["reader"]
    assert expect(200, api.get("/tokens"))["items"] != []
    expect(403, ann.post("/models", {"name": "fraud"}))


def test_an_auditor_sees_who_may_do_what_but_no_secret_and_changes_nothing(
    api: Api, as_role: Callable[[str], Api]
) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "dora", "roles": ["writer"], "name": "laptop"}))
    auditor = as_role("auditor")

    listed = auditor.get("/tokens?limit=200")
    entry = expect(200, auditor.get("/audit?action=token.created"))["items"][0]

    shown = {item["id"]: item for item in expect(200, listed)["items"]}[issued["id"]]
    assert (shown["owner"], shown["roles"], shown["created_by"]) == ("dora", ["writer"], "all")
    assert issued["token"] not in listed.get_data(as_text=True)
    assert (entry["token"], entry["texts"]["owner"]) == (issued["id"], "dora")
    assert expect(403, auditor.delete(f"/tokens/{issued['id']}"))["permission"] == "token:manage"
    assert expect(403, as_role("writer").get("/tokens"))["permission"] == "token:read"
