"""Mixed load by several clients while the service, its worker and its database are killed at random.

``Soak`` keeps every acknowledged write, and judges afterwards what the database and the store hold.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.audit_reader import AuditReader
from tests.support.invariants import Invariants
from tests.support.polling import eventually
from tests.support.postgres import ThrowawayPostgres
from tests.support.servers import Fleet, Worker

MODELS = ("fraud", "churn", "ranking")
PAUSE = 0.05
TAKEN_BACK = {"illegal_transition", "no_previous", "not_ready", "stale", "conflict"}


@dataclass
class Client:
    """Does one thing after the other, each write with a key and again with it until it is answered."""

    fleet: Fleet
    at: int
    chance: random.Random
    acknowledged: list[tuple[str, str, Any]] = field(default_factory=list)
    put_off: Counter[str] = field(default_factory=Counter)
    reads: int = 0

    def work(self, stop: threading.Event) -> None:
        with self.fleet.caller(self.at) as self.caller:
            while not stop.is_set():
                duty = self.chance.choices([self.register, self.move, self.roll_back, self.read], [3, 5, 1, 6])[0]
                duty(self.chance.choice(MODELS))

    def register(self, model: str) -> None:
        content = uuid.uuid4().bytes
        file = self.persist(lambda: self.caller.registry.file(content))
        body = {"files": [file], "run": {"system": "soak", "id": uuid.uuid4().hex}}
        if answer := self.write("POST", f"/models/{model}/versions", body):
            self.acknowledged.append(("registered", model, answer["version"]["number"]))

    def move(self, model: str) -> None:
        path = f"/models/{model}/versions?limit=20"
        items = self.persist(lambda: self.caller.get(path))["items"]
        if not items:
            return
        version = self.chance.choice(items)
        stage = {"none": "staging", "staging": "production"}.get(version["stage"], "archived")
        if version["stage"] == "archived":
            stage = "staging"
        body = {"stage": stage, "reason": "soak"}
        answer = self.write("PUT", f"/models/{model}/versions/{version['number']}/stage", body)
        if answer and answer["changed"]:
            self.acknowledged.append((stage, model, version["number"]))

    def roll_back(self, model: str) -> None:
        answer = self.write("POST", f"/models/{model}/rollback", {"reason": "soak"})
        if answer and answer["changed"]:
            self.acknowledged.append(("rolled back", model, answer["number"]))

    def read(self, model: str) -> None:
        paths = (
            f"/models/{model}/stages/production",
            f"/models/{model}/versions?limit=10",
            "/models?limit=10",
            f"/search/versions?limit=10&filter=name = '{model}' AND stage = 'production'",
        )
        for path in paths:
            self.persist(lambda: self._tolerated("GET", path))  # noqa: B023 -- called at once
        self.reads += len(paths)

    def write(self, method: str, path: str, body: Any) -> Any:
        """The answer's document; None for a refusal that the race with others explains."""
        key = uuid.uuid4().hex
        return self.persist(lambda: self._tolerated(method, path, body, key=key))

    def persist(self, call: Callable[[], Any]) -> Any:
        while True:
            try:
                return call()
            except requests.RequestException as error:
                self.put_off[type(error).__name__] += 1
            except PutOff:
                self.put_off["503"] += 1
            except AssertionError as error:  # a call of several steps
                if not str(error).startswith("503"):
                    raise
                self.put_off["503"] += 1
            time.sleep(PAUSE)  # a client that repeats its request

    def _tolerated(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        given = {} if body is None else {"body": body}
        answer = self.caller(method, path, key=key, **given)
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) > 0
            raise PutOff
        assert answer.status_code < 500, answer.text
        if answer.ok:
            return answer.json()
        code = answer.json()["code"]
        assert code in TAKEN_BACK or (method == "GET" and answer.status_code == 404), f"{path} {answer.text}"
        return None


class PutOff(Exception):
    """The service said: come back."""


