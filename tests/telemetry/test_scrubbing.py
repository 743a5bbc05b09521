"""What is removed from a text before it leaves the process, and what stays readable."""

from __future__ import annotations

import json
import time

import pytest

from registry.telemetry import scrubbing
from registry.telemetry.scrubbing import LONGEST_TEXT, MOST_SCANNED, scrub, scrub_line, scrub_value

TOKEN = "mrp_0123456789ab" + "S" * 38


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"token {TOKEN} is refused", "token mrp_0123456789ab**** is refused"),
        (f"a{TOKEN}'", "amrp_0123456789ab****'"),
        ("Authorization: Bearer abc", "Authorization: Bearer ****"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz'}", "{'Authorization': 'Basic ****'}"),
        ("sent Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "sent Bearer ****"),
        ("postgresql://registry:p@ss:w/rd@host/db", "postgresql://registry:****@host/db"),
        ("https://0123456789abcdef0123@host/x", "https://****@host/x"),
        ("/b/k?X-Amz-Signature=abc&x=1&X-Amz-Credential=a%2Fb", "/b/k?X-Amz-Signature=****&x=1&X-Amz-Credential=****"),
        ("?X-Amz-Security-Token=abc&AWSAccessKeyId=b", "?X-Amz-Security-Token=****&AWSAccessKeyId=****"),
        ("?sv=1&sig=abc%3D", "?sv=1&sig=****"),
        ("GET /transfer/eyJrZXkiOi.J9_-x HTTP", "GET /transfer/… HTTP"),
        ("host=db password=hush dbname=x", "host=db password=**** dbname=x"),
        ('{"password": "hush", "a": 1}', '{"password": "****", "a": 1}'),
        (
            "[SQL: INSERT]\n[parameters: {'a': '[x]'}]\n(Background on",
            "[SQL: INSERT]\n[parameters: ****]",
        ),
        ("failed\nDETAIL:  Key (hash)=(abc) exists.\nHINT: x", "failed\nDETAIL: ****\nHINT: x"),
    ],
)
def test_what_has_the_form_of_a_secret_is_hidden(text: str, shown: str) -> None:
    assert scrub(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "GET http://127.0.0.1:5000/api/v1/models/fraud",
        "REGISTRY_SECRET_KEY: must have 32 characters or more",
        "connection to server at 10.0.0.1, port 5432 failed",
        "basic authentication is refused",
        "s3://bucket/prefix/model.bin",
        "the token mra is none of ours",
    ],
)
def test_what_has_none_stays(text: str) -> None:
    assert scrub(text) == text


def test_the_configured_secrets_are_hidden_in_every_form() -> None:
    secret = 'a "long" secret/\\'
    scrubbing.protect([secret, "short", ""])

    for form in (secret, json.dumps(secret)[1:-1], "a%20%22long%22%20secret%2F%5C"):
        assert scrub(f"<{form}>") == scrub_line(f"<{form}>") == "<****>"
    assert scrub("short") == "short"


def test_a_rendered_line_is_scrubbed_and_stays_json() -> None:
    line = json.dumps({"path": f"/{TOKEN}/https://user:word@host/", "status": 404})

    assert json.loads(scrub_line(line)) == {"path": "/mrp_0123456789ab****/https://user:****@host/", "status": 404}


def test_every_text_in_a_value_is_scrubbed_and_bytes_are_only_counted() -> None:
    value = {TOKEN: [TOKEN, (1, None, b"abc"), {"x"}], "error": ValueError(TOKEN)}

    assert scrub_value(value) == {
        "mrp_0123456789ab****": ["mrp_0123456789ab****", [1, None, "(3 bytes)"], ["x"]],
        "error": "mrp_0123456789ab****",
    }


@pytest.mark.parametrize(
    "piece",
    ["://a:", "://", "[parameters: ", "?a-", "authorization", "authorization ", "'password' ", "mrp_", "bearer "],
)
def test_a_text_that_begins_a_secret_again_and_again_takes_no_long_time(piece: str) -> None:
    started = time.thread_time()
    scrub(piece * (MOST_SCANNED // len(piece)))
    scrub_line(piece * (MOST_SCANNED // len(piece)))

    assert time.thread_time() - started < 10  # a search that is quadratic takes a minute


def test_a_long_text_loses_its_middle_and_no_part_of_a_secret_stays() -> None:
    shown = scrub(("x " * 30_000) + TOKEN + " y" * 30_000)

    assert len(shown) < LONGEST_TEXT + 100
    assert "(120054 characters)" in shown
    assert "SSSS" not in shown
