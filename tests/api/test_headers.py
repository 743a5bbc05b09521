"""Headers: who asks, for which host, from where, under which conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app
from werkzeug.wrappers import Request

from registry.app import SECURITY_HEADERS, create_app
from registry.auth.authenticate import MISSING, REFUSED
from registry.config import Settings
from registry.db.session import db
from tests.api.conftest import Try
from tests.api.hostile import bodies, credentials
from tests.api.hostile.case import UNSENT, Case
from tests.api.hostile.world import World
from tests.support.api import HOST, Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

NEW = {"name": "new"}


@pytest.fixture
def other_app(database: Database, make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Flask]]:
    """Another app over the test's database, with settings of its own."""
    made: list[Flask] = []

    def make(**changes: Any) -> Flask:
        made.append(create_app(make_settings(database.url, **changes)))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def dev(other_app: Callable[..., Flask], database: Database) -> FlaskClient:
    """A client of a registry in development mode; it refuses PostgreSQL, but that is for the settings to say."""
    return other_app(dev=True).test_client()


def test_a_header_that_is_no_good_credential_opens_nothing(attempt: Try, world: World) -> None:
    cases = []
    for what, header in credentials.headers(world.tokens).items():
        environ = {} if header is None else {"HTTP_AUTHORIZATION": header}
        for method, path, body in [("GET", "/me", None), ("POST", "/models", NEW), ("DELETE", "/models/empty", None),
                                   ("GET", "/models?limit=x", None), ("POST", "/tokens", {})]:  # fmt: skip
            sent = {} if body is None else {"json": body}
            cases.append(Case(f"{what}, {method} {path}", method, path, 401, "unauthenticated", token=None,
                              environ=environ, **sent))  # fmt: skip

    assert attempt(cases) == []


def test_every_refusal_of_a_token_looks_the_same(world: World) -> None:
    """A missing credential has another text; which tokens exist does not show in the answers."""
    told = set()
    for header in credentials.headers(world.tokens).values():
        environ = {} if header is None else {"HTTP_AUTHORIZATION": header}
        response = world.client.get("/api/v1/me", base_url=HOST, environ_overrides=environ)
        problem = response.get_json()
        problem.pop("request_id")
        told.add((response.status_code, response.headers["WWW-Authenticate"], tuple(sorted(problem.items()))))

    details = {dict(items)["detail"] for _, _, items in told}
    assert (len(told), details) == (2, {MISSING, REFUSED})


def test_the_good_credential_is_taken_whatever_the_case_of_its_scheme(world: World) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        header = {"Authorization": f"{scheme} {world.tokens['all']}"}
        assert world.client.get("/api/v1/me", base_url=HOST, headers=header).status_code == 200


def test_a_token_anywhere_but_in_its_header_is_no_credential(attempt: Try, world: World) -> None:
    good = world.tokens["all"]
    cases = [
        Case("query", "GET", f"/me?token={good}", 401, "unauthenticated", token=None),
        Case("query as OAuth has it", "GET", f"/me?access_token={good}", 401, "unauthenticated", token=None),
        Case("cookie", "GET", "/me", 401, "unauthenticated", token=None, headers=[("Cookie", f"token={good}")]),
        Case("session cookie", "GET", "/me", 401, "unauthenticated", token=None,
             headers=[("Cookie", "session=eyJ1c2VyIjoiYWRtaW4ifQ.Zz.AAAA")]),
        Case("body", "POST", "/models", 401, "unauthenticated", token=None, json=NEW | {"token": good}),
        Case("user part", "GET", "/me", 401, "unauthenticated", token=None,
             headers=[("X-Api-Key", good), ("X-Auth-Token", good), ("Proxy-Authorization", f"Bearer {good}")]),
        Case("query beside a good header", "GET", f"/me?token={good}", 422, "invalid"),
        Case("user by proxy", "GET", "/me", 401, "unauthenticated", token=None,
             headers=[("X-Remote-User", "all"), ("X-Forwarded-User", "all"), ("Remote-User", "all")]),
    ]  # fmt: skip

    assert attempt(cases) == []


