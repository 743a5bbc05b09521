"""The account page lists every session and token of the account, a page at a time."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from registry.db.models import Token
from registry.domain.access import TokenPurpose
from tests.support.api import Api
from tests.support.browser_sessions import logged_in
from tests.support.databases import Database
from tests.support.pages import Seen, browse
from tests.support.replies import expect

COPIES = 230


def multiply(database: Database, owner: str) -> None:
    """Give the account as many copies of its session, and of its API token."""
    with sa.create_engine(database.url, poolclass=sa.NullPool).begin() as connection:
        own = sa.select(Token.__table__).where(Token.account_id == owner)
        for row in connection.execute(own).mappings().all():
            kind = "s" if row["purpose"] == TokenPurpose.SESSION else "t"
            copies = [{**row, "id": f"{kind}{n:011}", "hash": f"{kind}{n}".encode().hex()} for n in range(COPIES)]
            connection.execute(sa.insert(Token.__table__), copies)


def ids(seen: Seen, table: str) -> list[str]:
    """The ids in one of the tables of the page."""
    (region,) = seen.all("div", aria_label=table)
    return [str(cell.find("code").text) for cell in region.iter("th") if cell.get("scope") == "row"]  # type: ignore[union-attr]


def read_all(client: FlaskClient, table: str) -> tuple[list[int], list[str], set[int]]:
    """The lengths of the pages of a table, all of its ids, and the lengths of the other table."""
    other = "API tokens" if table == "Browser sessions" else "Browser sessions"
    button = "Further sessions" if table == "Browser sessions" else "Further tokens"
    address: str | None = "/me"
    lengths, found, others = [], [], set()
    while address:
        seen = browse(client, address)
        page = ids(seen, table)
        lengths.append(len(page))
        found += page
        others.add(len(ids(seen, other)))
        address = next((link.get("href") for link in seen.all("a") if link.text == button), None)
    return lengths, found, others


def test_every_session_and_token_of_an_account_is_listed_once(app: Flask, api: Api, database: Database) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    client = logged_in(app, issued["token"])
    as_ann = Api(app.test_client(), issued["token"])
    owner = expect(200, as_ann.get("/me"))["id"]
    multiply(database, owner)

    for table in ("Browser sessions", "API tokens"):
        lengths, found, others = read_all(client, table)
        assert (lengths, others) == ([100, 100, 31], {100}), table
        assert len({*found}) == len(found) == COPIES + 1, table


def test_each_list_takes_its_own_cursors_alone(app: Flask, api: Api, database: Database) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["reader"]}))
    client = logged_in(app, issued["token"])
    as_ann = Api(app.test_client(), issued["token"])
    multiply(database, expect(200, as_ann.get("/me"))["id"])
    opened = browse(client, "/me")
    (sessions,) = [link for link in opened.links if "/me?cursor=" in link]
    foreign = expect(200, as_ann.get("/me/sessions?limit=1"))["next_cursor"]

    browse(client, sessions.replace("?cursor=", "?tokens_cursor="), status=400)
    for wrong in ("x", "", foreign, "%00", "9" * 5000):
        browse(client, f"/me?cursor={wrong}", status=400)
        browse(client, f"/me?tokens_cursor={wrong}", status=400)
