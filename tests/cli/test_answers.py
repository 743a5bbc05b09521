from __future__ import annotations

import json
from typing import Any

import pytest
import responses

from registry.api import examples
from registry.cli.support import output
from registry.cli.support.exit_codes import BY_CODE, Exit, exit_code
from registry.client import errors
from registry.domain import errors as domain
from tests.cli.conftest import PROBLEM_TYPE, URL, CommandLine

API = f"{URL}/api/v1"
MOVED: dict[str, Any] = {
    "model": "fraud",
    "number": 2,
    "kind": "rollback",
    "source": "archived",
    "target": "production",
    "changed": True,
    "dry_run": False,
    "displaced": 3,
    "at": "2026-11-21T13:05:02.123456Z",
    "version": {},
}


ROLLED_BACK = "fraud:3 production -> archived, fraud:2 archived -> production (rolled back from 3 to 2"


def all_codes(root: type[Exception]) -> set[str]:
    return {root.code} | {code for child in root.__subclasses__() for code in all_codes(child)}  # type: ignore[attr-defined]


@pytest.mark.parametrize("root", [errors.RegistryError, domain.RegistryError])
def test_every_error_has_an_exit_code(root: type[Exception]) -> None:
    assert all_codes(root) - {"error"} <= BY_CODE.keys()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "malformed", 2),
        (401, "unauthenticated", 3),
        (403, "forbidden", 3),
        (404, "not_found", 4),
        (409, "conflict", 5),
        (409, "already_exists", 5),
        (409, "in_use", 5),
        (409, "stale", 5),
        (409, "illegal_transition", 6),
        (409, "gates_unmet", 6),
        (409, "held", 6),
        (409, "not_ready", 6),
        (409, "no_previous", 6),
        (409, "blobs_missing", 7),
        (409, "upload_mismatch", 7),
        (412, "precondition_failed", 5),
        (422, "invalid", 2),
        (422, "idempotency_mismatch", 5),
        (503, "unavailable", 8),
        (409, "something_newer", 5),
        (422, "something_newer", 2),
        (500, "internal", 1),
    ],
)
def test_a_refusal_ends_with_its_exit_code(
    run_cli: CommandLine, network: responses.RequestsMock, status: int, code: str, expected: int
) -> None:
    body = {"code": code, "detail": "This is why.", "status": status, "request_id": "req-9"}
    network.get(
        f"{API}/models/fraud", status=status, json=body, content_type=PROBLEM_TYPE, headers={"X-Request-Id": "req-9"}
    )

    text, machine = run_cli("show", "fraud"), run_cli("show", "fraud", "--json")

    assert (text.code, machine.code, exit_code(code, status)) == (expected, expected, expected)
    assert (text.out, machine.out) == ("", "")
    assert text.err.startswith("error: This is why.\n")
    assert text.err.endswith("  request req-9\n") is (code != "not_found")  # the log says no more of it
    assert json.loads(machine.err)["error"] == body


def test_damage_is_shown_with_the_version_and_its_files(run_cli: CommandLine, network: responses.RequestsMock) -> None:
    version = f"{API}/models/fraud/versions/3"
    file = {"path": "a.bin", "size": 3, "sha256": "ab" * 32, "media_type": "x", "damage": "missing"}
    known = examples.MEASURED | {"number": 3, "damaged": True}
    network.get(version, json=known)
    missing = {"code": "not_found", "detail": "there is no such address", "status": 404}  # before it had the report
    network.get(f"{version}/reproducibility", status=404, json=missing, content_type=PROBLEM_TYPE)
    pickled = file | {"damage": None, "format": "pickle", "executes_code": "yes"}
    network.get(f"{version}/files", json={"items": [file, file | {"damage": None}, pickled], "next_cursor": None})

    shown, files = run_cli("show", "fraud:3"), run_cli("version", "files", "fraud:3")

    assert "stored bytes are missing or corrupt: registry version files fraud:3" in shown.out
    assert [line.split()[-1] for line in files.out.splitlines()[-3:]] == ["missing", "ab" * 32, "!"]


def test_a_closed_port_ends_with_8_and_advice(run_cli: CommandLine) -> None:
    done = run_cli("whoami", "--url", "http://127.0.0.1:9")

    assert done.code == Exit.UNAVAILABLE
    assert "registry serve --dev" in done.err
    assert "Traceback" not in done.err


def test_a_refused_move_names_the_stages_that_are_open(run_cli: CommandLine, network: responses.RequestsMock) -> None:
    body = {
        "code": "illegal_transition",
        "detail": "fraud:1 cannot go to production.",
        "allowed": ["archived", "staging"],
    }
    network.put(f"{API}/models/fraud/versions/1/stage", status=409, json=body, content_type=PROBLEM_TYPE)

    done = run_cli("promote", "fraud:1", "--to", "production", "--reason", "x")

    assert done.err == "error: fraud:1 cannot go to production.\n  Allowed: archived, staging.\n"


