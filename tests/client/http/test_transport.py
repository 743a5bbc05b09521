from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from registry.client import RegistryClient, errors
from registry.client.http import urls
from registry.client.http.transport import path
from tests.client.conftest import TOKEN, FakeRegistry, FakeStore, Site, once, problem, reply


def test_a_write_is_retried_with_the_same_key_after_the_time_that_the_server_asks_for(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    busy = problem(503, "unavailable", "The database is restarting.")
    busy.headers["Retry-After"] = "1"
    registry.answers.append(once(busy))

    began = time.monotonic()
    client.models.create("fraud")

    first, second = registry.requests("POST", "/models")
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("pause", ["9" * 5000, "Mon, 01 Jan 99999 00:00:00 GMT", "soon"])
def test_a_pause_that_cannot_be_read_is_no_pause(registry: FakeRegistry, client: RegistryClient, pause: str) -> None:
    busy = problem(503, "unavailable", "The database is restarting.")
    busy.headers["Retry-After"] = pause
    registry.answers.append(once(busy))

    client.models.create("fraud")

    assert len(registry.requests("POST", "/models")) == 2


def test_a_limit_that_lasts_is_reported_at_once(registry: FakeRegistry, client: RegistryClient) -> None:
    limited = problem(429, "rate_limited", "Too many logins failed.")
    limited.headers["Retry-After"] = "290"
    registry.answers.append(lambda request: limited)

    with pytest.raises(errors.RateLimited, match="Too many logins failed"):
        client.models.get("fraud")

    assert len(registry.requests("GET", "/models/fraud")) == 1


def test_a_refusal_that_the_caller_has_to_decide_on_is_reported_at_once(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    unchecked = problem(503, "bytes_unchecked", "The store does not answer.")
    unchecked.headers["X-Should-Retry"] = "false"
    registry.answers.append(lambda request: unchecked)

    with pytest.raises(errors.BytesUnchecked, match="The store does not answer"):
        client.stages.roll_back("fraud", reason="latency")

    assert len(registry.requests("POST", "/models/fraud/rollback")) == 1


def test_two_writes_have_two_keys_and_a_given_key_is_kept(registry: FakeRegistry, client: RegistryClient) -> None:
    client.models.create("fraud")
    client.models.create("fraud")
    client.models.create("fraud", idempotency_key="mine")

    keys = [request.headers["Idempotency-Key"] for request in registry.requests("POST", "/models")]
    assert keys[0] != keys[1]
    assert keys[2] == "mine"


def test_a_server_that_stays_unavailable_is_an_error_with_its_own_words(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    registry.answers.append(lambda request: problem(503, "unavailable", "The database is down."))

    with pytest.raises(errors.Unavailable, match="The database is down") as caught:
        client.models.get("fraud")

    assert caught.value.status == 503
    assert caught.value.request_id == "req-1"
    assert len(registry.seen) >= 2


def test_a_closed_port_is_an_error_with_advice() -> None:
    with RegistryClient("http://127.0.0.1:9", retries=0) as client, pytest.raises(errors.Unreachable) as caught:
        client.me()

    assert "registry serve --dev" in caught.value.detail


def test_an_http_proxy_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with (
        RegistryClient("http://models.test", retries=0, insecure=True) as client,
        pytest.raises(
            errors.Unreachable,
            match=r"models\.test is called through the HTTP proxy http://127\.0\.0\.1:9, .*HTTP_PROXY.*NO_PROXY",
        ),
    ):
        client.me()


def test_tls_against_plain_http_is_named(online: Callable[[Site], Site]) -> None:
    site = online(Site())
    with (
        RegistryClient(site.url.replace("http:", "https:"), retries=0) as client,
        pytest.raises(errors.Unreachable, match=rf"does not speak TLS\. Is its address {site.url}\?"),
    ):
        client.me()


def test_a_server_that_never_answers_is_given_up(online: Callable[[Site], Site]) -> None:
    given_up = threading.Event()

    def wait(request: Request) -> Response:
        given_up.wait(60)
        return reply({})

    site = online(Site(answers=[wait]))
    with RegistryClient(site.url, timeout=0.1, retries=0) as client, pytest.raises(errors.Unreachable, match="in time"):
        client.me()
    given_up.set()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "malformed", errors.Malformed),
        (401, "unauthenticated", errors.Unauthenticated),
        (403, "forbidden", errors.Forbidden),
        (404, "not_found", errors.NotFound),
        (409, "stale", errors.Stale),
        (409, "illegal_transition", errors.IllegalTransition),
        (409, "a_newer_code", errors.Conflict),
        (410, "upload_expired", errors.UploadExpired),
        (412, "precondition_failed", errors.PreconditionFailed),
        (422, "invalid", errors.Invalid),
        (422, "idempotency_mismatch", errors.IdempotencyMismatch),
        (418, "teapot", errors.RegistryError),
    ],
)
def test_a_problem_becomes_the_error_of_its_code(
    registry: FakeRegistry, client: RegistryClient, status: int, code: str, expected: type[errors.RegistryError]
) -> None:
    registry.answers.append(lambda request: problem(status, code, "No.", holder=4))

    with pytest.raises(errors.RegistryError) as caught:
        client.models.get("fraud")

    assert type(caught.value) is expected
    assert (caught.value.code, caught.value.detail, caught.value.extras) == (code, "No.", {"holder": 4})


