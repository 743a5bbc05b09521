"""Who held a stage at an instant of the past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.test_stages import holder, move
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

TICK = timedelta(microseconds=1)


def wire(instant: str, by: timedelta = timedelta()) -> str:
    """An instant of the wire, moved."""
    return (datetime.fromisoformat(instant) + by).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_an_answer_about_the_past_changes_its_etag_when_the_tenure_ends(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="staging")
    past = {"as_of": expect(200, api.get("/models/fraud/stages/production"))["since"]}
    before = api.get("/models/fraud/stages/production", query_string=past)
    moved = move(api, 2, "production")

    after = api.get(
        "/models/fraud/stages/production", query_string=past, headers={"If-None-Match": before.headers["ETag"]}
    )

    assert (expect(200, before)["until"], expect(200, after)["until"]) == (None, moved["at"])


def test_a_tenure_covers_its_first_instant_and_not_its_last(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="staging")
    started = move(api, 1, "production")["at"]
    registry.model("fraud").version(stage="staging")
    ended = move(api, 2, "production")["at"]

    answers = {
        "before": holder(api, "production", wire(started, -TICK)),
        "start": holder(api, "production", started),
        "last": holder(api, "production", wire(ended, -TICK)),
        "end": holder(api, "production", ended),
        "archived before": holder(api, "archived", wire(ended, -TICK)),
        "archived": holder(api, "archived", ended),
        "in staging": holder(api, "staging", wire(started, -TICK)),
        "out of staging": holder(api, "staging", started),
    }

    assert answers == {
        "before": None, "start": 1, "last": 1, "end": 2,
        "archived before": None, "archived": 1, "in staging": 1, "out of staging": None,
    }  # fmt: skip


def test_an_instant_is_the_same_in_every_zone(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    since = datetime.fromisoformat(expect(200, api.get("/models/fraud/stages/production"))["since"])
    elsewhere = since.astimezone(datetime.fromisoformat("2026-01-01T00:00:00+05:30").tzinfo)

    found = holder(api, "production", elsewhere.isoformat())

    assert found == 1
    assert holder(api, "production", (elsewhere - TICK).isoformat()) is None


def test_a_request_for_an_instant_before_the_first_tenure_gets_its_start(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    since = expect(200, api.get("/models/fraud/stages/production"))["since"]

    problem = expect(404, api.get("/models/fraud/stages/production?as_of=2020-01-01T00:00:00Z"))

    assert problem["code"] == "not_found"
    assert since in problem["detail"]


@pytest.mark.parametrize("as_of", ["2999-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_future_is_not_known(api: Api, registry: RegistryBuilder, as_of: str) -> None:
    registry.model("fraud").version(stage="production")

    problem = expect(422, api.get(f"/models/fraud/stages/production?as_of={as_of}"))

    assert list(problem["errors"]) == ["as_of"]


def test_the_past_outlives_the_versions_that_made_it(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="staging")
    ended = move(api, 2, "production")["at"]
    expect(200, api.delete("/models/fraud/versions/1"))

    found = holder(api, "production", wire(ended, -TICK))

    assert found == 1


def test_the_past_of_a_name_includes_the_models_that_had_it_before(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    ended = move(api, 1, "archived", leave_vacant=True)["at"]
    deleted = expect(200, api.delete("/models/fraud"))["deleted_at"]
    while_gone = holder(api, "production", wire(ended, -TICK))
    registry.create_model()
    registry.model("fraud").version(stage="production")

    then = holder(api, "production", wire(ended, -TICK))

    assert (while_gone, then, holder(api, "production")) == (1, 1, 2)
    assert (holder(api, "archived", wire(deleted, -TICK)), holder(api, "archived", deleted)) == (1, None)
    assert holder(api, "archived") is None


def test_what_holds_now_also_held_a_moment_ago(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")

    now = holder(api, "production", datetime.now(UTC).isoformat())

    assert now == holder(api, "production") == 1