def test_a_broken_rule_names_its_field(run_cli: CommandLine, network: responses.RequestsMock) -> None:
    nested = {"files": {"0": {"path": ["must be relative"]}}, "tags": ["too many"]}
    body = {"code": "invalid", "detail": "No.", "errors": nested}
    network.post(f"{API}/models", status=422, json=body, content_type=PROBLEM_TYPE)

    done = run_cli("model", "create", "fraud")

    assert done.err == "error: No.\n  files.0.path: must be relative\n  tags: too many\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["promote", "fraud", "--to", "staging", "--reason", "x"], "Name a version"),
        (["promote", "fraud:1", "--to", "staging"], "--reason"),
        (["promote", "fraud:1", "--reason", "x"], "Missing option '--to'. Choose from: staging, production"),
        (["promote", "fraud:1", "--to", "archived", "--reason", "x"], "archived"),
        (["promote", "fraud:x", "--to", "staging", "--reason", "x"], "is not a version's number"),
        (["show", "fraud:1", "--as-of", "7d"], "is for a stage or an alias"),
        (["show", "fraud#production", "--as-of", "yesterday"], "is no time"),
        (["alias", "set", "fraud", "3"], "names no alias"),
        (["rollback", "fraud:3", "--reason", "x"], "a name holds no ':' or '/'; write the name of the model alone"),
        (["register", "fraud", "missing"], "does not exist"),
        (["register", "fraud", ".", "--metric", "auc"], "is not key=value"),
        (["register", "fraud", ".", "--metric", "auc=high"], "is not a number"),
        (["register", "fraud", ".", "--metric", "auc=nan"], "is not a finite number"),
        (
            ["register", "fraud", ".", "--metric", f"auc=1@{'0' * 64}", "--metric", f"auc=2@sha256:{'0' * 64}"],
            "--metric 'auc' is given twice",
        ),
        (["register", "fraud", ".", "--tag", "a=1", "--tag", "a=2"], "given twice"),
        (["register", "fraud", ".", "--data", "missing.csv"], "is not a file"),
        (["register", "fraud", ".", "--run-url", "https://ci.example/1"], "--run-id"),
        (["register", "fraud", "."], "is empty"),
        (["alias", "set", "fraud@a", "3", "--expected-current", "x"], "neither a version's number nor 'none'"),
        (["frobnicate"], "No such command"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_reason(run_cli: CommandLine, arguments: list[str], says: str) -> None:
    text, machine = run_cli(*arguments), run_cli(*arguments, "--json")

    assert (text.code, machine.code) == (2, 2)
    assert says in text.err
    assert says in json.loads(machine.err)["error"]["detail"] or arguments == ["frobnicate"]
    assert (text.out, machine.out) == ("", "")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, f"{ROLLED_BACK}, 2026-11-21 13:05:02 UTC)"),
        ({"displaced": None}, "fraud:2 archived -> production (rollback, 2026-11-21 13:05:02 UTC)"),
        ({"changed": False, "at": None, "kind": None}, "fraud:2 is in production already; nothing changed"),
        (
            {"dry_run": True, "changed": False, "at": None},
            f"dry run, nothing changed: {ROLLED_BACK})",
        ),
    ],
)
def test_a_move_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    assert output.moved({**MOVED, **changes}) == sentence  # type: ignore[typeddict-item]  # a part is enough


def test_a_rollback_sends_what_is_given_and_prints_what_happened(
    run_cli: CommandLine, network: responses.RequestsMock
) -> None:
    network.post(f"{API}/models/fraud/rollback", json=MOVED)

    plain = run_cli("rollback", "fraud", "--reason", "slow")
    compared = run_cli("rollback", "fraud", "--reason", "slow", "--to", "2", "--expected-current", "none", "--json")

    assert plain.out == f"{output.moved(MOVED)}\n"  # type: ignore[arg-type]
    assert json.loads(compared.out) == MOVED
    assert [json.loads(call.request.body or "") for call in network.calls] == [
        {"reason": "slow"},
        {"reason": "slow", "to": 2, "expected_current": None},
    ]


def test_what_the_server_says_cannot_command_the_terminal(
    run_cli: CommandLine, network: responses.RequestsMock
) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e\u200b\ud800"
    body = json.dumps({"code": "not_found", "detail": hostile})
    network.get(f"{API}/models/fraud", status=404, body=body, content_type=PROBLEM_TYPE)

    done = run_cli("show", "fraud")

    assert done.err == "error: \\u001b]0;owned\\u0007\\u001b[2J\\u202e\\u200b\\ud800\n"