@pytest.mark.parametrize(
    "answer",
    [
        Response("<h1>It works</h1>", content_type="text/html"),
        Response("<h1>Not found</h1>", status=404, content_type="text/html"),
        Response("[]", content_type="application/json"),
        Response("{", content_type="application/json"),
        Response(status=301, headers={"Location": "https://elsewhere.example/"}),
        Response(status=204),
    ],
    ids=["page", "missing page", "list", "broken", "redirect", "empty"],
)
def test_an_answer_that_is_no_registrys_is_named_as_such(
    registry: FakeRegistry, client: RegistryClient, answer: Response
) -> None:
    registry.answers.append(once(answer))

    with pytest.raises(errors.UnexpectedReply, match="not as a registry does"):
        client.models.get("fraud")

    assert len(registry.seen) == 1


def test_the_token_goes_to_the_registry_and_not_to_the_store(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, source: Path, tmp_path: Path
) -> None:
    client.register("fraud", source)
    registry.hold({"a.bin": b"1" * 100})
    client.pull("fraud:1", tmp_path / "out")

    assert {request.headers.get("Authorization") for request in registry.seen} == {f"Bearer {TOKEN}"}
    assert {request.headers.get("Authorization") for request in store.seen} == {None}
    assert {request.headers.get("Idempotency-Key") for request in store.seen} == {None}


