"""Holds and moves past the gates in the pages: placed, tracked, released and acknowledged."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.browser_sessions import logged_in
from tests.support.databases import Database
from tests.support.pages import Seen, browse, submit
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

DATA = f"sha256:{'ab' * 32}"
VERSION = "/models/fraud/versions/2"
POLICY = {"policy": 1, "production": [{"rule": "metric", "metric": "auc", "at_least": 0.9}]}


def test_a_hold_on_data_is_a_recall_that_is_tracked_to_zero(visitor: FlaskClient, site: RegistryBuilder) -> None:
    datasets = [{"name": "cards", "digests": [DATA], "role": "train"}]
    for stage in ("production", "production", "staging"):
        site.model("fraud").version(stage, datasets=datasets)
    offered = browse(visitor, f"/lineage/impact?digest={DATA}")

    placed = submit(visitor, "/holds/new", {"kind": "data", "target": DATA, "reason": "recalled by the source"})
    address = placed.headers["Location"]
    live, version = browse(visitor, address), browse(visitor, VERSION)
    move = Seen(submit(visitor, "/models/fraud/versions/3/stage", {"to": "production", "reason": "x"}, status=409))
    out = {"reason": "and this one", "rollback": "yes", "leave_vacant": "yes"}
    left = submit(visitor, f"{VERSION}/hold", out)
    gone = browse(visitor, address)
    submit(visitor, f"{address}/release", {"reason": "the source was wrong"})

    assert f"/holds/new?data={DATA.replace(':', '%3A')}" in offered.links or f"/holds/new?data={DATA}" in offered.links
    assert "1 in production, 1 in staging, of 3 versions." in live.text
    assert "recalled by the source" in version.text
    assert "Refused: a hold is in force." in move.text
    assert left.headers["Location"] == VERSION
    assert "No version that it is about is in production" in gone.text
    assert "Left production since" in gone.text
    active = browse(visitor, "/holds").one("tbody")
    assert ["".join(row.itertext()) for row in active.iter("th")] == ["Hold 2"]
    assert "the source was wrong" in browse(visitor, address).text


def test_an_open_page_of_a_model_is_refreshed_by_each_change_of_holds_on_data(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    site.model("fraud").version("production", datasets=[{"name": "cards", "digests": [DATA], "role": "train"}])
    headers = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#holders"}
    polled = visitor.get("/models/fraud", headers=headers)

    def poll(tag: str) -> tuple[int, bool, str]:
        response = visitor.get("/models/fraud", headers=headers | {"If-None-Match": tag})
        return response.status_code, "recalled" in response.text, response.headers["ETag"]

    holds = []
    for target in (DATA, f"sha256:{'cd' * 32}"):
        body = {"kind": "data", "target": target, "reason": "recalled"}
        holds.append(expect(201, site.client.post("/holds", body))["hold"]["id"])
    placed = poll(polled.headers["ETag"])
    same = poll(placed[2])
    listed = [expect(200, site.client.get("/models/fraud/versions"))["items"][0]["holds"]]
    expect(200, site.client.post(f"/holds/{holds[0]}/release", {"reason": "the source was wrong"}))
    released = poll(placed[2])

    assert [(status, is_held) for status, is_held, _ in (placed, same, released)] == [
        (200, True), (304, False), (200, False),
    ]  # fmt: skip
    listed.append(expect(200, site.client.get("/models/fraud/versions"))["items"][0]["holds"])
    assert [len(held) for held in listed] == [1, 0]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_move_past_the_gates_is_confirmed_by_a_responder_and_acknowledged_by_another(
    app: Flask, database: Database, registry: RegistryBuilder
) -> None:
    for _ in range(2):
        registry.model("fraud").version("staging")
    expect(200, registry.client.put("/models/fraud/policy", {"document": POLICY, "reason": "agreed"}))
    responder, approver, writer = (
        logged_in(app, database.tokens[role]) for role in ("responder", "approver", "writer")
    )
    where = f"{VERSION}/break-glass"

    unconfirmed = Seen(submit(responder, where, {"to": "production", "reason": "outage"}, status=422))
    submit(responder, where, {"to": "production", "reason": "outage", "confirmed": "yes"}, seen=unconfirmed)
    shown, model = browse(approver, VERSION), browse(approver, "/models/fraud")
    submit(approver, f"{where}/acknowledge", {"reason": "seen"})

    assert "confirm that the gates are skipped" in unconfirmed.text
    assert "Moved past the gates just now by responder: “outage”. No approver has acknowledged it." in shown.text
    assert "Moved past the gates just now by responder: “outage”." in model.text
    assert f"{where}/acknowledge" in shown.links
    assert f"{where}/acknowledge" not in browse(writer, VERSION).links
    assert where not in browse(writer, f"{VERSION}/stage").links
    assert where in browse(responder, f"{VERSION}/stage").links
    assert "Moved past" not in browse(approver, VERSION).text
