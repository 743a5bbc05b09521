"""Two releases on one PostgreSQL database, under load: migrate, start the new one, go back and forth, end the old one.

Once from the oldest release that may serve beside this one, as the history has it, to this one; and once from this one
to one with one more migration (``tests/support/releases.py``). The usual run has the former, or the latter where the
history has no such release; ``--every-variant`` runs both.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db import migrate, schema
from registry.db.session import db
from registry.domain.access import LOCAL_DEV, Role
from registry.http.context import EXTENSION
from registry.services.accounts import accounts
from tests.conftest import SECRET
from tests.support.databases import Database
from tests.support.invariants import Invariants
from tests.support.polling import eventually
from tests.support.registry_builder import named_run
from tests.support.releases import (
    REVISION,
    ROOT,
    NoPreviousRelease,
    Release,
    next_release,
    previous_release,
    this_release,
)
from tests.support.servers import PATIENCE, UNSAID, Caller, Launcher, Server, running_fleet

CLIENTS = 2
PAUSE = 0.1
SHARED = "shared"
ELSEWHERE = "elsewhere"  # a model whose versions have unknown files
# A promotion or a rollback may lose against another client's: that is an answer, not a failure.
ANSWERS = {200, 201, 409}


class Repeating(Caller):
    """Sends a request again, with its key, while the answer is 503 with Retry-After, as the shipped clients do.

    A migration and a request may want the same tables in another order; then the database undoes the request.
    """

    def __call__(self, method: str, path: str, body: Any = UNSAID, *, key: str | None = None) -> requests.Response:
        key = key or (uuid.uuid4().hex if method != "GET" else None)
        end = time.monotonic() + PATIENCE
        while True:
            answer = super().__call__(method, path, body, key=key)
            if answer.status_code != 503 or "Retry-After" not in answer.headers or time.monotonic() > end:
                return answer
            time.sleep(PAUSE)  # a client that repeats its request


class Balancer:
    """What stands before the replicas: sends each request to one of those in its rota."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.rota: list[Server] = []
        self.busy: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self.changed = threading.Condition()

    def add(self, server: Server) -> None:
        with self.changed:
            self.rota.append(server)

    def remove(self, server: Server) -> None:
        """Send it nothing more; returns when it has answered all that it was sent."""
        with self.changed:
            self.rota.remove(server)
            assert self.changed.wait_for(lambda: not self.busy[server.url], 60)

    @contextmanager
    def caller(self) -> Iterator[Caller]:
        with self.changed:
            url = random.choice(self.rota).url
            self.busy[url] += 1
        try:
            with Repeating(url, self.token) as caller:
                yield caller
        finally:
            with self.changed:
                self.busy[url] -= 1
                self.served[url] += 1
                self.changed.notify_all()


