"""Browser sessions: as long and as mighty as the API token that they were made from, and no longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import update

from registry.app import create_app
from registry.auth.authenticate import Authenticator
from registry.config import Settings
from registry.db.models import Token
from registry.db.records import SessionRecord
from registry.db.session import db, transaction
from registry.domain.access import Actor, Role
from registry.domain.errors import NotFound, RateLimited, RegistryError, Unauthenticated
from registry.http.context import EXTENSION, Adapters
from registry.services import audit
from registry.services.accounts import accounts, sessions
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.replies import expect

ADDRESS = "192.0.2.7"


@dataclass
class Door:
    """Log in and out as the pages do."""

    adapters: Adapters

    @property
    def authenticator(self) -> Authenticator:
        return self.adapters.authenticator

    def holder(self, token: str) -> Actor:
        return self.authenticator.authenticate(f"Bearer {token}", address=ADDRESS, fresh=True)[0]

    def log_in(self, token: str) -> SessionRecord:
        return sessions.open_session(actor=self.holder(token), pepper=self.adapters.pepper)

    def enter(self, text: str | None, *, fresh: bool = True) -> Actor:
        return self.authenticator.authenticate_session(text, address=ADDRESS, fresh=fresh)[0]

    def is_open(self, opened: SessionRecord, *, fresh: bool = True) -> bool:
        try:
            self.enter(opened.token, fresh=fresh)
        except Unauthenticated:
            return False
        return True


@pytest.fixture
def door(app: Flask) -> Iterator[Door]:
    with app.app_context():
        yield Door(app.extensions[EXTENSION])


def change(token_id: str, **values: object) -> None:
    with transaction() as session:
        session.execute(update(Token).where(Token.id == token_id).values(**values))


def verified() -> list[object]:
    return [problem for report in audit.verify() for problem in (*report.problems, *report.uncovered)]


def test_a_session_acts_as_the_account_of_its_token_with_its_roles_until_one_of_them_ends(
    api: Api, door: Door, database: Database
) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["writer"], "name": "laptop"}))
    opened = door.log_in(issued["token"])

    actor = door.enter(opened.token)

    assert (actor.name, actor.roles, actor.token_id, actor.parent_id) == (
        "ann", frozenset({Role.WRITER}), opened.id, issued["id"],
    )  # fmt: skip
    assert actor.issuer_id == door.holder(issued["token"]).issuer_id != actor.id
    assert actor.lasting_token_id == issued["id"]
    assert opened.expires_at - opened.created_at == timedelta(hours=12)
    (listed,) = sessions.list_open(actor.id, limit=10).items
    assert (listed.id, listed.parent_name, listed.token) == (opened.id, "laptop", None)
    tokens = expect(200, Api(api.client, issued["token"]).get("/me/tokens"))["items"]
    assert [item["id"] for item in tokens] == [issued["id"]]
    assert expect(401, Api(api.client, opened.token or "").get("/me"))["code"] == "unauthenticated"
    with pytest.raises(Unauthenticated):
        door.enter(issued["token"])

    expect(200, api.delete(f"/tokens/{issued['id']}"))

    assert not door.is_open(opened, fresh=False)
    assert sessions.list_open(actor.id, limit=10).items == []
    with pytest.raises(Unauthenticated):
        sessions.open_session(actor=actor, pepper=door.adapters.pepper)
    assert verified() == []


def test_a_session_ends_when_its_time_or_that_of_its_token_is_over(api: Api, door: Door) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    soon = datetime.now(UTC) + timedelta(minutes=5)
    change(issued["id"], expires_at=soon)

    opened = door.log_in(issued["token"])

    assert opened.expires_at == soon
    assert door.is_open(opened)
    change(opened.id, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert not door.is_open(opened)


def test_a_session_of_a_revoked_token_looks_at_models_of_another_process_for_as_long_as_the_token(
    api: Api, door: Door, database: Database, make_settings: Callable[..., Settings]
) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    other = create_app(make_settings(database.url))
    opened = door.log_in(issued["token"])
    with other.app_context():
        elsewhere = Door(other.extensions[EXTENSION])
        assert elsewhere.is_open(opened, fresh=False)

        expect(200, api.delete(f"/tokens/{issued['id']}"))

        assert (elsewhere.is_open(opened, fresh=False), elsewhere.is_open(opened)) == (True, False)
        db.engine.dispose()


def test_closing_a_session_leaves_the_others_and_closing_all_leaves_none(api: Api, door: Door) -> None:
    ann = [expect(201, api.post("/tokens", {"owner": "ann", "roles": [role]}))["token"] for role in ("reader", "admin")]
    bob = expect(201, api.post("/tokens", {"owner": "bob", "roles": ["reader"]}))["token"]
    first, second, third = (door.log_in(token) for token in (ann[0], ann[0], ann[1]))
    foreign = door.log_in(bob)
    actor = door.enter(first.token)

    sessions.close_session(first.id, actor=actor)
    sessions.close_session(first.id, actor=actor)
    with pytest.raises(NotFound):
        sessions.close_session(foreign.id, actor=actor)
    with pytest.raises(NotFound):
        sessions.close_session(actor.parent_id or "", actor=actor)

    assert [door.is_open(one) for one in (first, second, third)] == [False, True, True]
    assert sessions.close_all(actor=actor) == {"closed": 2}
    assert sessions.close_all(actor=actor) == {"closed": 0}
    assert [door.is_open(one) for one in (second, third, foreign)] == [False, False, True]
    entries = expect(200, api.get("/audit?limit=3"))["items"]
    assert [entry["action"] for entry in entries] == ["session.closed", "session.closed", "session.opened"]
    assert entries[0]["after"] == {"sessions": sorted([second.id, third.id])}
    assert opened_text_is_nowhere(api, foreign)


def opened_text_is_nowhere(api: Api, opened: SessionRecord) -> bool:
    return (opened.token or "")[16:] not in api.get("/audit?format=jsonl").get_data(as_text=True)


def test_the_session_of_a_bootstrap_token_makes_one_admin_and_ends(api: Api, app: Flask, door: Door) -> None:
    bootstrap = accounts.issue_bootstrap(pepper=door.adapters.pepper, force=True) or ""
    opened = door.log_in(bootstrap)
    actor = door.enter(opened.token)

    with pytest.raises(RegistryError, match="first admin"):
        accounts.create_token("ann", [Role.PROMOTER], actor=actor, pepper=door.adapters.pepper)
    made = accounts.create_token("ann", [Role.ADMIN], actor=actor, pepper=door.adapters.pepper)

    assert Api(api.client, made.token or "").get("/me").status_code == 200
    assert Api(api.client, bootstrap).get("/me").status_code == 401
    assert not door.is_open(opened)
    assert verified() == []


def test_a_token_opens_so_many_sessions_a_day(api: Api, door: Door) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    holder = door.holder(issued["token"])
    with transaction() as session:
        for number in range(sessions.MOST_A_DAY):
            session.add(
                Token(
                    id=f"session{number:05}", hash="0" * 64, account_id=holder.id, name="", roles=["reader"],
                    created_at=datetime.now(UTC) - timedelta(hours=number / 10), created_by=holder.id,
                    expires_at=datetime.now(UTC), purpose="session", parent_id=issued["id"],
                )
            )  # fmt: skip

    with pytest.raises(RateLimited) as refused:
        door.log_in(issued["token"])

    assert 4 * 3600 - 60 <= refused.value.retry_after <= 5 * 3600  # the oldest one is nearly 20 hours old
    change("session00199", created_at=datetime.now(UTC) - timedelta(days=2))
    assert door.is_open(door.log_in(issued["token"]))


def test_sessions_are_deleted_a_month_after_their_end_and_the_log_stays_true(
    api: Api, door: Door, database: Database
) -> None:
    token = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))["token"]
    opened = door.log_in(token)

    with transaction() as session:
        sessions.sweep(session, opened.expires_at + timedelta(days=29))
    assert door.is_open(opened)
    with transaction() as session:
        sessions.sweep(session, opened.expires_at + timedelta(days=31))

    assert not door.is_open(opened)
    assert "of the log is gone" in str(verified())  # too early
    if database.kind == "sqlite":  # whose clock is that of this process
        with time_machine.travel(opened.expires_at + timedelta(days=31)):
            assert verified() == []
