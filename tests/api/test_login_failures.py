"""Failed logins are limited by address and by token, over all replicas; a good token is never in their way."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from registry.app import create_app
from registry.auth import tokens
from registry.auth.login_failures import network
from registry.config import Settings
from registry.db.session import db
from tests.support.api import HOST
from tests.support.databases import Database
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements

DAY = 86_400
HERE, THERE = "192.0.2.1", "192.0.2.2"
Replica = Callable[..., Flask]


@pytest.fixture
def replica(database: Database, make_settings: Callable[..., Settings]) -> Iterator[Replica]:
    """A replica of the service that allows 5 failures from an address and 3 with a token in a day."""
    made = []

    def make(**changes: object) -> Flask:
        limits = {"login_failures_per_address": 5, "login_failures_per_token": 3, "login_failures_period": DAY}
        made.append(create_app(make_settings(database.url, **limits | changes)))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


def login(
    app: Flask, token: str | None, address: str = HERE, *, path: str = "/api/v1/me", **headers: str
) -> TestResponse:
    """Send a request with a token from an address."""
    if token is not None:
        headers.setdefault("Authorization", f"Bearer {token}")
    return app.test_client().get(path, base_url=HOST, headers=headers, environ_base={"REMOTE_ADDR": address})


def statuses(app: Flask, token: str | None, times: int, address: str = HERE) -> list[int]:
    return [login(app, token, address).status_code for _ in range(times)]


def wrong(token: str) -> str:
    """A token with the id of *token* and another secret."""
    other = tokens.issue("p", pepper=b"other").text
    start = token[:16] + other[16:-6]
    return start + tokens._checksum(start)


def unknown() -> str:
    return tokens.issue("p", pepper=b"other").text


@pytest.mark.parametrize("token", ["garbage", "mrp_" + "a" * 50, None])
def test_failures_from_an_address_are_limited_and_a_good_token_is_not(
    replica: Replica, database: Database, token: str | None
) -> None:
    app = replica()

    tried = [login(app, token or unknown()) for _ in range(8)]

    assert [response.status_code for response in tried] == [401] * 5 + [429] * 3
    problem = expect(429, tried[-1])
    assert problem["code"] == "rate_limited"
    assert 1 <= int(tried[-1].headers["Retry-After"]) <= DAY
    assert statuses(app, database.tokens["reader"], 3) == [200] * 3
    assert statuses(app, "garbage", 2, THERE) == [401] * 2


def test_the_mlflow_face_limits_in_its_own_dialect(replica: Replica) -> None:
    app = replica()
    basic = "Basic " + base64.b64encode(b"token:garbage").decode()

    tried = [login(app, None, path="/api/2.0/mlflow/registered-models/search", Authorization=basic) for _ in range(6)]

    assert [response.status_code for response in tried] == [401] * 5 + [429]
    assert tried[-1].get_json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    assert "Retry-After" in tried[-1].headers


def test_a_request_without_a_token_is_no_failed_login(replica: Replica) -> None:
    assert statuses(replica(), None, 8) == [401] * 8


def test_failures_with_a_token_are_limited_over_all_addresses(replica: Replica, database: Database) -> None:
    app, token = replica(), database.tokens["writer"]

    tried = [login(app, wrong(token), f"192.0.2.{number}").status_code for number in range(10, 15)]

    assert tried == [401] * 3 + [429] * 2
    assert login(app, token, HERE).status_code == 200
    assert login(app, token, "192.0.2.10").status_code == 200
    assert login(app, database.tokens["reader"], "192.0.2.10").status_code == 200


def test_a_guess_at_a_token_from_a_limited_address_is_not_even_compared(replica: Replica, database: Database) -> None:
    app, token = replica(), database.tokens["writer"]
    statuses(app, wrong(token), 8)

    assert login(app, token).status_code == 429  # it may be the guess that was right
    assert login(app, token, THERE).status_code == 200
    assert login(app, database.tokens["reader"]).status_code == 200


def test_replicas_count_together(replica: Replica) -> None:
    one, other = replica(), replica()

    assert statuses(one, "garbage", 3) + statuses(other, "garbage", 3) == [401] * 5 + [429]
    assert statuses(one, "garbage", 1) == [429]


def test_a_limited_address_causes_no_more_statements(replica: Replica) -> None:
    app = replica()
    with counting_statements(app) as counted:
        statuses(app, "mrp_" + "a" * 50, 6)  # its checksum is wrong, so no token is looked for
    with counting_statements(app) as limited:
        statuses(app, "mrp_" + "a" * 50, 20)

    assert not any("FROM tokens" in text for text in counted)
    assert sum("login_failures" in text for text in counted) == 6
    assert limited == []


def test_what_cannot_be_counted_is_not_answered(make_settings: Callable[..., Settings]) -> None:
    app = create_app(make_settings("postgresql+psycopg://nobody@127.0.0.1:1/none", login_failures_per_address=5))

    assert login(app, "garbage").status_code == 503


@pytest.mark.parametrize(("proxies", "last"), [(1, 401), (0, 429)])
def test_the_address_is_the_clients_behind_a_trusted_proxy_only(replica: Replica, proxies: int, last: int) -> None:
    app = replica(trusted_proxies=proxies)

    tried = [login(app, "garbage", **{"X-Forwarded-For": f"198.51.100.{number}"}) for number in range(6)]

    assert tried[-1].status_code == last


def test_no_limit_is_no_limit(replica: Replica) -> None:
    assert statuses(replica(login_failures_per_address=0), "garbage", 12) == [401] * 12


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("", ""),
        ("x" * 100, "x" * 64),
    ],
)
def test_an_ipv6_address_is_counted_with_its_neighbours(address: str, counted: str) -> None:
    assert network(address) == counted
