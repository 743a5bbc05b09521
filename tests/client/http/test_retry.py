"""A registry that is restarted, and how long it is waited for."""

from __future__ import annotations

import itertools
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from werkzeug.wrappers import Response

from registry.client import RegistryClient, errors
from registry.client.errors import Transience, Transient
from registry.client.http import retry
from registry.client.http.retry import Attempts, RetryPolicy
from tests.client.conftest import TOKEN, FakeRegistry, Site, once, problem
from tests.support.web_server import serving


def failure(kind: Transience, *, retry_after: float | None = None, is_answer: bool = True) -> Transient:
    return Transient(kind, "failed", retry_after, is_answer)


class Address:
    """A local address where connections are refused until ``start``."""

    def __init__(self) -> None:
        self._reserved = socket.socket()
        self._reserved.bind(("127.0.0.1", 0))  # without listen: refused, and taken by no other process
        self._running = ExitStack()
        self.url = f"http://127.0.0.1:{self._reserved.getsockname()[1]}"

    def start(self, site: Site) -> None:
        port = self._reserved.getsockname()[1]
        self._reserved.close()
        self._running.enter_context(serving(site, port=port))

    def close(self) -> None:
        self._running.close()
        self._reserved.close()


@pytest.fixture
def address() -> Iterator[Address]:
    place = Address()
    yield place
    place.close()


def test_a_write_waits_for_a_registry_that_is_started_again_and_says_so(address: Address) -> None:
    said: list[str] = []
    registry = FakeRegistry()

    def notice(text: str) -> None:
        said.append(text)
        address.start(registry)

    with RegistryClient(address.url, TOKEN, retries=1, retry_seconds=60, on_retry=notice) as client:
        client.models.create("fraud")

    refused = f"{address.url} cannot be reached (Connection refused)"
    assert said == [f"{refused}. Trying again for up to 60 s (REGISTRY_RETRY_SECONDS)."]
    assert len(registry.requests("POST", "/models")) == 1


def test_connections_that_break_and_503_are_waited_out_with_one_key(registry: FakeRegistry) -> None:
    said: list[str] = []
    left = [502, 503, 503]
    registry.answers.append(lambda request: problem(left.pop(), "unavailable", "Starting.") if left else None)

    with RegistryClient(registry.url, TOKEN, retries=1, retry_seconds=60, on_retry=said.append) as client:
        client.models.create("fraud")

    sent = registry.requests("POST", "/models")
    assert len(sent) == 4
    assert len({request.headers["Idempotency-Key"] for request in sent}) == 1
    assert said == [f"{registry.url} answered 503. Trying again for up to 60 s (REGISTRY_RETRY_SECONDS)."]


def test_each_outage_is_announced_once_by_default_in_the_log(
    registry: FakeRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    def outage() -> None:
        left = [503, 503]
        registry.answers.append(lambda request: problem(left.pop(), "unavailable", "Starting.") if left else None)

    with RegistryClient(registry.url, TOKEN, retry_seconds=60) as client:
        for _ in range(2):
            outage()
            client.models.create("fraud")

    assert [record.levelno for record in caplog.records if record.name == "registry.client"] == [logging.WARNING] * 2


@pytest.mark.parametrize("limits", [{"retry_seconds": 0}, {"retries": 0}], ids=["seconds", "retries"])
def test_waiting_can_be_turned_off(registry: FakeRegistry, limits: Mapping[str, int]) -> None:
    registry.answers.append(lambda request: problem(503, "unavailable", "The database is down."))

    with (
        RegistryClient(registry.url, TOKEN, **limits) as client,  # type: ignore[arg-type] -- each is a number
        pytest.raises(errors.Unavailable, match="The database is down"),
    ):
        client.models.get("fraud")

    assert len(registry.seen) == 1


@pytest.mark.parametrize("status", [408, 504])
def test_a_server_that_is_slow_or_limits_requests_is_not_asked_for_as_long(registry: FakeRegistry, status: int) -> None:
    registry.answers.append(lambda request: problem(status, "unavailable", "The proxy gave up."))

    with (
        RegistryClient(registry.url, TOKEN, retries=1, retry_seconds=60) as client,
        pytest.raises(errors.Unavailable, match="The proxy gave up"),
    ):
        client.models.get("fraud")

    assert len(registry.seen) == 2


@pytest.mark.parametrize(("broken", "announced"), [(1, 0), (3, 1)], ids=["idle", "outage"])
def test_a_connection_that_ends_without_an_answer_is_waited_out_and_news_when_it_happens_again(
    broken: int, announced: int
) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for number in range(broken + 1):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    if number == broken:
                        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"
                        connection.sendall(head + b'{"name": "fraud"}')

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with RegistryClient(url, TOKEN, retries=1, retry_seconds=60, on_retry=said.append) as client:
            assert client.models.create("fraud")["name"] == "fraud"
        server.join()

    assert len(said) == announced


def test_the_last_attempt_is_at_the_end_of_the_seconds_since_the_first_failure() -> None:
    now = itertools.accumulate([0.0, 30.0, 29.0, 1.0])
    attempts = Attempts(RetryPolicy(retries=1, outage_seconds=60), lambda: next(now))

    pauses = [attempts.pause_after(failure(Transience.OUTAGE, retry_after=86400)) for _ in range(4)]

    assert pauses == [30, 30, 1, None]


@pytest.mark.parametrize(
    ("kinds", "repeated"),
    [
        ("outage outage outage", [True, True, False]),
        ("busy busy", [True, False]),
        ("expired expired", [True, False]),
        ("expired busy expired outage outage busy", [True, True, True, True, True, False]),
    ],
)
def test_each_kind_of_failure_of_a_transfer_is_counted_for_itself(kinds: str, repeated: list[bool]) -> None:
    attempts = Attempts(RetryPolicy(retries=1, outage_retries=2))

    pauses = [attempts.pause_after(failure(Transience(kind))) for kind in kinds.split()]

    assert [pause is not None for pause in pauses] == repeated


def test_a_server_that_does_not_answer_is_not_asked_for_as_long_as_one_that_is_restarted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            RegistryClient(url, TOKEN, timeout=0.1, retries=1, retry_seconds=30) as client,
            pytest.raises(errors.Unreachable, match="did not answer in time"),
        ):
            client.models.get("fraud")
        listener.setblocking(False)
        for _ in range(2):
            listener.accept()[0].close()
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_no_answer_makes_a_client_wait_for_longer_than_half_a_minute() -> None:
    for kind in (Transience.BUSY, Transience.OUTAGE):
        attempts = Attempts(RetryPolicy(retries=1, outage_seconds=600))
        assert attempts.pause_after(failure(kind, retry_after=86400)) == 30