@dataclass
class Soak:
    """``run`` lets clients work for a while under kills; ``lost_writes`` counts lost ones, and fails for wrong ones."""

    fleet: Fleet
    worker: Worker
    postgres: ThrowawayPostgres
    seed: int
    clients: int = 4
    kills: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def run(self, seconds: float) -> list[Client]:
        chance, stop = self.chance, threading.Event()
        working = [Client(self.fleet, at, random.Random(self.seed + at + 1)) for at in range(self.clients)]
        with self.fleet.caller() as caller:
            for model in MODELS:
                caller.registry.create_model(model)
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(self.clients) as pool:
            duties = [pool.submit(client.work, stop) for client in working]
            try:
                for number in count():
                    _await_answers(working, duties)
                    if time.monotonic() > end and number >= len(self._faults):
                        break
                    fault = self._faults[number] if number < len(self._faults) else chance.choice(self._faults)
                    time.sleep(chance.random() * min(3.0, seconds / 10))  # a fault comes at any time
                    fault()
                    self.kills[fault.__name__] += 1
            finally:
                stop.set()
            for duty in duties:
                duty.result()
        return working

    def lost_writes(self, working: list[Client], audit_reader: AuditReader, invariants: Invariants) -> int:
        """How many acknowledged writes are not there."""
        self.worker.kill()
        self.fleet.server.stop()
        lost = 0
        for model in MODELS:
            told = Counter(
                (kind, number) for client in working for kind, name, number in client.acknowledged if name == model
            )
            history = _history(audit_reader, model)
            lost += sum((told - history).values())
            assert history == told, f"{model}: {history - told} was not acknowledged, {told - history} is lost"
            numbers = audit_reader.numbers(model)
            assert numbers == list(range(1, len(numbers) + 1))
            if any(entry.stage == "production" for entry in audit_reader.entries(model)):
                audit_reader.assert_serial(model)
        audit_reader.assert_chains()
        audit_reader.assert_bytes(self.fleet.store)
        invariants.assert_sound()
        return lost

    @property
    def _faults(self) -> list[Callable[[], None]]:
        return [self.server, self.database, self.web_worker, self.background_worker]

    def server(self) -> None:
        self.fleet.server.kill()
        self.fleet.server.start()

    def web_worker(self) -> None:
        workers = self.fleet.server.workers()
        self.fleet.server.kill_worker(self.chance.choice(workers))

    def background_worker(self) -> None:
        self.worker.kill()
        self.worker.launch()

    def database(self) -> None:
        self.postgres.crash()
        self.postgres.start()


ACTIONS = {"version.registered": "registered", "version.rolled_back": "rolled back"}


def _history(audit_reader: AuditReader, model: str) -> Counter[tuple[str, Any]]:
    """What the audit chain tells of moves, without those that another move brought along."""
    found: Counter[tuple[str, Any]] = Counter()
    for entry in audit_reader.entries(model):
        if entry.action in ACTIONS:
            found[ACTIONS[entry.action], entry.version] += 1
        elif entry.action in {"version.promoted", "version.demoted", "version.archived", "version.restored"}:
            found[str(entry.stage), entry.version] += 1
    return found


def _await_answers(working: list[Client], duties: list[Future[None]]) -> None:
    """Every client was answered since the last fault, or one has ended with an error."""
    before = [len(client.acknowledged) + client.reads for client in working]
    with suppress(IndexError):
        eventually(
            lambda: (
                all(len(c.acknowledged) + c.reads > n for c, n in zip(working, before, strict=True))
                or any(duty.done() for duty in duties)
            ),
            "every client is answered",
        )


def summary(soak: Soak, working: list[Client], lost: int, seconds: float) -> str:
    """What was done, as a table."""
    done = Counter(kind for client in working for kind, _, _ in client.acknowledged)
    put_off: Counter[str] = sum((client.put_off for client in working), Counter())
    lines = [("seed", soak.seed), ("seconds", round(seconds)), ("reads", sum(client.reads for client in working))]
    lines += [(f"acknowledged: {kind}", number) for kind, number in sorted(done.items())]
    lines += [(f"killed: {what.replace('_', ' ')}", number) for what, number in sorted(soak.kills.items())]
    lines += [(f"repeated after: {what}", number) for what, number in sorted(put_off.items())]
    return "\n".join(f"{name:36}{value:>8}" for name, value in [*lines, ("acknowledged and lost", lost)])


def main(arguments: list[str]) -> int:
    """Run the soak for some minutes and print its summary; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, help="of a run that is to be repeated; the summary names it")
    options = parser.parse_args(arguments)
    os.environ["SOAK_SECONDS"] = str(options.minutes * 60)
    os.environ["SOAK_SEED"] = str(options.seed or "")
    test = str(Path(__file__).with_name("test_soak.py"))
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "summary")
        os.environ["SOAK_SUMMARY"] = str(told)
        status = pytest.main(["-q", "-n", "0", "--timeout", "0", "-p", "no:cacheprovider", test])
        sys.stdout.write(told.read_text() if told.exists() else "")
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
