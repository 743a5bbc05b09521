"""Tokens near their end: the header of responses, what the client and the command line say, the number of a monitor."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from registry.client import RegistryClient
from registry.db.models import Token
from registry.db.session import transaction
from registry.services.monitoring import table_counts
from tests.cli.conftest import CommandLine
from tests.support.api import HOST, Api
from tests.support.mlflow_api import MlflowApi
from tests.support.replies import expect
from tests.support.web_server import serving

HEADER = "X-Token-Expires-At"
DAY = timedelta(days=1)


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    with serving(app) as url:
        yield url


def age(app: Flask, token: str, *, life: timedelta, left: timedelta, used: timedelta = timedelta()) -> str:
    """Give the token another life, of which *left* is to come; returns its end as the registry writes times."""
    end = datetime.now(UTC) + left
    times = {"created_at": end - life, "expires_at": end, "last_used_on": (datetime.now(UTC) - used).date()}
    with app.app_context(), transaction() as session:
        session.execute(update(Token).where(Token.id == token).values(**times))
    return end.isoformat(timespec="microseconds").replace("+00:00", "Z")


def made(api: Api, name: str) -> tuple[str, Api]:
    """The id of a new token, and a client with it."""
    issued = expect(201, api.post("/tokens", {"owner": name, "roles": ["auditor"]}))
    return issued["id"], Api(api.client, issued["token"])


@pytest.mark.parametrize(
    ("life", "left", "warns"),
    [
        (90 * DAY, 15 * DAY, False),
        (90 * DAY, 13 * DAY, True),
        (5 * DAY, 2 * DAY, False),
        (5 * DAY, DAY / 2, True),
    ],
)
def test_every_response_to_a_token_near_its_end_says_when_that_is(
    app: Flask, api: Api, life: timedelta, left: timedelta, warns: bool
) -> None:
    token, ann = made(api, "ann")
    end = age(app, token, life=life, left=left)

    replies = [ann.get("/models"), ann.get("/models/nothing"), ann.post("/models", {"name": "fraud"})]
    replies.append(MlflowApi(ann.client, ann.token)("GET", "/registered-models/get", name="nothing"))

    assert [reply.status_code for reply in replies] == [200, 404, 403, 404]
    assert [reply.headers.get(HEADER) for reply in replies] == [end if warns else None] * 4
    assert HEADER not in api.get("/models").headers
    assert HEADER not in ann.client.get("/livez", base_url=HOST).headers


def test_commands_and_clients_warn_of_the_end_of_their_token(
    app: Flask, api: Api, url: str, run_cli: CommandLine, caplog: pytest.LogCaptureFixture
) -> None:
    token, ann = made(api, "ann")
    quiet = run_cli("model", "list", "--url", url, "--token", str(ann.token))
    end = age(app, token, life=90 * DAY, left=3 * DAY)
    said = f"the API token ends at {end[:16].replace('T', ' ')} UTC; replace it"

    text = run_cli("audit", "--url", url, "--token", str(ann.token), "--limit", "1")
    machine = run_cli("audit", "--url", url, "--token", str(ann.token), "--limit", "1", "--json")
    ending = run_cli("token", "list", "--expiring", "--url", url, "--token", str(ann.token), "--json")
    with caplog.at_level(logging.WARNING, "registry.client"), RegistryClient(url, ann.token) as client:
        caplog.clear()
        for _ in range(2):
            client.me()

    assert (quiet.code, "warning" in quiet.err) == (0, False)
    assert (text.code, machine.code, ending.code) == (0, 0, 0)
    assert text.err.count(f"warning: {said}") == text.err.count("warning") == 1
    assert said in json.loads(machine.err)["warning"]["detail"]
    document = next(line for line in ending.out.splitlines() if line.startswith("{"))  # else the server's log
    assert [one["id"] for one in json.loads(document)["items"]] == [token]
    assert client.token_expires_at == datetime.fromisoformat(end)
    assert [record.getMessage().startswith(said) for record in caplog.records] == [True]


def test_tokens_in_use_near_their_end_are_counted(app: Flask, api: Api) -> None:
    """Not those that ended, were revoked, are not used any more, or live so short that a program renews them."""
    lives = {
        "soon": (90 * DAY, 13 * DAY, 0 * DAY),
        "later": (90 * DAY, 20 * DAY, 0 * DAY),
        "over": (90 * DAY, -DAY, 0 * DAY),
        "idle": (90 * DAY, DAY, 10 * DAY),
        "short": (DAY, DAY / 10, 0 * DAY),
        "revoked": (90 * DAY, DAY, 0 * DAY),
    }
    for name, (life, left, used) in lives.items():
        token, _ = made(api, name)
        age(app, token, life=life, left=left, used=used)
        if name == "revoked":
            expect(200, api.delete(f"/tokens/{token}"))
    with app.app_context():
        assert table_counts.take(least_age=timedelta())

    lines = api.client.get("/metrics", base_url=HOST).get_data(as_text=True).splitlines()

    assert "registry_tokens_expiring 1.0" in lines