def test_a_broken_connection_is_repeated_at_once_and_then_with_longer_and_longer_pauses() -> None:
    attempts = Attempts(RetryPolicy(outage_seconds=1e9), lambda: 0)

    pauses = [attempts.pause_after(failure(Transience.OUTAGE, is_answer=False)) or 0 for _ in range(2000)]

    assert pauses[0] == 0
    assert all(low <= pause <= 2 * low for low, pause in zip((0.3, 0.6, 1.2, 2.4, 4.8), pauses[1:], strict=False))
    assert max(pauses) <= 15


def test_an_answer_that_breaks_off_is_asked_for_again_with_the_same_key(registry: FakeRegistry) -> None:
    broken = Response(iter([b'{"name": ']), content_type="application/json", headers={"Content-Length": "17"})
    registry.answers.append(once(broken))

    with RegistryClient(registry.url, TOKEN, retries=1, retry_seconds=60) as client:
        client.models.create("fraud")

    first, second = registry.requests("POST", "/models")
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


def test_a_request_that_was_given_up_is_not_repeated_by_the_transfer_that_needs_it(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    registry.hold({"MLmodel": b"1"})
    registry.signs = False
    busy = problem(504, "unavailable", "The proxy gave up.")
    registry.answers.append(lambda request: busy if "/files/" in request.path else None)

    with (
        RegistryClient(registry.url, TOKEN, retries=2, retry_seconds=0) as client,
        pytest.raises(errors.Unavailable, match="The proxy gave up"),
    ):
        client.pull("fraud:1", tmp_path)

    assert len(registry.requests("GET", "/files/MLmodel")) == 3


def test_bytes_are_sent_again_for_as_long_as_requests_are(registry: FakeRegistry, source: object) -> None:
    left = [503] * 4
    registry.store.answers.append(
        lambda request: Response(status=left.pop()) if left and request.method == "PUT" else None
    )

    with RegistryClient(registry.url, TOKEN, retries=1, retry_seconds=60) as client:
        done = client.register("fraud", str(source), jobs=1)

    assert (done["created"], left) == (True, [])


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, 10),
        ({"CI": "true"}, 60),
        ({"CI": "false"}, 10),
        ({"TF_BUILD": "True"}, 60),
        ({"JENKINS_URL": "https://ci.example"}, 60),
        ({"BITBUCKET_BUILD_NUMBER": "7"}, 60),
        ({"AIRFLOW_CTX_DAG_RUN_ID": "nightly"}, 60),
        ({"KFP_POD_NAME": "train-1"}, 60),
        ({"CI": "true", "REGISTRY_RETRY_SECONDS": "0"}, 0),
        ({"REGISTRY_RETRY_SECONDS": "2.5"}, 2.5),
    ],
)
def test_how_long_a_restart_is_waited_for(environ: dict[str, str], expected: float) -> None:
    assert retry.seconds(environ) == expected


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf"])
def test_a_wait_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=f"REGISTRY_RETRY_SECONDS is '{value}'"):
        retry.seconds({"REGISTRY_RETRY_SECONDS": value})