def test_a_list_is_one_object_that_says_whether_there_is_more(
    run_cli: CommandLine, network: responses.RequestsMock
) -> None:
    entries = [{"alias": name, "model": "m", "number": 1, "since": None, "until": None, "actor": "a"} for name in "abc"]
    network.get(f"{API}/models/fraud/aliases", json={"items": entries, "next_cursor": None})

    cut = run_cli("alias", "list", "fraud", "--limit", "2", "--json")
    whole = run_cli("alias", "list", "fraud", "--json")
    text = run_cli("alias", "list", "fraud", "--limit", "2")

    assert json.loads(cut.out) == {"items": entries[:2], "more": True}
    assert json.loads(whole.out) == {"items": entries, "more": False}
    assert text.out.splitlines()[0].split() == ["ALIAS", "VERSION", "SINCE", "UNTIL", "BY", "NOTES"]
    assert "--limit 0" in text.err


def test_an_export_is_passed_through_as_it_is(run_cli: CommandLine, network: responses.RequestsMock) -> None:
    network.get(f"{API}/audit", body=b'{"id": "1"}\n{"id": "2"}\n', content_type="application/x-ndjson")

    done = run_cli("audit", "--format", "jsonl", "--since", "2026-11-20")

    assert done.out == '{"id": "1"}\n{"id": "2"}\n'
    assert network.calls[0].request.params == {"format": "jsonl", "since": "2026-11-20T00:00:00.000000Z"}  # type: ignore[attr-defined]


def test_a_tokens_secret_stands_alone_on_stdout(run_cli: CommandLine, network: responses.RequestsMock) -> None:
    made = {"id": "abc", "roles": ["writer"], "expires_at": "2027-02-19T00:00:00.000000Z", "token": "mrp_secret"}
    network.post(f"{API}/tokens", status=201, json=made)
    network.get(f"{API}/me", json={"name": "ann", "roles": ["admin"]})

    done = run_cli("token", "create", "ci", "--role", "writer")

    assert done.out == "mrp_secret\n"
    assert "abc for ci (writer) until 2027-02-19 00:00:00 UTC" in done.err


@pytest.mark.parametrize(("name", "shown"), [("", "abc, until"), ("GitHub Actions", "abc GitHub Actions, until")])
def test_whoami_shows_the_token_with_its_name_where_it_has_one(
    run_cli: CommandLine, network: responses.RequestsMock, name: str, shown: str
) -> None:
    token = {"id": "abc", "name": name, "expires_at": "2027-02-19T00:00:00.000000Z", "issued_by": "you"}
    me = {"id": "1", "name": "ann", "kind": "user", "roles": ["writer"], "permissions": [], "token": token,
          "foreign_tokens": 0, "mode": "production"}  # fmt: skip
    network.get(f"{API}/me", json=me)

    done = run_cli("whoami")

    assert f"{shown} 2027-02-19" in done.out


def test_a_token_whose_secret_was_lost_is_no_success(run_cli: CommandLine, network: responses.RequestsMock) -> None:
    made = {"id": "abc", "roles": ["writer"], "expires_at": "2027-02-19T00:00:00.000000Z", "token": None}
    network.post(f"{API}/tokens", status=201, json=made)
    network.get(f"{API}/me", json={"name": "ann", "roles": ["admin"]})

    done = run_cli("token", "create", "ci", "--role", "writer", "--json")

    assert (done.code, done.out) == (1, "")
    assert "Revoke it" in json.loads(done.err)["error"]["detail"]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (3 << 40, "3.0 TiB")]
)
def test_sizes_have_units(count: int, text: str) -> None:
    assert output.size(count) == text


def test_a_command_says_that_it_waits(
    run_cli: CommandLine, network: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_RETRY_SECONDS", "60")
    for _ in range(2):
        for status, code, detail in ((503, "unavailable", "Starting."), (404, "not_found", "There is no model fraud.")):
            body = {"code": code, "detail": detail}
            network.get(f"{API}/models/fraud", status=status, json=body, content_type=PROBLEM_TYPE)

    text, machine = run_cli("show", "fraud"), run_cli("show", "fraud", "--json")

    waits = f"{URL} answered 503. Trying again for up to 60 s (REGISTRY_RETRY_SECONDS)."
    assert text.err.splitlines()[0] == waits
    first, last = map(json.loads, machine.err.splitlines())
    assert (first, last["error"]["code"]) == ({"waiting": {"detail": waits}}, "not_found")


def test_a_wait_that_is_no_number_is_a_usage_error(run_cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_RETRY_SECONDS", "soon")

    done = run_cli("show", "fraud")

    assert (done.code, "REGISTRY_RETRY_SECONDS is 'soon'" in done.err) == (2, True)