class Client(threading.Thread):
    """Registers, promotes, rolls back, resolves and searches, through whichever replica; notes all answers."""

    def __init__(self, balancer: Balancer, model: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.balancer, self.model, self.stop = balancer, model, stop
        self.registered: list[tuple[str, int]] = []
        self.promoted: list[int] = []
        self.wrong: list[str] = []
        self.rounds = 0

    def run(self) -> None:
        while not self.stop.is_set():
            self.rounds += 1
            for step in (self.register, self.promote, self.roll_back, self.read):
                try:
                    step()
                except (AssertionError, requests.RequestException) as error:
                    self.wrong.append(f"{step.__name__}: {error!r}")
                time.sleep(PAUSE)  # a steady load, not a flood

    def register(self) -> None:
        for model in (self.model, SHARED):
            with self.balancer.caller() as caller:
                file = caller.registry.file(random.randbytes(64))
            with self.balancer.caller() as caller:
                self.registered.append(
                    (
                        model,
                        caller.registry.model(model).version(
                            files=[file], run=named_run(f"{self.model}-{self.rounds}")
                        ),
                    )
                )

    def promote(self) -> None:
        for model, number in self.registered[-2:]:
            for stage in ("staging", "production"):
                with self.balancer.caller() as caller:
                    answer = caller.stage(model, number, stage)
                self.note(answer, {200} if model == self.model else ANSWERS)
            if model == self.model:
                self.promoted.append(number)

    def roll_back(self) -> None:
        for model in (self.model, SHARED):
            with self.balancer.caller() as caller:
                self.note(caller("POST", f"/models/{model}/rollback", {"reason": "a test"}), ANSWERS)

    def read(self) -> None:
        with self.balancer.caller() as caller:
            self.note(caller("GET", f"/models/{self.model}/stages/production"), {200})
        with self.balancer.caller() as caller:
            self.note(caller("GET", '/search/versions?filter=stage = "production"&limit=5'), {200})
        with self.balancer.caller() as caller:
            answer = caller("GET", f"/models/{ELSEWHERE}/versions?limit=5")
        self.note(answer, {200})
        if answer.ok and {version["manifest_digest"] for version in answer.json()["items"]} != {None}:
            self.wrong.append(f"a digest of unknown files: {answer.text}")

    def note(self, answer: requests.Response, expected: set[int]) -> None:
        if answer.status_code not in expected:
            self.wrong.append(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")


@pytest.fixture
def server_of(database: Database, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """A started server of the release in *root*, over the test's database and one store."""
    with ExitStack() as stack:

        def start(root: Path, name: str) -> Server:
            launcher = Launcher(root, forked=root == ROOT)
            stack.callback(launcher.close)
            folder = tmp_path / name
            folder.mkdir()
            fleet = running_fleet(
                launcher,
                folder,
                database_url=database.url,
                token=database.tokens["all"],
                secret=SECRET,
                storage_url=f"file://{tmp_path / 'store'}",
            )
            return stack.enter_context(fleet).server

        yield start


@dataclass(frozen=True)
class Pair:
    """Two releases, the schemas of the one and the other, and a token with every role of both."""

    old: Release
    new: Release
    before: str
    after: str
    token: str


@pytest.fixture(params=["from the previous", "to the next"])
def pair(
    request: pytest.FixtureRequest, database: Database, make_settings: Callable[..., Settings], tmp_path: Path
) -> Pair:
    """Two releases one after the other, over the schema of the old one."""
    this = this_release(tmp_path / "data")
    previous = None
    if request.param == "from the previous":
        with suppress(NoPreviousRelease):
            previous = previous_release(tmp_path / "previous")
    if previous is None:
        return Pair(this, next_release(tmp_path / "next"), schema.head(), REVISION, database.tokens["all"])
    before = max(path.name for path in (previous.root / "migrations" / "versions").glob("*.py")).partition("_")[0]
    token = token_with(previous.roles(), create_app(make_settings(database.url)))
    migrate.downgrade(database.url, before)
    return Pair(previous, this, before, schema.head(), token)


def token_with(roles: list[str], app: Flask) -> str:
    """A new token; a release answers none with a role that it lacks."""
    with app.app_context():
        pepper = app.extensions[EXTENSION].pepper
        issued = accounts.create_token("upgrader", [Role(role) for role in roles], actor=LOCAL_DEV, pepper=pepper)
        db.engine.dispose()
    assert issued.token is not None
    return issued.token


@pytest.fixture
def invariants(database: Database, make_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Invariants]:
    app: Flask = create_app(make_settings(database.url, storage_url=f"file://{tmp_path / 'store'}"))
    invariants = Invariants(app, database.url, database.tokens["all"])
    yield invariants
    invariants.close()


@pytest.mark.share(12)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_no_request_fails_while_one_release_takes_over_from_another(
    database: Database, pair: Pair, server_of: Callable[..., Server], invariants: Invariants
) -> None:
    found = pair.old.registry("db", "current", database_url=database.url)
    assert (found.returncode, found.stdout) == (0, f"{pair.before}\n"), found.stderr
    old = server_of(pair.old.root, "old")
    balancer = Balancer(pair.token)
    balancer.add(old)
    stop = threading.Event()
    clients = [Client(balancer, f"model-{number}", stop) for number in range(CLIENTS)]
    with balancer.caller() as caller:
        for model in (SHARED, ELSEWHERE, *(client.model for client in clients)):
            caller.registry.create_model(model)
    register_elsewhere(old, pair.token)
    for client in clients:
        client.start()
    try:
        await_rounds(clients, 1)
        migrated = pair.new.registry("db", "upgrade", database_url=database.url)
        assert (migrated.returncode, migrated.stdout) == (0, f"The database is at {pair.after}.\n"), migrated.stderr
        await_rounds(clients, 1)  # the old release alone, on the new schema

        new = server_of(pair.new.root, "new")
        register_elsewhere(new, pair.token)
        balancer.add(new)
        await_rounds(clients, 1)

        balancer.remove(old)  # an old replica that is started again finds the new schema
        old.stop()
        old.start()
        balancer.add(old)
        await_rounds(clients, 1)

        balancer.remove(old)
        old.stop()
        await_rounds(clients, 1)
        with balancer.caller() as caller:
            caller.registry.create_model("made-by-the-new-one")
    finally:
        stop.set()
        for client in clients:
            client.join(60)

    assert [wrong for client in clients for wrong in client.wrong] == []
    assert min(balancer.served[server.url] for server in (old, new)) >= 10
    if pair.after != REVISION:  # as deploy/docs/upgrade.md says: the release before seals no entries
        command = ("audit", "verify", "--baseline", "--accept-unsealed")
        accepted = pair.new.registry(*command, database_url=database.url, secret=SECRET)
        assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    states = invariants.assert_sound()
    registered = {f"{model}:{number}" for client in clients for model, number in client.registered}
    assert registered | {f"{ELSEWHERE}:1", f"{ELSEWHERE}:2"} == states.keys()
    for client in clients:
        assert_complete(client, invariants)
    invariants.audit_reader.assert_one_line(SHARED)
    invariants.audit_reader.assert_serial(SHARED)
    if pair.after != REVISION:
        return
    rows = {row.name: row.shown_at for row in invariants.audit_reader.rows("SELECT name, shown_at FROM models")}
    assert (rows[SHARED], rows["made-by-the-new-one"]) == (None, "the front page")


def assert_complete(client: Client, invariants: Invariants) -> None:
    """The history of the client's model has all that it did, once."""
    invariants.audit_reader.assert_one_line(client.model)
    invariants.audit_reader.assert_serial(client.model)
    numbers = sorted(number for model, number in client.registered if model == client.model)
    assert invariants.audit_reader.numbers(client.model) == numbers == list(range(1, len(numbers) + 1))
    assert invariants.audit_reader.count(client.model, "version.promoted", stage="production") == len(client.promoted)


def register_elsewhere(server: Server, token: str) -> None:
    """Register a version, as a client of MLflow does, whose files the registry does not have."""
    body, headers = {"name": ELSEWHERE, "source": "s3://elsewhere/model"}, {"Authorization": f"Bearer {token}"}
    url = f"{server.url}/api/2.0/mlflow/model-versions/create"
    reply = requests.post(url, json=body, headers=headers, timeout=PATIENCE)
    assert reply.status_code == 200, reply.text


def await_rounds(clients: list[Client], number: int) -> None:
    """Return when every client has gone *number* whole rounds more."""
    goals = [(client, client.rounds + number + 1) for client in clients]
    eventually(lambda: all(client.rounds >= goal for client, goal in goals), "the clients go on")