def test_a_method_in_a_header_is_ignored(attempt: Try) -> None:
    names = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"]
    cases = [Case(f"{name}", "GET", "/models/empty", 200, headers=[(name, "DELETE")]) for name in names] + [
        Case("query", "GET", "/models/empty?_method=DELETE", 422, "invalid")
    ]

    assert attempt(cases) == []


def test_an_idempotency_key_that_is_none_is_refused_on_every_write(attempt: Try, world: World) -> None:
    keys = {"empty": "", "129 characters": "a" * 129, "space": "a b", "tab": "a\tb", "NUL": "a\x00",
            "delete": "a\x7f", "newline": "a\n", "Latin-1": "caf\xe9", "UTF-8": "\xd0\xbc", "list": "a, b",
            "4 KB": "a" * 4096}  # fmt: skip
    cases = []
    for what, key in keys.items():
        environ = {"HTTP_IDEMPOTENCY_KEY": key}
        writes = [(one.method, one.path, one.body) for one in bodies.OPERATIONS]
        writes += [(method, path, UNSENT) for method, path, _, _ in bodies.BODILESS]
        cases += [
            Case(f"{what}, {method} {path}", method, path, 400, "malformed", json=body, environ=environ)
            for method, path, body in writes
        ]

    assert attempt(cases, one_in=3) == []


def test_conditions_and_ranges_that_make_no_sense_do_no_harm(attempt: Try) -> None:
    headers = [
        ("If-None-Match", value) for value in ("", "nonsense", '"', "W/", '""', ",,,", '"a' * 2000, "\xe9", "*x")
    ]
    headers += [
        ("Range", value) for value in ("bytes=abc", "bytes=5-1", "bytes=-", "items=0-5", "bytes=" + "0-1," * 900)
    ]
    headers += [("If-Range", "nonsense"), ("If-Modified-Since", "nonsense"), ("If-Unmodified-Since", "nonsense"),
                ("Accept", "nonsense"), ("Accept", "image/png"), ("Accept", "*/*;q=x"), ("Accept-Encoding", "nonsense"),
                ("Accept-Language", "\xff"), ("Content-Length", "0"), ("Expect", "nonsense"), ("Cookie", "=;;=\xff"),
                ("User-Agent", "() {{ :;}}; echo"), ("X-Request-Id", "a b"), ("Content-Type", "nonsense")]  # fmt: skip
    paths = ["/models", "/models/fraud", "/models/fraud/versions/2", "/models/fraud/stages/production",
             "/models/fraud/aliases/champion", "/models/fraud/history"]  # fmt: skip
    cases = [
        Case(f"{name}: {value[:20]}, {path}", "GET", path, 200, headers=[(name, value)])
        for path in paths
        for name, value in headers
    ]
    cases += [Case(f"any tag, {path}", "GET", path, 304, headers=[("If-None-Match", "*")])
              for path in paths if path not in {"/models", "/models/fraud/history"}]  # fmt: skip
    cases += [
        Case(f"If-Match, {path}", "GET", path, 412, "precondition_failed", headers=[("If-Match", '"r999"')])
        for path in ("/models/fraud", "/models/fraud/versions/2", "/models/fraud/stages/production")
    ]

    assert attempt(cases, one_in=3) == []


def test_a_condition_that_the_view_does_not_evaluate_is_refused(attempt: Try) -> None:
    tag = [("If-Match", "{etag}")]
    cases = [
        Case(f"{method} {path}", method, path, 400, "malformed", json=body, headers=tag)
        for method, path, body in [
            ("DELETE", "/tokens/{reader_id}", {}), ("DELETE", "/uploads/{upload}", {}), ("POST", "/models", NEW),
        ]
    ]  # fmt: skip

    assert attempt(cases) == []


