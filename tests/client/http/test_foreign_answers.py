"""Answers of proxies, gateways, login pages and captive portals in place of the registry or its store."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from registry.cli.main import run
from registry.client import RegistryClient, errors
from tests.client.conftest import TOKEN, FakeRegistry, FakeStore, Site, reply
from tests.support.web_server import serving

ELSEWHERE = "https://login.example/oauth?state=secret"


def page(status: int, text: str, **headers: str) -> Response:
    body = f"<html><head><title>{text}</title></head><body><h1>{text}</h1><hr>nginx</body></html>"
    return Response(body, status=status, headers=headers, content_type="text/html")


FOREIGN = [
    (page(200, "Sign in"), "UnexpectedReply", r"answered 200 with a page: Sign in nginx,.*captive portal.*browser"),
    (page(302, "Found", Location=ELSEWHERE), "UnexpectedReply", r"302, redirecting to https://login\.example,.*login"),
    (page(302, "Found", Location="/login?next=/api"), "UnexpectedReply", r"redirecting to http://127\S+, .*login"),
    (page(301, "Moved", Location="https://127.0.0.1/x"), "UnexpectedReply", r"Is its address https://127\.0\.0\.1\?"),
    (page(302, "Found", Location="mailto:me"), "UnexpectedReply", "redirecting to an address that is none, "),
    (page(401, "Login"), "UnexpectedReply", r"answered 401 Login nginx, .*requires another login"),
    (page(403, "Blocked"), "UnexpectedReply", r"answered 403 Blocked nginx, .*firewall"),
    (page(404, "Not Found"), "UnexpectedReply", r"answered 404 Not Found nginx, .*/api/v1"),
    (page(405, "Not Allowed"), "UnexpectedReply", r"answered 405 Not Allowed nginx, .*/api/v1"),
    (page(407, "Login"), "UnexpectedReply", r"answered 407 Login nginx, .*HTTPS_PROXY"),
    (page(413, "Too Large"), "UnexpectedReply", r"answered 413 Too Large nginx, .*largest body"),
    (page(500, "Oops"), "UnexpectedReply", r"answered 500 Oops nginx, .*Is this its address"),
    (page(502, "Bad Gateway"), "Unavailable", r"answered 502 Bad Gateway nginx, .*is it running"),
    (page(504, "Time-out"), "Unavailable", r"answered 504 Time-out nginx, .*is it running"),
    (reply({"detail": "Not Found"}, status=404), "UnexpectedReply", r'answered 404 {"detail": "Not Found"}, .*address'),
    (reply({"code": 40404, "detail": "x"}, status=404), "UnexpectedReply", "answered 404 .*address"),
    (reply({"status": "ok"}), "UnexpectedReply", r'answered 200 {"status": "ok"}, .*Is this its address'),
    (Response(status=204), "UnexpectedReply", "answered 204 without content, .*Is this its address"),
]


def test_an_answer_in_place_of_the_registry_is_named_with_its_host_and_what_to_do(
    registry: FakeRegistry, source: Path
) -> None:
    answers = [answer for answer, _, _ in FOREIGN]
    registry.answers.append(lambda request: answers[0])
    with RegistryClient(registry.url, TOKEN, retries=0) as client:
        for answer, kind, says in FOREIGN:
            answers[0] = answer
            calls: list[Callable[[], object]] = [
                client.me,
                lambda: list(client.models.list()),
                lambda: client.audit.export("csv"),
                lambda: client.register("fraud", source),
            ]
            for call in calls:
                with pytest.raises(errors.RegistryError, match=f"^{registry.url} .*not as a registry does") as caught:
                    call()
                assert type(caught.value).__name__ == kind, answer
                assert re.search(says, caught.value.detail) or answer.mimetype == "application/json"
                assert "secret" not in caught.value.detail


def test_a_command_ends_with_1_for_a_page_and_with_8_for_a_gateway_without_a_registry(
    registry: FakeRegistry, source: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [page(413, "Too Large"), page(404, "Not Found"), page(200, "Sign in"), page(502, "Bad Gateway")]
    answers.insert(0, reply({"detail": "Not Found"}, status=404))  # which is no missing model
    registry.answers.append(lambda request: answers[0])
    monkeypatch.setenv("REGISTRY_RETRY_SECONDS", "0")

    codes = []
    while answers:
        for command in (["register", "fraud", str(source)], ["pull", "fraud:1", "-o", str(source / "out")]):
            codes += [run([*command, "--url", registry.url, "--token", TOKEN])]
        answers.pop(0)

    assert codes == [1, 1, 1, 1, 1, 1, 1, 1, 8, 8]
    assert capfd.readouterr().err.count(f"error: {registry.url} answered") == 10


def test_a_page_in_place_of_the_store_is_no_loss_of_bytes(
    registry: FakeRegistry, store: FakeStore, source: Path, tmp_path: Path, online: Callable[[Site], Site]
) -> None:
    portal = online(Site(answers=[lambda request: page(200, "Sign in")]))
    registry.hold({"model.bin": b"1" * 100})
    answers = [page(200, "Sign in"), Response(status=302, headers={"Location": f"{portal.url}/login?state=secret"})]
    store.answers.append(lambda request: answers[0])

    with RegistryClient(registry.url, TOKEN, retries=0) as client:
        with pytest.raises(errors.UnexpectedReply, match=rf"^model\.bin: {store.url} .*200 Sign in nginx.*portal"):
            client.pull("fraud:1", tmp_path / "out")
        with pytest.raises(errors.UnexpectedReply, match=rf"{store.url} .*200 Sign in nginx.*portal"):
            client.register("fraud", source)
        answers.pop(0)
        with pytest.raises(errors.UnexpectedReply, match=rf"^model\.bin: {portal.url} .*200 Sign in nginx.*portal"):
            client.pull("fraud:1", tmp_path / "out")
        with pytest.raises(errors.UnexpectedReply, match=rf"{store.url} .*302, redirecting to {portal.url}\)"):
            client.register("fraud", source)


def test_a_redirect_to_an_address_that_cannot_be_read_is_an_unexpected_answer() -> None:
    def redirect(environ: Any, start_response: Any) -> list[bytes]:
        start_response("302 Found", [("Location", "http://[/login"), ("Content-Length", "0")])
        return []

    with serving(redirect) as url, RegistryClient(url, retries=0) as client:
        for call in (client.me, lambda: client.versions.file_url("fraud", 1, "model.bin")):
            with pytest.raises(errors.UnexpectedReply, match=rf"^{url} redirects to an address that is none"):
                call()


def test_a_registered_page_is_pulled(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold({"card.html": b"<h1>Card</h1>"})
    for file in (listed := registry.manifest()):
        file["media_type"] = "text/html"
    registry.listed = listed
    store.answers.append(lambda request: Response(b"<h1>Card</h1>", content_type="text/html"))

    assert client.pull("fraud:1", tmp_path / "out").written == ("card.html",)


def test_an_http_proxy_that_asks_for_a_login_or_refuses_is_named_without_its_password(
    online: Callable[[Site], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    status = [407]

    def refuse(request: Request) -> Response:
        return page(status[0], "squid")

    proxy = online(Site(answers=[refuse]))
    place = proxy.url.removeprefix("http://")
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://me:p%40ss@{place}")
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NO_PROXY", "")

    said = {}
    for status[0] in (407, 403):
        for url in ("http://models.test", "https://models.test"):
            with (
                RegistryClient(url, retries=0, insecure=True) as client,
                pytest.raises(errors.RegistryError) as caught,
            ):
                client.me()
            said[status[0], url] = caught.value.detail
            assert {url, proxy.url} <= set(re.findall(r"https?://(?!USER)[\w.:]+\w", caught.value.detail))
            assert "p%40ss" not in caught.value.detail

    assert "HTTP_PROXY" in said[407, "http://models.test"]
    assert "Set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT" in said[407, "https://models.test"]
    assert "firewall or proxy" in said[403, "http://models.test"]
    assert "NO_PROXY" in said[403, "https://models.test"]
