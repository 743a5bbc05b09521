"""A hold that is placed while its version is promoted: the promotion is refused, or the hold shows it as live."""

from __future__ import annotations

import functools
import uuid

import requests

from tests.races.test_promotion import promotion, rounds
from tests.support.registry_builder import named_run
from tests.support.servers import Caller, Fleet


@rounds(3, 50)
def test_a_promotion_is_refused_or_seen_by_the_hold_that_races_it(fleet: Fleet, rounds: int) -> None:
    with fleet.caller() as caller:
        model = f"held-{uuid.uuid4().hex[:12]}"
        caller.registry.create_model(model)
        file = caller.registry.file(uuid.uuid4().bytes)
        for number in range(1, rounds + 1):
            digest = f"sha256:{uuid.uuid4().hex * 2}"
            data = [{"name": "train", "digests": [digest], "role": "train"}]
            caller.registry.model(model).version(files=[file], run=named_run(str(number)), datasets=data)
            caller.registry.model(model).move(number, "staging")
            target = ("version", f"{model}:{number}") if number % 2 else ("data", digest)

            hold_it = functools.partial(place, kind=target[0], target=target[1])
            promoted, placed = fleet.at_once([promotion(model, number), hold_it])

            assert placed.status_code == 201, placed.text
            hold = placed.json()["hold"]
            holder = caller.get(f"/models/{model}/versions/{number}")
            assert [one["id"] for one in holder["holds"]] == [hold["id"]]
            assert caller.get(f"/holds/{hold['id']}")["live"] == (promoted.status_code == 200)
            entries = [one["action"] for one in caller.get("/audit?limit=2")["items"]]
            if promoted.status_code == 200:
                assert entries == ["hold.placed", "version.promoted"]
                assert caller.get(f"/models/{model}/stages/production")["holds"] == holder["holds"]
            else:
                assert (promoted.status_code, promoted.json()["code"], entries[0]) == (409, "held", "hold.placed")


def place(caller: Caller, kind: str, target: str) -> requests.Response:
    return caller("POST", "/holds", {"kind": kind, "target": target, "reason": "a race"})
