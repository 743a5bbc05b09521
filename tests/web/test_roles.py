"""Who may open and do what on the pages: every endpoint with every identity, and what pages offer to whom."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from registry.db.models import Token
from registry.db.session import transaction
from registry.domain.access import GRANTABLE, GRANTS, Permission, Role
from registry.http.access import PUBLIC, permission_of
from tests.api.test_roles import address
from tests.support.api import Api
from tests.support.browser_sessions import browser, logged_in, session_cookie, take_session
from tests.support.databases import Database
from tests.support.pages import SAME_ORIGIN, Seen, browse
from tests.support.registry_builder import in_process
from tests.support.replies import expect
from tests.web.addresses import PAGES
from tests.web.world import World, build

pytestmark = pytest.mark.share(16)
ROLES = sorted(role.value for role in GRANTABLE)
# What a browser may send that is no session. None of it may open a page, whatever else it opens.
STRANGERS = ["none", "bearer", "forged", "closed", "expired", "parent revoked", "parent's token"]
EXAMPLES = ["web.me", "web.tokens", "web.new_token", "web.logout", "web.model"]


@pytest.fixture
def browsers(app: Flask, api: Api, database: Database) -> Mapping[str, FlaskClient]:
    """A browser for each role, and for each stranger."""
    known = {role: logged_in(app, database.tokens[role]) for role in ROLES}
    return known | {kind: _stranger(app, api, database, kind) for kind in STRANGERS}


def _stranger(app: Flask, api: Api, database: Database, kind: str) -> FlaskClient:
    if kind == "bearer":
        client = browser(app)
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {database.tokens['all']}"
        return client
    token = expect(201, api.post("/tokens", {"owner": kind.replace("'", " "), "roles": ["admin", "promoter"]}))
    client = logged_in(app, token["token"])
    text = session_cookie(client) or ""
    session = Api(app.test_client(), token["token"])
    if kind == "closed":
        expect(200, session.delete("/me/sessions"))
    elif kind == "parent revoked":
        expect(200, api.delete(f"/tokens/{token['id']}"))
    elif kind == "expired":
        with app.app_context(), transaction() as transacted:
            past = datetime.now(UTC) - timedelta(seconds=1)
            transacted.execute(update(Token).where(Token.id == text[4:16]).values(expires_at=past))
    sent = {"none": "", "forged": text[:-1] + ("0" if text[-1] != "0" else "1"), "parent's token": token["token"]}
    take_session(client, sent.get(kind, text))
    return client


def test_every_page_opens_for_those_whom_its_permission_admits_and_only_for_them(
    app: Flask, browsers: Mapping[str, FlaskClient]
) -> None:
    wrong, tried = [], 0
    for rule in app.url_map.iter_rules():
        declared = permission_of(app.view_functions[rule.endpoint])
        if not rule.endpoint.startswith("web.") or declared == PUBLIC:
            continue
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            for who, client in browsers.items():
                if who in STRANGERS[2:] and rule.endpoint not in EXAMPLES:
                    continue  # one gate refuses them everywhere
                tried += 1
                if who in STRANGERS:
                    take = session_cookie(client)
                    response = client.open(address(rule), method=method, headers=SAME_ORIGIN)
                    is_right = response.status_code == 303 and urlsplit(response.location).path == "/login"
                    if take is not None:
                        take_session(client, take)  # the refusal has removed it
                else:
                    response = client.open(address(rule), method=method, headers=SAME_ORIGIN)
                    status = response.status_code
                    may = Permission(declared) in GRANTS[Role(who)]
                    # Those who may get as far as the form's token, which is not sent here, or as the missing model.
                    refusal = "This requires the role" in Seen(response).whole_text if status == 403 else False
                    is_right = refusal != may and status < 500 and status != 401
                if not is_right and rule.endpoint != "web.twin":
                    wrong.append(f"{method} {rule.rule} as {who}: {response.status_code} {response.location}")

    assert wrong == []
    assert tried > 100


# What the acts need, written out: the generated test trusts the declarations, this table does not.
ACTS = {
    "web.close_session": "self:revoke", "web.close_sessions": "self:revoke", "web.logout": "self:read",
    "web.new_token": "token:create", "web.revoke_token": "token:manage", "web.revoke_my_token": "self:revoke",
    "web.settings": "self:read", "web.new_model": "model:create", "web.edit_model": "model:edit",
    "web.delete_model": "model:delete", "web.lifecycle": "model:lifecycle", "web.edit_version": "version:edit",
    "web.delete_version": "version:delete", "web.move": "version:stage", "web.rollback": "version:rollback",
    "web.add_lineage": "lineage:add", "web.add_data": "lineage:add", "web.state_edge": "lineage:retract",
    "web.set_policy": "policy:set", "web.set_default_policy": "policy:set", "web.remove_policy": "policy:set",
    "web.remove_default_policy": "policy:set", "web.new_hold": "hold:place", "web.hold_version": "hold:place",
    "web.release_hold": "hold:release", "web.break_glass": "version:break_glass",
    "web.acknowledge_break_glass": "request:approve", "web.open_request": "request:open",
    "web.approve_request": "request:approve", "web.reject_request": "request:approve",
    "web.withdraw_request": "version:note", "web.comment_request": "version:note", "web.apply_request": "version:stage",
}  # fmt: skip


def test_a_page_needs_what_the_api_needs_for_the_same(app: Flask) -> None:
    views = app.view_functions
    api = {rule.rule: rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    compared = 0
    for rule in app.url_map.iter_rules():
        same = api.get(f"/api/v1{rule.rule}")
        if rule.endpoint.startswith("web.") and same is not None and "GET" in (rule.methods or ()):
            compared += 1
            # A page with a form needs what that does; that of a file shows its bytes to those who may download them.
            if "POST" not in (rule.methods or ()) and rule.endpoint != "web.file":
                assert permission_of(views[rule.endpoint]) == permission_of(views[same]), rule.rule
    assert compared >= 5
    declared = {name: str(permission_of(views[name])) for name in ACTS if name in views}
    assert declared == {name: ACTS[name] for name in declared}


def test_a_session_opens_pages_and_nothing_else(app: Flask, browsers: Mapping[str, FlaskClient]) -> None:
    """The API and MLflow's face take no cookie, and no session in place of a token."""
    client = browsers["admin"]
    text = session_cookie(client) or ""
    tried = 0
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("web.") or permission_of(app.view_functions[rule.endpoint]) == PUBLIC:
            continue
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            tried += 1
            for headers in ({}, {"Authorization": f"Bearer {text}"}):
                with client.open(address(rule), method=method, headers=headers) as response:
                    assert response.status_code == 401, f"{method} {rule.rule}"
    assert tried > 60


