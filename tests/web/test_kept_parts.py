"""Rows of the page of a model are kept: every user sees the same as from a service that keeps nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.support.api import Api
from tests.support.browser_sessions import HOST, logged_in
from tests.support.databases import Database
from tests.support.mlflow_api import MlflowApi
from tests.support.pages import browse
from tests.support.registry_builder import RegistryBuilder
from tests.support.statement_counting import counting_statements
from tests.support.version_changes import VERSION_CHANGES

MODEL = "/models/fraud"
BLOCKS = (("holders", ""), ("metric", ""), ("metric", "?metric=f1"), ("versions", ""))
AGO = re.compile(r"(<time [^>]*>)[^<]*")


@pytest.fixture
def forgetful(database: Database, make_settings: Callable[..., Settings]) -> Iterator[Flask]:
    """The service over the same database, without a cache of rendered items."""
    app = create_app(make_settings(database.url, page_cache_bytes=0))
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def stocked(registry: RegistryBuilder) -> None:
    """Two versions with metrics: one serves, the other derives from a third of another model."""
    registry.model("base").version(metrics={"auc": 0.1})
    registry.model("fraud").version(stage="production", aliases=["champion"], metrics={"auc": 0.1})
    registry.model("fraud").version(parents=[{"model": "base", "version": 1}], metrics={"auc": 0.2})


def block(client: FlaskClient, name: str, prefix: str = "", query: str = "") -> str:
    """A block of the page of the model, but for how long ago something was."""
    headers = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": f"div#{name}"}
    response = client.get(f"{MODEL}{query}", headers=headers, base_url=f"https://{HOST}{prefix}")
    assert response.status_code == 200, response.text
    return AGO.sub(r"\1", response.text)


@pytest.mark.usefixtures("stocked")
def test_each_role_sees_every_change_as_without_a_cache(
    app: Flask, forgetful: Flask, database: Database, api: Api
) -> None:
    users = [database.tokens[role] for role in ("all", "reader")]
    pairs = [(logged_in(app, token), logged_in(forgetful, token)) for token in users]
    mlflow_api, seen = MlflowApi(app.test_client(), users[0]), set()

    for name, change in VERSION_CHANGES.items():
        change(api, mlflow_api)
        for keeping, keeping_nothing in pairs:
            for part, query in BLOCKS:
                shown = block(keeping, part, query=query)
                assert shown == block(keeping, part, query=query), f"{part} after {name}"
                assert shown == block(keeping_nothing, part, query=query), f"{part}{query} after {name}"
                seen.add(shown)

    assert len(seen) > len(VERSION_CHANGES)


@pytest.mark.usefixtures("stocked")
def test_what_is_kept_has_nothing_of_the_user_who_saw_it_first(app: Flask, database: Database) -> None:
    admin, reader = logged_in(app, database.tokens["all"]), logged_in(app, database.tokens["reader"])
    admin.set_cookie("registry-theme", "dark", domain=HOST)

    first, second = browse(admin, MODEL), browse(reader, MODEL)

    assert first.one("html").get("data-theme") == "dark"
    assert second.one("html").get("data-theme") is None
    assert "Edit…" in first.text
    assert "Edit…" not in second.text
    assert first.hidden_fields("/logout") != second.hidden_fields("/logout")
    for part in ("metric", "versions"):
        assert block(admin, part) == block(reader, part)
        assert "csrf" not in block(admin, part)


@pytest.mark.usefixtures("stocked")
def test_rows_link_to_the_path_below_which_they_are_seen(app: Flask, database: Database) -> None:
    client = logged_in(app, database.tokens["all"])

    for prefix in ("", "/below", ""):
        assert f'<a href="{prefix}{MODEL}/versions/1">v1</a>' in block(client, "versions", prefix)


@pytest.mark.usefixtures("stocked")
def test_rows_are_rendered_once(app: Flask, database: Database) -> None:
    client, asked = logged_in(app, database.tokens["all"]), []
    for _ in range(2):
        with counting_statements(app) as statements:
            block(client, "versions")
        asked.append(sum(not text.startswith("BEGIN") for text in statements))

    assert asked == [5, 3]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("stocked")
def test_how_long_ago_is_not_kept(app: Flask, database: Database) -> None:
    """On SQLite, whose clock is that of the process."""
    client = logged_in(app, database.tokens["all"])
    first = browse(client, MODEL).one("div", id="versions")

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=20)):
        later = browse(client, MODEL).one("div", id="versions")

    texts = [[str(time.text) for time in part.iter("time")] for part in (first, later)]
    assert [len(one) for one in texts] == [2, 2]
    assert all(now.endswith("ago") and now != before for before, now in zip(*texts, strict=True))
