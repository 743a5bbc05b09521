"""Moves past the gates: shown wherever the version is resolved, until another account acknowledges them."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

STAGE = "/models/fraud/versions/1/stage"
ACKNOWLEDGE = "/models/fraud/versions/1/break-glass/acknowledge"
MOVE = {"stage": "production", "reason": "the outage of Monday", "break_glass": True}

UNMET = {"policy": 1, "production": [{"rule": "required", "tags": ["owner"]}]}


def test_a_move_past_the_gates_is_shown_until_an_approver_acknowledges_it(
    api: Api, registry: RegistryBuilder, as_role: Callable[[str], Api]
) -> None:
    registry.model("fraud").version(stage="staging")
    policy = expect(200, api.put("/models/fraud/policy", {"document": UNMET, "reason": "agreed"}))
    expect(201, api.put("/models/fraud/aliases/live", {"version": 1}))
    expect(409, api.put(STAGE, {**MOVE, "break_glass": False}))
    expect(403, as_role("promoter").put(STAGE, MOVE))
    expect(422, as_role("responder").put(STAGE, MOVE | {"stage": "archived"}))
    before = expect(200, as_role("responder").put(STAGE, MOVE | {"dry_run": True}))["version"]["break_glass"]

    moved = expect(200, as_role("responder").put(STAGE, MOVE))

    glass, entry = moved["version"]["break_glass"], expect(200, api.get(f"/audit/{moved['entry']}"))
    assert entry["after"]["policy"] == policy["digest"]
    assert before is None
    assert glass == {"at": moved["at"], "by": "responder", "reason": MOVE["reason"], "entry": moved["entry"]}
    shown = [
        "/models/fraud/versions/1", "/models/fraud/stages/production", "/models/fraud/aliases/live",
        "/models/fraud/tenures", "/models/fraud/aliases", "/models/fraud/versions", "/inventory",
        "/models/fraud/stages",
    ]  # fmt: skip
    answers = [api.get(path) for path in shown]
    assert [str(expect(200, answer)).count(moved["entry"]) for answer in answers] == [1, 2, 1, 4, 1, 1, 2, 2]
    brief = "/api/2.0/mlflow/model-versions/get?name=fraud&version=1"
    mlflow_reply = api.client.get(
        brief, base_url="https://registry.test", headers={"Authorization": f"Bearer {api.token}"}
    )
    assert "past the gates" in mlflow_reply.get_json()["model_version"]["status_message"]
    (concern,) = expect(200, api.get("/attention"))["items"][:1]
    assert (concern["kind"], concern["since"]) == ("break_glass", moved["at"])

    acknowledged = expect(200, as_role("approver").post(ACKNOWLEDGE, {"reason": "the gates are met since"}))

    assert acknowledged["break_glass"] is None
    for path, answer in zip(shown, answers, strict=True):
        changed = api.get(path, headers={"If-None-Match": answer.headers.get("ETag", '"none"')})
        assert '"break_glass":{' not in changed.get_data(as_text=True).replace(" ", "")
        assert changed.status_code == 200
    assert expect(409, as_role("approver").post(ACKNOWLEDGE, {"reason": "again"}))["code"] == "conflict"
    assert registry.model("fraud").actions()[-2:] == [
        "version.promoted_by_break_glass", "version.break_glass_acknowledged",
    ]  # fmt: skip
    assert expect(200, api.get("/models/fraud/history/verification"))["outcome"] == "verified"


def test_nobody_acknowledges_their_own_move_past_the_gates(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="staging")
    expect(200, api.put(STAGE, MOVE))

    refused = expect(409, api.post(ACKNOWLEDGE, {"reason": "it was fine"}))

    assert "the same account moved version 1 past the gates. Another person has to" in refused["detail"]
    assert expect(200, api.get("/models/fraud/versions/1"))["break_glass"] is not None