@pytest.fixture
def world(api: Api) -> World:
    return build(in_process(api))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # what a page offers depends on no database
def test_a_page_offers_what_is_permitted(app: Flask, world: World, browsers: Mapping[str, FlaskClient]) -> None:
    """Each link, form and dialog of each page that a role can open leads to what the role may do."""
    adapter, dead = app.url_map.bind("registry.test"), []
    for role in ("reader", "auditor", "admin"):  # a writer and a promoter lie between them
        for page in PAGES.values():
            response = browsers[role].get(world.fill(page))
            if response.status_code != 200:
                continue
            seen = Seen(response)
            forms = [
                (str(form.get("action") or world.fill(page)), str(form.get("method", "get")))
                for form in seen.all("form")
            ]
            for target, method in [*((link, "get") for link in seen.links), *forms]:
                try:
                    endpoint, _ = adapter.match(urlsplit(target).path, method=method.upper())
                except (HTTPException, RequestRedirect):
                    continue  # the links of all pages are followed elsewhere
                declared = permission_of(app.view_functions[endpoint])
                if declared != PUBLIC and Permission(declared) not in GRANTS[Role(role)]:
                    dead.append(f"{page} offers {method} {target} to {role}")

    assert dead == []
    offered = {role: {*browse(browsers[role], "/tokens").links} for role in ("admin", "auditor")}
    assert "/tokens/new" in offered["admin"] - offered["auditor"]
