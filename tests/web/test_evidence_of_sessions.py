"""What is done in a browser session, in history and in evidence."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from registry.rules.audit_log.reports import Outcome
from tests.support.api import Api
from tests.support.browser_sessions import logged_in, session_cookie
from tests.support.evidence_archive import Evidence
from tests.support.pages import SAME_ORIGIN, browse, submit
from tests.support.replies import expect
from tests.support.sealing import seal_all

pytestmark = pytest.mark.share(16)


def test_evidence_names_the_session_and_its_roles_and_when_it_ended(app: Flask, api: Api, tmp_path: Path) -> None:
    issued = expect(201, api.post("/tokens", {"owner": "ann", "roles": ["writer"]}))
    client, idle = logged_in(app, issued["token"]), logged_in(app, issued["token"])
    session = (session_cookie(client) or "")[4:16]
    submit(client, "/new/model", {"name": "fraud", "description": "finds fraud"})
    client.post(
        "/me/sessions/close", data=browse(client, "/me").hidden_fields("/me/sessions/close"), headers=SAME_ORIGIN
    )
    created = expect(200, api.get("/models/fraud/history"))["items"][0]
    seal_all(app)

    evidence = Evidence(api.get("/models/fraud/evidence").data, tmp_path)

    assert (created["actor"]["name"], created["action"]) == ("ann", "model.created")
    roles = {role["token"]: role for role in evidence.facts("roles") if role["name"] == "ann"}
    assert roles.keys() == {session, issued["id"], (session_cookie(idle) or "")[4:16]}
    used = roles[session]
    assert (used["roles"], used["acts"], used["granted"]["token"]) == (["writer"], 1, issued["id"])
    assert used["until"] == used["revoked"]["at"] < roles[issued["id"]]["until"]
    assert evidence.verify().outcome == Outcome.VERIFIED
