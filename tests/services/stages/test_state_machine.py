"""Random lives of a model, beside a second registry that is a few lists in memory."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from registry.db.session import db
from registry.services import audit
from tests.services.stages.reference_registry import STAGES, Book, Refused, Span, Version
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

TICK = timedelta(microseconds=1)
NUMBERS = st.integers(1, 5)
MOST_VERSIONS = 5
ALIASES = st.sampled_from(["champion", "shadow"])


class Life(RuleBasedStateMachine):
    """One model's life; each example has a model of its own."""

    def __init__(self, api: Api, file: dict[str, Any]) -> None:
        super().__init__()
        self.api, self.file = api, file
        self.book = Book()
        self.instants: list[datetime] = []

    @initialize(shipped=st.integers(2, 3))
    def create(self, shipped: int) -> None:
        self.path = f"/models/{uuid.uuid4().hex}"
        expect(201, self.api.post("/models", {"name": self.path.removeprefix("/models/")}))
        for _ in range(shipped):
            self.ship(["staging", "production"])

    @precondition(lambda self: len(self.book.versions) < MOST_VERSIONS)
    @rule(stages=st.sampled_from([[], ["staging"], ["staging", "production"], ["staging", "production"]]))
    def ship(self, stages: list[str]) -> None:
        body = {"files": [self.file], "run": {"system": "test", "id": uuid.uuid4().hex}}
        made = expect(201, self.api.post(f"{self.path}/versions", body))["version"]

        assert made["number"] == len(self.book.versions) + 1
        self.book.versions[made["number"]] = Version()
        self.book.actions.append("version.registered")
        for stage in stages:
            self.try_move(made["number"], stage, "any", {}, vacant=False, rehearse=False)

    # Chance alone seldom gets far: the next four are the days of a busy team.

    @rule(number=NUMBERS)
    def ship_again(self, number: int) -> None:
        for stage in ("staging", "production"):
            self.try_move(number, stage, "any", {}, vacant=False, rehearse=False)

    @rule()
    def retire(self) -> None:
        number = self.book.holder("production") or 1
        self.try_move(number, "archived", "any", {"leave_vacant": True}, vacant=True, rehearse=False)

    @rule(times=st.integers(1, 3))
    def go_back(self, times: int) -> None:
        for _ in range(times):
            self.try_rollback(None, "any", {}, rehearse=False)

    @rule(number=NUMBERS)
    def go_back_to(self, number: int) -> None:
        self.try_rollback(number, "any", {}, rehearse=False)

    @rule(
        number=NUMBERS, stage=st.sampled_from(STAGES), expected=st.sampled_from(["any", "holder", "none", 1, 2]),
        vacant=st.booleans(), rehearse=st.booleans(),
    )  # fmt: skip
    def move(self, number: int, stage: str, expected: Any, vacant: bool, rehearse: bool) -> None:
        expected, terms = self.expectation("production", expected)
        terms |= {"leave_vacant": True} if vacant else {}
        self.try_move(number, stage, expected, terms, vacant=vacant, rehearse=rehearse)

    def try_move(
        self, number: int, target: str, expected: Any, terms: dict[str, Any], *, vacant: bool, rehearse: bool
    ) -> None:
        terms = {**terms, "stage": target, "reason": "a test"} | ({"dry_run": True} if rehearse else {})
        response = self.api.put(f"{self.path}/versions/{number}/stage", terms)
        try:
            action = self.book.decide_move(number, target, expected, vacant=vacant)
        except Refused as refusal:
            return self.assert_refused(response, refusal)

        done = expect(200, response)
        assert (done["number"], done["target"], done["changed"]) == (number, target, action is not None)
        if action is None or rehearse:
            assert done["at"] is None
            return None
        at = self.remember(done["at"])
        assert done["displaced"] == self.book.move(number, target, at)
        return self.book.actions.append(action)

    @rule(
        to=st.none() | NUMBERS, expected=st.sampled_from(["any", "holder", "none", 1]),
        rehearse=st.sampled_from([False, False, True]),
    )  # fmt: skip
    def roll_back(self, to: int | None, expected: Any, rehearse: bool) -> None:
        expected, terms = self.expectation("production", expected)
        self.try_rollback(to, expected, terms, rehearse=rehearse)

    def try_rollback(self, to: int | None, expected: Any, terms: dict[str, Any], *, rehearse: bool) -> None:
        terms = {**terms, "reason": "a test"} | ({"to": to} if to else {}) | ({"dry_run": True} if rehearse else {})
        response = self.api.post(f"{self.path}/rollback", terms)
        try:
            chosen = self.book.decide_rollback(to, expected)
        except Refused as refusal:
            return self.assert_refused(response, refusal)

        done = expect(200, response)
        stays = self.book.versions[chosen.number].stage == "production"
        assert (done["number"], done["changed"]) == (chosen.number, not stays)
        if stays or rehearse:
            assert done["at"] is None
            return None
        assert done["kind"] == "rollback"
        assert done["displaced"] == self.book.roll_back(chosen, self.remember(done["at"]))
        return self.book.actions.append("version.rolled_back")

    @rule(number=NUMBERS)
    def delete_or_restore(self, number: int) -> None:
        if number in self.book.versions and self.book.versions[number].deleted:
            self.undelete(number)
        else:
            self.delete(number)

    def delete(self, number: int) -> None:
        response = self.api.delete(f"{self.path}/versions/{number}")
        try:
            self.book.decide_delete(number)
        except Refused as refusal:
            return self.assert_refused(response, refusal)

        gone = expect(200, response)
        assert gone["state"] == "deleted"
        self.book.delete(number, self.remember(gone["deleted_at"]))
        return self.book.actions.append("version.deleted")

    @rule(number=NUMBERS)
    def undelete(self, number: int) -> None:
        response = self.api.post(f"{self.path}/versions/{number}/restore", {})
        version = self.book.versions.get(number)
        if version is None or not version.deleted:
            return self.assert_refused(response, Refused("conflict" if version else "not_found"))

        assert expect(200, response)["state"] == "ready"
        version.deleted = False
        return self.book.actions.append("version.undeleted")

    @rule(alias=ALIASES, number=NUMBERS, expected=st.sampled_from(["any", "holder", "none", 1]))
    def point(self, alias: str, number: int, expected: Any) -> None:
        expected, terms = self.expectation(alias, expected)
        response = self.api.put(f"{self.path}/aliases/{alias}", {"version": number, **terms})
        try:
            moves = self.book.decide_point(alias, number, expected)
        except Refused as refusal:
            return self.assert_refused(response, refusal)

        assert response.status_code == (200 if self.book.holder(alias) else 201)
        if moves:
            at = self.remember(response.get_json()["since"])
            self.end_alias(alias, at)
            self.book.spans.append(Span(alias, number, at, 0))
            self.book.actions.append("alias.set")
        return None

    @rule(alias=ALIASES)
    def remove_alias(self, alias: str) -> None:
        response = self.api.delete(f"{self.path}/aliases/{alias}")
        if self.book.holder(alias) is None:
            return self.assert_refused(response, Refused("not_found"))

        self.end_alias(alias, self.remember(expect(200, response)["until"]))
        return self.book.actions.append("alias.deleted")

    @rule(wanted=st.sampled_from(["enforced", "enforced", "open"]))
    def switch_lifecycle(self, wanted: str) -> None:
        if wanted == self.book.lifecycle:
            return None
        response = self.api.patch(self.path, {"lifecycle": wanted})
        try:
            self.book.decide_lifecycle(wanted)
        except Refused as refusal:
            return self.assert_refused(response, refusal)

        assert expect(200, response)["lifecycle"] == wanted
        self.book.lifecycle = wanted
        return self.book.actions.append("model.edited")

    @precondition(lambda self: self.instants)
    @rule(data=st.data(), what=st.sampled_from(["staging", "production", "archived", "champion"]))
    def ask_about_the_past(self, data: st.DataObject, what: str) -> None:
        instant = data.draw(st.sampled_from(self.instants)) - data.draw(st.sampled_from([TICK, 0 * TICK]))
        self.assert_past(what, instant)

    @invariant()
    def versions_are_as_in_the_book(self) -> None:
        if not self.book.versions:
            return
        items = expect(200, self.api.get(f"{self.path}/versions?limit=200"))["items"]
        assert {
            item["number"]: Version(item["stage"], item["state"] == "deleted", item["rolled_back"]) for item in items
        } == self.book.versions
        document = expect(200, self.api.get(f"{self.path}/stages"))["stages"]
        for stage in ("staging", "production"):
            numbers = [holder["number"] for holder in document[stage]]
            assert numbers == [span.number for span in reversed(self.book.holding(stage))]
            if stage == "production" and self.book.lifecycle == "enforced":
                assert len(numbers) <= 1

    def teardown(self) -> None:
        if not self.book.versions:
            return
        items, cursor = [], ""
        while cursor is not None:
            page = expect(200, self.api.get(f"{self.path}/history?limit=200{cursor and f'&cursor={cursor}'}"))
            items += page["items"]
            cursor = page["next_cursor"]
        assert [item["action"] for item in reversed(items)] == self.book.actions
        assert [item["seq"] for item in reversed(items)] == list(range(1, len(items) + 1))
        for instant in self.instants[-10:]:
            self.assert_past("production", instant)
        with self.api.client.application.app_context():
            unlike = [report for report in audit.verify(model=self.path.rpartition("/")[2]) if not report.is_whole]
            db.session.remove()
        assert unlike == []

    def expectation(self, what: str, told: Any) -> tuple[Any, dict[str, Any]]:
        """What the caller claims to have seen, and how it is sent."""
        seen = {"holder": self.book.holder(what), "none": None}.get(told, told)
        return seen, {} if seen == "any" else {"expected_current": seen}

    def assert_refused(self, response: Any, refusal: Refused) -> None:
        assert response.status_code >= 400, f"expected {refusal.code}: {response.get_data(as_text=True)}"
        assert response.get_json()["code"] == refusal.code

    def assert_past(self, what: str, instant: datetime) -> None:
        kind = "stages" if what in STAGES else "aliases"
        asked = instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        response = self.api.get(f"{self.path}/{kind}/{what}?as_of={asked}")
        expected = self.book.holder_at(what, instant)
        if expected is None:
            assert response.status_code == 404
        else:
            assert expect(200, response)["number"] == expected

    def remember(self, wire: str) -> datetime:
        at = datetime.fromisoformat(wire)
        assert not self.instants or at > self.instants[-1]
        self.instants.append(at)
        return at

    def end_alias(self, alias: str, at: datetime) -> None:
        for span in self.book.holding(alias):
            span.end = at


@pytest.mark.parametrize(
    ("examples", "steps"),
    [
        pytest.param(8, 25, id="8-lives"),
        pytest.param(1000, 50, id="1000-lives", marks=[pytest.mark.slow, pytest.mark.timeout(7200)]),
    ],
)
def test_any_life_of_a_model_is_as_the_rules_say(
    api: Api, registry: RegistryBuilder, examples: int, steps: int
) -> None:
    file = registry.file()

    run_state_machine_as_test(
        lambda: Life(api, file),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
