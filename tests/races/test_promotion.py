"""Many clients move one model's versions at the same moment, over several processes."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.audit_reader import AuditReader
from tests.support.registry_builder import named_run
from tests.support.servers import Caller, Fleet

CLIENTS = 32
LONG = pytest.mark.timeout(3600)


def rounds(usual: int, all_: int) -> pytest.MarkDecorator:
    """A bounded share of the rounds always, all of them where time allows."""
    return pytest.mark.parametrize(
        "rounds", [pytest.param(usual, id=f"{usual}-round"), pytest.param(all_, id=f"{all_}-rounds",
                                                                           marks=[pytest.mark.slow, LONG])]
    )  # fmt: skip


class Line:
    """A model with one version in production and many others."""

    def __init__(self, caller: Caller, versions: int) -> None:
        self.caller, self.model = caller, f"model-{uuid.uuid4().hex[:12]}"
        caller.registry.create_model(self.model)
        file = caller.registry.file(uuid.uuid4().bytes)
        self.numbers = [
            caller.registry.model(self.model).version(files=[file], run=named_run(str(run))) for run in range(versions)
        ]

    def holder(self) -> int:
        number: int = self.caller.get(f"/models/{self.model}/stages/production")["number"]
        return number

    def stage_all_but(self, kept: int | None) -> list[int]:
        """Take every version but *kept* to staging; their numbers."""
        moved = [number for number in self.numbers if number != kept]
        for number in moved:
            assert self.caller.stage(self.model, number, "staging").json()["changed"]
        return moved


@pytest.fixture
def caller(fleet: Fleet) -> Iterator[Caller]:
    with fleet.caller() as caller:
        yield caller


def promotion(model: str, number: int, **terms: int) -> functools.partial[requests.Response]:
    return functools.partial(Caller.promote, model=model, number=number, **terms)


def rollback(caller: Caller, model: str) -> requests.Response:
    return caller("POST", f"/models/{model}/rollback", {"reason": "a test"})


@rounds(1, 50)
def test_32_promotions_at_once_leave_one_holder_and_one_unbroken_line(
    fleet: Fleet, audit_reader: AuditReader, caller: Caller, rounds: int
) -> None:
    line = Line(caller, CLIENTS + 1)
    line.stage_all_but(None)
    holder: int | None = line.numbers[0]
    assert caller.promote(line.model, line.numbers[0]).status_code == 200

    for number in range(1, rounds + 1):
        if number > 1:
            line.stage_all_but(holder)
        racing = [version for version in line.numbers if version != holder]

        replies = fleet.at_once([promotion(line.model, version) for version in racing])

        assert [(reply.status_code, reply.json()["changed"]) for reply in replies] == [(200, True)] * CLIENTS
        holder = audit_reader.assert_one_line(line.model)
        assert holder == line.holder()
        assert audit_reader.count(line.model, "version.promoted", stage="production") == 1 + number * CLIENTS
        audit_reader.assert_serial(line.model)
        audit_reader.assert_chains()


@pytest.mark.fault("F06")
@rounds(1, 50)
def test_of_32_promotions_that_expect_the_same_holder_one_wins(
    fleet: Fleet, audit_reader: AuditReader, caller: Caller, rounds: int
) -> None:
    line = Line(caller, CLIENTS + 1)
    line.stage_all_but(None)
    holder = line.numbers[0]
    assert caller.promote(line.model, holder, expected_current=None).status_code == 200

    for number in range(1, rounds + 1):
        racing = [version for version in line.numbers if version != holder]

        replies = fleet.at_once([promotion(line.model, version, expected_current=holder) for version in racing])

        won = [version for version, reply in zip(racing, replies, strict=True) if reply.status_code == 200]
        lost = [reply.json() for reply in replies if reply.status_code != 200]
        assert len(won) == 1
        assert {(problem["status"], problem["code"], problem["holder"]) for problem in lost} == {(409, "stale", won[0])}
        assert audit_reader.assert_one_line(line.model) == won[0]
        assert audit_reader.count(line.model, "version.promoted", stage="production") == 1 + number
        assert caller.stage(line.model, holder, "staging").status_code == 200
        holder = won[0]
    audit_reader.assert_chains()


@pytest.mark.fault("F07")
@rounds(1, 50)
def test_promotions_and_rollbacks_at_once_have_the_result_of_some_order(
    fleet: Fleet, audit_reader: AuditReader, caller: Caller, rounds: int
) -> None:
    for _ in range(rounds):
        line = Line(caller, 12)
        line.stage_all_but(None)
        for number in line.numbers[:4]:
            assert caller.promote(line.model, number).status_code == 200
        promotions = [promotion(line.model, number) for number in line.numbers[4:]]
        rollbacks = [functools.partial(rollback, model=line.model)] * 8

        replies = fleet.at_once([work for pair in zip(promotions, rollbacks, strict=True) for work in pair])

        promoted, rolled_back = replies[::2], replies[1::2]
        assert {reply.status_code for reply in promoted} == {200}
        assert {reply.json().get("code") for reply in rolled_back if reply.status_code != 200} <= {"no_previous"}
        done = [reply for reply in rolled_back if reply.status_code == 200]
        assert all(reply.json()["changed"] for reply in done)
        assert audit_reader.count(line.model, "version.rolled_back") == len(done)
        assert audit_reader.count(line.model, "version.promoted", stage="production") == 4 + len(promoted)
        audit_reader.assert_one_line(line.model)
        audit_reader.assert_serial(line.model)
    audit_reader.assert_chains()


def test_of_16_clients_that_claim_one_alias_one_wins(fleet: Fleet, audit_reader: AuditReader, caller: Caller) -> None:
    line = Line(caller, 16)

    path = f"/models/{line.model}/aliases/champion"

    def claim(number: int, expected: int | None) -> functools.partial[requests.Response]:
        body = {"version": number, "expected_current": expected}
        return functools.partial(Caller.__call__, method="PUT", path=path, body=body)

    holder: int | None = None
    for number in range(1, 6):
        racing = [version for version in line.numbers if version != holder]

        replies = fleet.at_once([claim(version, holder) for version in racing])

        won = [version for version, reply in zip(racing, replies, strict=True) if reply.ok]
        lost = {(reply.status_code, reply.json()["code"], reply.json()["holder"]) for reply in replies if not reply.ok}
        assert len(won) == 1
        assert lost == {(409, "stale", won[0])}
        assert caller.get(path)["number"] == won[0]
        assert audit_reader.count(line.model, "alias.set") == number
        holder = won[0]
    audit_reader.assert_chains()


def test_readers_see_one_holder_at_every_moment_of_a_race(
    fleet: Fleet, audit_reader: AuditReader, caller: Caller
) -> None:
    line = Line(caller, 16)
    line.stage_all_but(None)
    assert caller.promote(line.model, line.numbers[0]).status_code == 200

    def watch(number: int) -> list[int]:
        with fleet.caller(number) as watcher:
            return [len(watcher.get(f"/models/{line.model}/stages")["stages"]["production"]) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        watching = [pool.submit(watch, number) for number in range(4)]
        fleet.at_once([promotion(line.model, number) for number in line.numbers[1:]])
        seen = {count for watcher in watching for count in watcher.result()}

    assert seen == {1}
    audit_reader.assert_one_line(line.model)
