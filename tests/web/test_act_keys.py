"""Forms that act have the key that the page gave them: without one they are refused, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from tests.support.pages import SAME_ORIGIN, Seen, browse, examined
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.variants import SomeOf
from tests.web.addresses import PAGES
from tests.web.world import World, build

KEYS = [None, "", "two words", "schlüssel", "x" * 129, "a\n", "a\x00b"]
ACTS = {
    "acknowledge_break_glass", "add_data", "add_lineage", "alias", "aliases", "apply_request", "approve_request",
    "archive_older", "break_glass", "comment_request", "delete_alias", "delete_model", "delete_version", "edge",
    "edit_model", "edit_version", "hold_version", "lifecycle", "move", "new_hold", "new_model", "new_token", "notes",
    "open_request", "reject_request", "release_hold", "remove_default_policy", "remove_policy", "restore_model",
    "restore_version", "revoke_token", "rollback", "set_default_policy", "set_policy", "version", "withdraw_request",
}  # fmt: skip
FILLED = {
    "alias": "other", "version": "1", "number": "3", "name": "new", "owner": "ann", "roles": "reader", "to": "archived",
    "reason": "because", "description": "new", "lifecycle": "open", "text": "a note", "expected_current": "2",
}  # fmt: skip
"""What the forms take; each ignores the fields of the others."""


@pytest.fixture
def world(site: RegistryBuilder) -> World:
    world = build(site)
    held = {"kind": "version", "target": f"{world.model}:2", "reason": "recalled"}
    expect(200, site.client.post(f"/holds/{world.hold}/release", {"reason": "so that version 1 can move"}))
    site.model(world.model).move(1, "staging")  # older than the one in production: it can be archived with others
    return replace(world, hold=expect(201, site.client.post("/holds", held))["hold"]["id"])


def forms_that_act(seen: Seen) -> Iterator[tuple[str | None, dict[str, str]]]:
    """Yield the action, if any, and the hidden fields of each form of the page that has a key."""
    for form in seen.all("form", method="post"):
        inputs = [field for field in form.iter("input") if field.get("type") == "hidden"]
        fields = {str(field.get("name")): str(field.get("value", "")) for field in inputs}
        if "idempotency_key" in fields:
            yield form.get("action"), fields


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_form_acts_without_the_key_of_its_page(
    visitor: FlaskClient, site: RegistryBuilder, world: World, some_of: SomeOf
) -> None:
    before = expect(200, site.client.get("/audit?limit=1"))["items"][0]["id"]
    acting, cases = set(), []
    for endpoint, address in PAGES.items():
        place = world.fill(address)
        opened = Seen(visitor.get(place, headers={"Accept": "text/html"}))
        for action, fields in forms_that_act(opened):
            acting.add(endpoint.removeprefix("web."))
            unkeyed = {name: text for name, text in fields.items() if name != "idempotency_key"}
            cases += [(action or place, unkeyed, key) for key in KEYS]
    for target, unkeyed, key in some_of(cases, 3):
        data = {**FILLED, **unkeyed} | ({} if key is None else {"idempotency_key": key})
        refused = examined(visitor.post(target, data=data, headers=SAME_ORIGIN), status=400)
        assert "the form is incomplete" in refused.text, (target, key)
        assert "Nothing was changed. Open the form again" in refused.text, (target, key)

    assert acting == ACTS
    assert expect(200, site.client.get("/audit?limit=1"))["items"][0]["id"] == before


def test_a_form_that_was_refused_for_its_key_is_shown_with_what_was_typed_and_then_acts_once(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    fields = browse(visitor, "/new/model").hidden_fields() | {"name": "fraud"}
    unkeyed = {name: text for name, text in fields.items() if name != "idempotency_key"}

    refused = examined(visitor.post("/new/model", data=unkeyed, headers=SAME_ORIGIN), status=400)
    expect(404, site.client.get("/models/fraud"))
    again = refused.hidden_fields() | {"name": refused.one("input", name="name").get("value")}
    sent = [visitor.post("/new/model", data=again, headers=SAME_ORIGIN).status_code for _ in range(2)]

    assert sent == [303, 303]
    assert site.model("fraud").actions() == ["model.created"]