def test_netrc_neither_replaces_the_token_nor_reaches_the_store(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    registry.hold({"a.bin": b"1"})

    client.pull("fraud:1", tmp_path / "out")

    assert {request.headers.get("Authorization") for request in registry.seen} == {f"Bearer {TOKEN}"}
    assert {request.headers.get("Authorization") for request in store.seen} == {None}


def test_a_store_that_redirects_on_gets_no_credentials_either(
    registry: FakeRegistry,
    store: FakeStore,
    client: RegistryClient,
    online: Callable[[Site], Site],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "netrc").write_text(
        "machine 127.0.0.1 login me password secret\nmachine localhost login a password b\n"
    )
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    further = online(Site(answers=[lambda request: Response(b"1")]))
    elsewhere = further.url.replace("127.0.0.1", "localhost")
    store.answers.append(lambda request: Response(status=307, headers={"Location": f"{elsewhere}/bytes"}))
    registry.hold({"a.bin": b"1"})

    client.pull("fraud:1", tmp_path / "out")

    assert [request.headers.get("Authorization") for request in further.seen] == [None]


def test_a_client_without_an_address_takes_both_from_the_environment_and_else_neither(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.answers.append(lambda request: reply({"name": "fraud"}))
    monkeypatch.setenv("REGISTRY_URL", registry.url)
    monkeypatch.setenv("REGISTRY_TOKEN", "of the environment")

    for arguments in ((), (None, "given"), (registry.url,), (registry.url, "given")):
        with RegistryClient(*arguments) as client:
            client.models.get("fraud")
    monkeypatch.setenv("REGISTRY_URL", "http://registry.example")
    with pytest.raises(errors.InsecureConnection):
        RegistryClient()
    RegistryClient(insecure=True).close()
    monkeypatch.setenv("REGISTRY_INSECURE", "1")
    RegistryClient().close()

    # A token of the environment is not for an address that the program names.
    sent = [request.headers.get("Authorization") for request in registry.seen]
    assert sent == ["Bearer of the environment", "Bearer given", None, "Bearer given"]


@pytest.mark.parametrize("url", ["http://registry.example", "http://10.0.0.1:5000", "http://127.0.0.1.example"])
def test_a_token_is_not_sent_readable_over_the_network(url: str) -> None:
    with pytest.raises(errors.InsecureConnection):
        RegistryClient(url, TOKEN)

    RegistryClient(url, TOKEN, insecure=True).close()
    RegistryClient(url).close()


@pytest.mark.parametrize(
    "url", ["", "registry.example", "ftp://x", "file:///etc", "http://", "http://x:y", "http://[1"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        RegistryClient(url)


@pytest.mark.parametrize("url", ["https://me:secret@x.example", "https://x.example/?a=1", "https://x.example/#a"])
def test_a_url_with_more_than_an_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must not"):
        RegistryClient(url)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Registry.Example/", "https://registry.example"),
        ("https://registry.example:443/api", "https://registry.example"),
        ("http://registry.example:80", "http://registry.example"),
        ("http://registry.example:8080/x", "http://registry.example:8080"),
        ("http://[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_an_origin_has_one_spelling(url: str, origin: str) -> None:
    assert urls.origin(url) == origin


def test_a_list_is_fetched_page_by_page(registry: FakeRegistry, client: RegistryClient) -> None:
    pages: dict[str | None, Any] = {
        None: {"items": [{"name": "a"}, {"name": "b"}], "next_cursor": "2"},
        "2": {"items": [{"name": "c"}], "next_cursor": None},
    }
    registry.answers.append(lambda request: reply(pages[request.args.get("cursor")]))

    models = client.models.list(deleted=False)

    assert registry.seen == []
    assert [model["name"] for model in models] == ["a", "b", "c"]
    assert registry.seen[0].args["deleted"] == "false"


def test_a_poll_with_the_holders_etag_brings_nothing_new(registry: FakeRegistry, client: RegistryClient) -> None:
    def answer(request: Request) -> Response:
        if request.headers.get("If-None-Match") == '"v1"':
            return Response(status=304)
        return reply({"number": 1}, headers={"ETag": '"v1"'})

    registry.answers.append(answer)

    first = client.stages.poll("fraud", "production")
    second = client.stages.poll("fraud", "production", etag=first.etag)

    assert first.holder == {"number": 1}
    assert second.holder is None
    assert second.etag == '"v1"'


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("models", "fraud", "versions", 3), "/models/fraud/versions/3"),
        (("models", "Betrug prüfen"), "/models/Betrug%20pr%C3%BCfen"),
        (("models", "c#?%2e"), "/models/c%23%3F%252e"),
    ],
)
def test_names_are_quoted_whole(parts: tuple[str | int, ...], expected: str) -> None:
    assert path(*parts) == expected


@pytest.mark.parametrize("part", ["", ".", ".."])
def test_a_name_that_would_change_the_path_is_not_sent(part: str) -> None:
    with pytest.raises(ValueError, match="cannot be part of a name"):
        path("models", part)


def test_an_odd_name_arrives_as_it_is(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.answers.append(lambda request: reply({"name": "c"}))

    client.models.get("c#?%2e&ü ~")

    assert registry.seen[0].path == "/api/v1/models/c#?%2e&ü ~"


def test_what_is_not_given_is_not_sent_and_none_is(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.answers.append(lambda request: reply({"changed": True}))

    client.stages.move("fraud", 1, "staging", reason="x")
    client.stages.move("fraud", 1, "staging", reason="x", expected_current=None)
    client.stages.move("fraud", 1, "archived", reason="x", expected_current=3, leave_vacant=True)

    assert [request.get_json() for request in registry.seen] == [
        {"stage": "staging", "reason": "x"},
        {"stage": "staging", "reason": "x", "expected_current": None},
        {"stage": "archived", "reason": "x", "expected_current": 3, "leave_vacant": True},
    ]
