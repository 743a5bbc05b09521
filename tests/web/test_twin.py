"""The JSON behind the pages: the API's own answers under a browser session."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.api import Api
from tests.support.browser_sessions import browser, logged_in, session_cookie
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

pytestmark = pytest.mark.share(16)
MODEL = '50% "off" #1?'
QUOTED = "50%25%20%22off%22%20%231%3F"
PATHS = [
    f"/models/{QUOTED}", f"/models/{QUOTED}/versions/1", f"/models/{QUOTED}/versions/1/files", "/models",
    "/search/versions",
    f"/models/{QUOTED}/stages/production", f"/models/{QUOTED}/versions?limit=1&stage=none", "/me/tokens", "/tokens",
    # What the API refuses.
    "/models/absent", "/models/a/b/c/d", "/nothing", "/models?limit=0", "/models?unknown=1", "/models?cursor=x",
    "/search/versions?filter=%3D", "/models/%00", "/models/fraud/rollback", "/uploads/batch", "/audit?action=x",
    f"/models/{QUOTED}/versions/99999999999999999999", "/models/",
]  # fmt: skip


def test_the_twin_answers_and_refuses_as_the_api(app: Flask, registry: RegistryBuilder, database: Database) -> None:
    registry.model(MODEL).version()
    for role in ("reader", "auditor"):
        client, api = logged_in(app, database.tokens[role]), Api(app.test_client(), database.tokens[role])
        for path in PATHS:
            twin, own = client.get(f"/json{path}"), api.get(path)
            assert (twin.status_code, twin.content_type) == (own.status_code, own.content_type), path
            if own.status_code < 300:
                assert twin.get_json() == own.get_json(), path
            elif own.is_json:
                assert twin.get_json()["code"] == own.get_json()["code"], path
            assert twin.headers["Cache-Control"] == own.headers.get("Cache-Control", "no-store"), path


def test_the_twin_streams_conditions_and_redirects_as_the_api(
    app: Flask, registry: RegistryBuilder, database: Database
) -> None:
    registry.model("fraud").version()
    auditor, reader = (logged_in(app, database.tokens[role]) for role in ("auditor", "reader"))

    exported = auditor.get("/json/audit?format=jsonl")
    etag = reader.get("/json/models/fraud").headers["ETag"]
    unchanged = reader.get("/json/models/fraud", headers={"If-None-Match": etag})
    file = reader.get("/json/models/fraud/versions/1/files/model.bin")

    assert b"version.registered" in exported.get_data()
    assert unchanged.status_code == 304
    assert file.status_code == 302
    assert auditor.get("/json/models/fraud/versions/1/files/model.bin").status_code == 403
    assert reader.head("/json/models/fraud").status_code == 200


def test_the_twin_takes_a_session_and_nothing_else_and_writes_nothing(
    app: Flask, registry: RegistryBuilder, database: Database
) -> None:
    registry.create_model("fraud")
    token = {"Authorization": f"Bearer {database.tokens['all']}"}
    reader = logged_in(app, database.tokens["reader"])
    before = registry.audit_entry_count()

    assert browser(app).get("/json/models/fraud", headers=token).status_code == 303
    assert expect(200, reader.get("/json/me", headers=token))["name"] == "reader"
    assert (session_cookie(reader) or "x") not in reader.get("/json/me").get_data(as_text=True)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        response = reader.open("/json/models/fraud", method=method, headers={"Sec-Fetch-Site": "same-origin"})
        assert response.status_code == 405, method
    assert registry.audit_entry_count() == before


def test_the_twin_needs_no_login_in_development(site: RegistryBuilder, visitor: FlaskClient) -> None:
    site.create_model("fraud")

    assert expect(200, visitor.get("/json/models/fraud"))["name"] == "fraud"
