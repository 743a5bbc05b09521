"""A client or a server is killed at a step of an upload: running it again goes on, and there is one version."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from registry.client import errors
from tests.faults.conftest import StartFleet
from tests.faults.transfer_kills.conftest import KILLS, MIB, PART, PARTS, SQLITE, TINY, register, s3_settings, written
from tests.support.crashes import SQL, Crash, begun, command
from tests.support.invariants import Invariants
from tests.support.polling import eventually
from tests.support.processes import environment
from tests.support.servers import Fleet


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A file that is one request."""
    return written(tmp_path / "small.bin", PART - 1)


class Commands:
    """``registry register`` of one file as a process of its own."""

    def __init__(self, fleet: Fleet, cwd: Path) -> None:
        self.cwd = cwd
        home = {"HOME": str(cwd), "XDG_CONFIG_HOME": str(cwd / "config")}
        self.env = environment(REGISTRY_URL=fleet.server.url, REGISTRY_TOKEN=fleet.token, **home)

    def arguments(self, file: Path) -> list[str]:
        return ["register", "fraud", file.name, "--run-id", "1", "--no-detect", "--jobs", "1", "--json"]

    def killed(self, file: Path, crash: Crash) -> None:
        done = command(*self.arguments(file), cwd=self.cwd, env=self.env, crash=crash)
        assert done.returncode == -signal.SIGKILL, done.stderr

    def __call__(self, file: Path) -> Any:
        done = command(*self.arguments(file), cwd=self.cwd, env=self.env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def killed_sometime(self, file: Path) -> None:
        with begun(*self.arguments(file), cwd=self.cwd, env=self.env) as process:
            time.sleep(random.uniform(0.2, 1.0))  # the kill comes at any point of the transfer
            process.kill()
            process.communicate()


def puts(fleet: Fleet) -> int:
    """How many objects and parts the server has taken."""
    return sum((line["method"], line["status"]) == ("PUT", 204) for line in fleet.server.requests())


CLIENT_STEPS = {
    "before the first part": (Crash("http.client.send", "PUT /transfer/"), 0),
    "between two parts": (Crash("http.client.send", "PUT /transfer/", 4), 3),
    "before completion": (Crash("http.client.send", "/complete HTTP"), PARTS),
    # The first registration brought the bytes and was refused.
    "before registration": (Crash("http.client.send", "POST /api/v1/models/fraud/versions HTTP", 2), PARTS),
}


@SQLITE
@pytest.mark.parametrize("step", CLIENT_STEPS)
def test_a_client_killed_while_it_sends_parts_sends_none_of_them_twice(
    start: StartFleet, invariants: Invariants, large: Path, step: str
) -> None:
    fleet = start(**TINY)
    registry = Commands(fleet, large.parent)
    crash, arrived = CLIENT_STEPS[step]

    registry.killed(large, crash)
    eventually(lambda: puts(fleet) >= arrived, "the log shows the parts that were sent")
    done = registry(large)
    again = registry(large)
    fleet.server.stop()

    assert puts(fleet) == PARTS
    assert (done["created"], again["created"]) == (True, False)
    assert done["version"]["number"] == again["version"]["number"] == 1
    assert invariants.assert_sound() == {"fraud:1": "ready"}


@SQLITE
@pytest.mark.parametrize("step", ["before the first part", "before registration"])
def test_a_client_killed_around_a_single_request_is_run_again(
    start: StartFleet, invariants: Invariants, small: Path, step: str
) -> None:
    fleet = start(**TINY)
    registry = Commands(fleet, small.parent)
    crash, _ = CLIENT_STEPS[step]

    registry.killed(small, crash)
    done = registry(small)

    assert (done["created"], registry(small)["created"]) == (True, False)
    assert invariants.assert_sound() == {"fraud:1": "ready"}


SERVER_STEPS = {
    "before the upload is recorded": (Crash(SQL, "INSERT INTO uploads"), 0),
    "before a part has arrived": (Crash("open", "/4-"), 3),
    "before the parts are joined": (Crash("os.link", "/blobs/"), PARTS),
    "while the parts are joined": (Crash("os.remove", "upload.json"), PARTS),
    "between the store and the database": (Crash(SQL, "INSERT INTO blobs"), PARTS),
    "before the version is recorded": (Crash(SQL, "INSERT INTO versions "), PARTS),
    # The first entry made the model.
    "before the end of the registration": (Crash(SQL, "INSERT INTO audit_entries", 2), PARTS),
}


def kinds_and_steps() -> Iterator[Any]:
    """Each step on SQLite, and on PostgreSQL those that are about the database."""
    for step, (crash, _) in SERVER_STEPS.items():
        for kind in ["sqlite", "postgresql"] if crash.event == SQL else ["sqlite"]:
            yield pytest.param(kind, step, id=f"{kind}-{step}")


@pytest.mark.fault("F04")
@pytest.mark.parametrize(("database", "step"), list(kinds_and_steps()), indirect=["database"])
def test_an_upload_in_parts_survives_a_server_killed_at_any_step(
    start: StartFleet, invariants: Invariants, large: Path, step: str, tmp_path: Path
) -> None:
    crash, arrived = SERVER_STEPS[step]
    fleet = start(**TINY, crash=crash)

    with pytest.raises(errors.Unreachable):
        register(fleet, large)
    fleet.server.await_end()
    before = puts(fleet)  # the killed process may have taken lines along
    fleet.server.start()
    done, again = register(fleet, large), register(fleet, large)
    fleet.server.stop()

    assert puts(fleet) - before == PARTS - arrived
    assert (done["created"], again["created"]) == (True, False)
    assert invariants.assert_sound() == {"fraud:1": "ready"}
    assert len(invariants.objects()) == 1
    assert list((tmp_path / "store" / "parts").iterdir()) == list((tmp_path / "store" / "tmp").iterdir()) == []


@pytest.mark.fault("F03")
@SQLITE
@pytest.mark.parametrize(
    "step", [Crash("os.link", "/blobs/"), Crash(SQL, "INSERT INTO blobs")], ids=["before it arrived", "at completion"]
)
def test_an_upload_in_one_request_survives_a_server_killed_at_any_step(
    start: StartFleet, invariants: Invariants, small: Path, step: Crash
) -> None:
    fleet = start(**TINY, crash=step)

    with pytest.raises(errors.Unreachable):
        register(fleet, small)
    fleet.server.await_end()
    fleet.server.start()

    assert (register(fleet, small)["created"], register(fleet, small)["created"]) == (True, False)
    assert invariants.assert_sound() == {"fraud:1": "ready"}


DELIVERY_STEPS = {
    "before an object is stored": Crash("os.link", "/blobs/", 2),
    "between the store and the database": Crash(SQL, "INSERT INTO uploads"),
    "before the model is made": Crash(SQL, "INSERT INTO models"),
    "before the version is recorded": Crash(SQL, "INSERT INTO versions "),
    "before the key is used up": Crash(SQL, "INSERT INTO idempotency_keys"),
}


@pytest.mark.parametrize("step", DELIVERY_STEPS)
def test_a_registration_with_its_bytes_survives_a_server_killed_at_any_step(
    start: StartFleet, invariants: Invariants, tmp_path: Path, step: str
) -> None:
    fleet = start(crash=DELIVERY_STEPS[step], inline_bytes=MIB)
    (tmp_path / "model").mkdir()
    for name in ("a", "b", "c"):
        written(tmp_path / "model" / name, PART)

    with pytest.raises(errors.Unreachable):
        register(fleet, tmp_path / "model")
    fleet.server.await_end()
    left = invariants.read_back()
    fleet.server.start()

    assert left == {}
    assert (register(fleet, tmp_path / "model")["created"], register(fleet, tmp_path / "model")["created"]) == (
        True,
        False,
    )
    assert puts(fleet) == 0
    assert invariants.assert_sound() == {"fraud:1": "ready"}
    assert len(invariants.objects()) == 3  # what the killed server has left was collected


@pytest.mark.fault("F05")
@SQLITE
@pytest.mark.parametrize("kind", ["moto", "swift"])
def test_parts_joined_by_a_server_that_was_killed_before_it_noted_that_are_not_sent_again(
    start: StartFleet,
    make_invariants: Callable[..., Invariants],
    tmp_path: Path,
    kind: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, server = s3_settings(request.getfixturevalue(f"{kind}_s3"), monkeypatch)
    sizes = {"single_put_bytes": 5 * MIB, "part_bytes": 5 * MIB}
    crash = Crash(SQL, "INSERT INTO blobs")
    fleet = start(**settings, **sizes, crash=crash, environment=dict(server.environment))
    file = written(tmp_path / "weights.bin", 5 * MIB + 1)

    with pytest.raises(errors.Unreachable):
        register(fleet, file)
    fleet.server.await_end()
    fleet.server.start()
    done = register(fleet, file)

    assert done["created"]
    assert done["uploads"]["sent_bytes"] == 0
    invariants = make_invariants(**settings)
    assert invariants.assert_sound() == {"fraud:1": "ready"}
    assert len(invariants.objects()) == 1


@SQLITE
@KILLS
def test_uploads_go_through_although_client_and_server_are_killed_at_random(
    start: StartFleet, invariants: Invariants, tmp_path: Path, kills: int
) -> None:
    fleet = start(**TINY)
    registry = Commands(fleet, tmp_path)

    for kill in range(1, kills + 1):
        file = written(tmp_path / "weights.bin", PARTS * PART - random.randrange(PART))
        registry.killed_sometime(file)
        if kill % 2 == 0:
            fleet.server.kill()
            fleet.server.start()
        assert registry(file)["version"]["number"] == kill

    assert invariants.assert_sound() == {f"fraud:{number}": "ready" for number in range(1, kills + 1)}
    assert invariants.audit_reader.count("fraud", "version.registered") == kills