def test_a_range_of_a_file_that_makes_no_sense_is_refused_or_ignored(api: Api, registry: RegistryBuilder) -> None:
    number = registry.model("fraud").version(files=[registry.file(b"0123456789")])
    url = api.get(f"/models/fraud/versions/{number}/files/model.bin").headers["Location"]

    def ranged(value: str) -> tuple[int, bytes]:
        with api.client.get(url, headers={"Range": value}) as response:
            return response.status_code, response.get_data() if response.status_code < 300 else b""

    assert ranged("bytes=2-4") == (206, b"234")
    assert ranged("bytes=-3") == (206, b"789")
    assert ranged("bytes=100-") == (416, b"")
    for nonsense in ("bytes=abc", "bytes=5-1", "bytes=-", "items=0-5", "bytes=", "0-5", "bytes=--5", "bytes=1-2-3"):
        assert ranged(nonsense)[0] in {200, 416}, nonsense


def test_the_etag_that_came_with_a_record_answers_not_modified_until_it_changes(
    api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(stage="production")
    tag = {"If-None-Match": api.get("/models/fraud/stages/production").headers["ETag"]}

    same = api.get("/models/fraud/stages/production", headers=tag)
    registry.model("fraud").version(stage="production")
    changed = api.get("/models/fraud/stages/production", headers=tag)

    assert (same.status_code, same.get_data()) == (304, b"")
    assert expect(200, changed)["number"] == 2


def test_every_reply_has_the_security_headers_and_a_request_id(world: World) -> None:
    for path in (
        "/api/v1/models",
        "/nothing",
        "/livez",
        "/readyz",
        "/health",
        "/version",
        "/docs",
        "/docs.js",
        "/openapi.json",
        "/transfer/x",
    ):
        with world.client.get(path, base_url=HOST) as response:
            assert {name: response.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS, path
            assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-Id"]), path
            assert "Set-Cookie" not in response.headers, path
            assert "Access-Control-Allow-Origin" not in response.headers, path


def test_a_request_has_our_id_and_the_clients_when_that_is_harmless(api: Api) -> None:
    sent = {name: api.get("/me", headers={"X-Request-Id": name}).headers for name in
            ("ci-41.a_B", "a" * 64, "a" * 65, "", "a b", "<x>", "a;b", "caf\xe9", api.token or "")}  # fmt: skip

    kept = {name: headers.get("X-Client-Request-Id") for name, headers in sent.items()}
    assert {name: own for name, own in kept.items() if own is not None} == {
        "ci-41.a_B": "ci-41.a_B",
        "a" * 64: "a" * 64,
    }
    assert all(re.fullmatch("[0-9a-f]{32}", headers["X-Request-Id"]) for headers in sent.values())
    assert len({headers["X-Request-Id"] for headers in sent.values()}) == len(sent)


def raw(app: Flask, method: str, path: str, host: str, token: str, body: Any = None) -> TestResponse:
    """The reply to a Host header that no well-behaved client would send."""
    builder = EnvironBuilder(path=path, method=method, json=body, headers={"Authorization": f"Bearer {token}"})
    environ = builder.get_environ() | {"HTTP_HOST": host}
    return TestResponse(*run_wsgi_app(app, environ, buffered=True), Request(builder.get_environ()))


def test_a_host_that_is_not_the_registry_is_refused_but_probes_come_by_address(
    other_app: Callable[..., Flask], database: Database
) -> None:
    app = other_app(allowed_hosts=("registry.test", "registry.internal"))

    def ask(path: str, host: str) -> int:
        return raw(app, "GET", path, host, database.tokens["all"]).status_code

    for good in ("registry.test", "registry.test:443", "REGISTRY.test", "registry.internal:8080"):
        assert ask("/api/v1/me", good) == 200, good
    for evil in ("", "evil.test", "registry.test.evil.test", "evil.test:443", "registry.test@evil.test", "127.0.0.1",
                 "registry.test:443:443", "registry.test,evil.test", "registry.test evil.test", "[::1]", "[", "]",
                 ":80", "registry.test.", "xn--", "caf\xe9.test", "a" * 5000, "registry.test/", "\x00"):  # fmt: skip
        assert ask("/api/v1/me", evil) == 400, evil
        assert ask("/openapi.json", evil) == 400, evil
    for path in ("/livez", "/readyz"):
        assert ask(path, "10.0.0.7:5000") == 200


def test_a_host_that_is_nonsense_is_never_an_error_of_ours(app: Flask, world: World) -> None:
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/api/v1/uploads", {"sha256": "cd" * 32, "size": 5}), ("GET", "/api/v1/models/fraud", None),
        ("GET", "/api/v1/models/fraud/versions/2/files/model.bin", None), ("GET", "/", None), ("GET", "/docs", None),
    ]  # fmt: skip
    for host in ("[", "]", "[::1", "::1", ":", ":80", "a:b:c", "a b", "a/b", "a?b", "a#b", "a@b", "a\\b", "\x00",
                 "<x>", "xn--", "caf\xe9", "a" * 5000, "a.", ".", "..", "a..b", "-", "%00", "host:99999",
                 "host:-1", "host:x"):  # fmt: skip
        for method, path, body in asked:
            reply = raw(app, method, path, host, world.tokens["all"], body)
            assert reply.status_code < 500, (host, path, reply.get_data(as_text=True))
            kinds = {"application/problem+json", *(["text/html"] if path == "/" else [])}
            assert reply.status_code < 400 or reply.mimetype in kinds, (host, path)


def test_what_a_proxy_would_say_is_ignored_where_none_is_trusted(api: Api) -> None:
    said = [("X-Forwarded-Host", "evil.test"), ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-For", "6.6.6.6"),
            ("X-Forwarded-Prefix", "/evil"), ("Forwarded", "host=evil.test;proto=https"), ("X-Host", "evil.test"),
            ("X-Original-URL", "/api/v1/audit"), ("X-Rewrite-URL", "/api/v1/audit")]  # fmt: skip
    for header in said:
        upload = expect(201, api.post("/uploads", {"sha256": "cd" * 32, "size": 5}, headers=[header]))
        assert upload["target"]["url"].startswith(f"{HOST}/transfer/"), header


def test_a_trusted_proxy_names_the_host_that_clients_see(other_app: Callable[..., Flask], database: Database) -> None:
    behind = Api(other_app(trusted_proxies=1).test_client(), database.tokens["all"])
    headers = {"X-Forwarded-Host": "evil.test, models.test", "X-Forwarded-Proto": "https"}

    upload = expect(201, behind.post("/uploads", {"sha256": "cd" * 32, "size": 5}, headers=headers))

    assert upload["target"]["url"].startswith("https://models.test/transfer/")


def test_addresses_are_those_of_the_public_url_with_its_path(
    other_app: Callable[..., Flask], database: Database
) -> None:
    for public in ("https://models.test", "https://models.test/registry"):
        named = Api(other_app(public_url=public).test_client(), database.tokens["all"])

        upload = expect(201, named.post("/uploads", {"sha256": "cd" * 32, "size": 5}))

        assert upload["target"]["url"].startswith(f"{public}/transfer/")
        created = named.post("/models", {"name": f"m{len(public)}"})
        assert urljoin(public, created.headers["Location"]) == f"{public}/api/v1/models/m{len(public)}"
        (server,) = named.get("/openapi.json").get_json()["servers"]
        assert urljoin(public, server["url"]).rstrip("/") == public  # where the docs page and clients send requests
        page = named.client.get("/docs").get_data(as_text=True)
        for link in re.findall(r'(?:src|href)="([^"]*)"', page):
            assert not link.startswith(("/", "http"))  # a proxy strips the prefix, so the page cannot name it
            with named.client.get(urljoin("/docs", link)) as asset:
                assert asset.status_code == 200


def test_development_mode_answers_to_this_machine_only(dev: FlaskClient) -> None:
    for good in ("localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "[::1]", "LOCALHOST:5000"):
        assert dev.get("/api/v1/me", environ_overrides={"HTTP_HOST": good}).status_code == 200, good
    for evil in ("", "evil.test", "evil.test:5000", "localhost.evil.test", "127.0.0.1.evil.test", "127.1",
                 "0.0.0.0:5000", "127.0.0.2", "2130706433", "[::]", "::1", "localhost@evil.test", "registry.test",
                 "localhost:5000:1"):  # fmt: skip
        for path in ("/api/v1/me", "/livez", "/docs", "/nothing", "/transfer/x"):
            reply = dev.get(path, environ_overrides={"HTTP_HOST": evil})
            assert (reply.status_code, reply.get_json()["code"]) == (400, "malformed"), (evil, path)


def test_development_mode_takes_writes_from_its_own_origin_only(dev: FlaskClient) -> None:
    host = "http://localhost:5000"
    for index, good in enumerate((None, host, "https://localhost:5000")):
        headers = {} if good is None else {"Origin": good}
        made = dev.post("/api/v1/models", base_url=host, json={"name": f"m{index}"}, headers=headers)
        assert made.status_code == 201, good
    for evil in ("", "null", "http://evil.test", "http://localhost", "http://localhost:5001", "http://127.0.0.1:5000",
                 "file://", "http://localhost:5000.evil.test", "http://evil.test#localhost:5000", "http://[",
                 "http://[::1", "localhost:5000", "http://x@localhost:5000", "http://localhost:5000/", "caf\xe9",
                 "\x00"):  # fmt: skip
        for method, path in [("POST", "/models"), ("DELETE", "/models/m0"), ("PATCH", "/models/m0"),
                             ("PUT", "/models/m0/aliases/a")]:  # fmt: skip
            reply = dev.open(
                f"/api/v1{path}", method=method, base_url=host, json={"name": "x"}, headers={"Origin": evil}
            )
            assert (reply.status_code, reply.get_json()["code"]) == (403, "forbidden"), (evil, method)
    listed = dev.get("/api/v1/models", base_url=host).get_json()["items"]
    assert [model["name"] for model in listed] == ["m0", "m1", "m2"]


def test_development_mode_refuses_to_stand_behind_a_proxy(dev: FlaskClient) -> None:
    for name in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Anything",
                 "Via", "X-Real-IP", "CF-Connecting-IP", "cf-ray", "True-Client-IP", "Fastly-Client-IP", "CDN-Loop",
                 "Akamai-Origin-Hop", "X-Azure-SocketIP", "X-Envoy-External-Address", "X-Original-Host",
                 "Fly-Client-IP", "X-Amzn-Trace-Id", "Tailscale-User-Login"):  # fmt: skip
        for value in ("x", ""):
            reply = dev.get("/api/v1/me", base_url="http://localhost:5000", headers={name: value})
            assert (reply.status_code, reply.get_json()["code"]) == (403, "forbidden"), name
            assert name.lower() in reply.get_json()["detail"].lower()


def test_development_mode_stamps_every_entry_and_says_so(dev: FlaskClient) -> None:
    host = "http://localhost:5000"
    dev.post("/api/v1/models", base_url=host, json=NEW)

    entry = dev.get("/api/v1/audit", base_url=host).get_json()["items"][0]

    assert entry["actor"]["kind"] == "local-dev"
    assert dev.get("/readyz", base_url=host).get_json()["mode"] == "dev-no-auth"
    assert dev.get("/api/v1/me", base_url=host).get_json()["mode"] == "dev"


def test_no_log_line_and_no_file_of_the_store_holds_a_token(
    capfd: pytest.CaptureFixture[str], world: World, storage_root: Path
) -> None:
    for header in credentials.headers(world.tokens).values():
        for path in ("/api/v1/me", f"/api/v1/me?token={world.tokens['all']}", "/api/v1/models"):
            world.client.get(path, base_url=HOST, environ_overrides={"HTTP_AUTHORIZATION": header or ""})
            world.client.post(path, base_url=HOST, json={"token": world.tokens["all"]},
                              environ_overrides={"HTTP_AUTHORIZATION": header or ""})  # fmt: skip

    logged = "".join(capfd.readouterr())

    assert "unauthenticated" in logged
    assert [name for name, token in world.tokens.items() if token in logged or token[16:48] in logged] == []
    assert world.parts["target"] not in logged
