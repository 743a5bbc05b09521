"""Lists: nothing is silent, a terminal of 80 columns is enough, and a program gets the values in full."""

from __future__ import annotations

import json
import re
from typing import Any

import click
import pytest
import responses

from registry.cli.support import credentials
from registry.client.types import EntryView
from tests.cli.conftest import TOKEN as TOKEN_TEXT
from tests.cli.conftest import URL, CommandLine, Place
from tests.cli.test_help import EVERY

API = f"{URL}/api/v1"
AT = "2025-11-21T13:05:02.123456Z"
ARGUMENTS = {
    "name": "fraud",
    "ref": "fraud:1",
    "alias": "fraud@champion",
    "hold": "4",
    "request": "0d0ce5ab-3a6c-4c8e-9d10-62a6a1f0b6c4",
    "data": f"sha256:{'0' * 64}",
}
LISTS = [
    name
    for name, command in EVERY.items()
    if any(param.name == "limit" for param in command.params) and name not in {"export mlflow", "gate test"}
]
LONG = "credit-card-fraud-of-the-european-branch"
TOKEN = {"id": "7Qw2eR9tYu1i", "owner": "ci-fraud", "created_by": "administrator", "name": "GitHub Actions of fraud",
         "roles": ["writer", "promoter"], "created_at": AT, "expires_at": AT, "last_used_on": "2025-11-20",
         "revoked_at": AT}  # fmt: skip
VERSION = {"model": LONG, "number": 12, "stage": "production", "state": "ready", "created_at": AT,
           "created_by": "ci-fraud", "aliases": ["champion", "challenger"],
           "metrics": {"auc": 0.93123456789, "loss": 1234.56789, "rows": 100000.0}}  # fmt: skip

UNKNOWN = {"run": None, "code": None, "environment": None, "datasets": [], "parents": []}
DESCRIBED = {**VERSION, "model": "fraud", "state": "ready", "state_reason": None, "rolled_back": False,
             "manifest_digest": None, "description": "", "tags": {}, "params": {}, "framework": None, "source": None,
             "lineage": UNKNOWN, "deleted_at": None, "purged_at": None}  # fmt: skip


def entry(action: str, *, number: int | None = 1, other: int | None = None, **told: Any) -> EntryView:
    found: dict[str, Any] = {
        "id": "1", "at": AT, "action": action, "actor": {"id": "1", "name": "ann", "kind": "user",
        "credential": "7Qw2eR9tYu1i", "issuer": "administrator"}, "model": "fraud", "version": number,
        "related_version": other, "token": None, "before": {}, "after": {}, "reason": None, "texts": {},
        "body": "e30=", **told,
    }  # fmt: skip
    return found  # type: ignore[return-value]  # a part is enough


def page(*items: object) -> dict[str, Any]:
    return {"items": items, "next_cursor": None}


def change_column(run_cli: CommandLine, network: responses.RequestsMock, made: EntryView) -> str:
    """What history says of the change."""
    network.upsert("GET", f"{API}/models/fraud/history", json=page(made))
    lines = run_cli("history", "fraud").out.splitlines()
    return lines[1][lines[0].index("CHANGE") : lines[0].index("REASON")].strip()


def test_an_entry_shows_its_credential_and_which_other_account_issued_that(
    run_cli: CommandLine, network: responses.RequestsMock
) -> None:
    own = entry("model.created")
    own["actor"] = {**own["actor"], "issuer": None}
    network.get(f"{API}/models/fraud/history", json=page(entry("version.promoted"), own))

    heading, issued, made = run_cli("history", "fraud").out.splitlines()

    start, end = heading.index("CREDENTIAL"), heading.index("ACTION")
    assert [line[start:end].strip() for line in (issued, made)] == ["7Qw2eR9tYu1i by administrator", "7Qw2eR9tYu1i"]


@pytest.mark.parametrize("name", LISTS)
def test_an_empty_list_says_so_on_stderr(run_cli: CommandLine, network: responses.RequestsMock, name: str) -> None:
    network.get(re.compile(f"{API}/.*"), json={**page(), "keys": []})
    arguments = [ARGUMENTS[str(param.name)] for param in EVERY[name].params
                 if isinstance(param, click.Argument) and param.name in ARGUMENTS]  # fmt: skip

    done, machine = run_cli(*name.split(), *arguments), run_cli(*name.split(), *arguments, "--json")

    assert (done.code, done.out, len(done.err.splitlines())) == (0, "", 1)
    assert done.err.startswith(("no ", "fraud"))
    assert (json.loads(machine.out), machine.err) == ({"items": [], "more": False}, "")


@pytest.mark.parametrize(
    ("form", "empty"),
    [
        ("jsonl", ""),
        ("jsonl", '{"export": {"filter": {}}}\n'),
        ("csv", "at,action\r\n"),
        ("csv", '# {"filter": {}}\r\n# {"sealed": 3}\r\nat,action\r\n'),
    ],
)
def test_an_export_without_entries_says_so(
    run_cli: CommandLine, network: responses.RequestsMock, form: str, empty: str
) -> None:
    network.get(f"{API}/audit", body=empty)

    done = run_cli("audit", "--format", form)

    assert (done.out, done.err) == (empty, "no entries match\n")


@pytest.mark.parametrize(
    ("command", "path", "item", "whole"),
    [
        (["token", "list"], "/tokens", TOKEN, ["7Qw2eR9tYu1i", "2025-11-21"]),
        (["version", "list", LONG], f"/models/{LONG}/versions", VERSION, [f"{LONG}:12", "auc=0.9312", "rows=100000"]),
        (["audit"], "/audit", entry("version.promoted", reason="better " * 20, after={"stage": "production"}),
         ["version.promoted", "7Qw2eR9tYu1i", "fraud:1"]),
    ],
)  # fmt: skip
def test_a_table_fits_a_terminal_of_80_columns_and_breaks_no_id(
    terminal: CommandLine, network: responses.RequestsMock, command: list[str], path: str, item: Any, whole: list[str]
) -> None:
    network.get(f"{API}{path}", json=page(item, item))

    shown = terminal(*command)

    assert shown.code == 0, shown.err
    assert max(map(len, shown.out.splitlines())) <= 80
    words = shown.out.split()
    assert [text for text in whole if text not in words] == []


def test_a_comparison_fits_a_terminal_and_is_whole_for_a_program(
    terminal: CommandLine, run_cli: CommandLine, network: responses.RequestsMock
) -> None:
    data, run = f"sha256:{'a1' * 32}", {"system": "ci", "id": "7", "started_at": AT}
    facts = {"params": {}, "lineage": {"run": run, "datasets": [], "parents": []}, "evaluations": [], "metrics": {}}
    measured = [{"metric": "auc", "value": 0.93123456789, "dataset_digest": data, "dataset_name": "test.csv"}]
    changed = {"description": "words " * 100, "evaluations": measured, "lineage": facts["lineage"] | {"run": {}}}
    paths = ["weights/" + "layer" * 40, "config.json"]
    for number, more in ((1, {}), (2, changed)):
        network.get(f"{API}/models/fraud/versions/{number}", json={"model": "fraud", "number": number, **facts, **more})
        files = [{"path": path, "size": 1, "sha256": f"{number}b" * 32} for path in paths[:number]]
        network.get(re.compile(f"{API}/models/fraud/versions/{number}/files.*"), json=page(*files))

    shown, piped = terminal("compare", "fraud:1", "fraud:2"), run_cli("compare", "fraud:1", "fraud:2")

    assert (shown.code, piped.code) == (0, 0), shown.err
    assert shown.out.startswith("fraud:1 and fraud:2 differ in 2 files and 5 facts\n")
    assert max(map(len, shown.out.splitlines())) <= 80
    assert len(shown.out.splitlines()) < 30
    assert {f"metrics.auc@{data}", "0.93123456789", AT, "1b" * 32, "config.json", paths[0]} <= set(piped.out.split())
    assert ("words " * 100).strip() in piped.out


def test_a_program_reads_times_and_numbers_in_full(run_cli: CommandLine, network: responses.RequestsMock) -> None:
    network.get(f"{API}/models/fraud/versions", json=page(VERSION))

    done = run_cli("version", "list", "fraud")

    assert AT in done.out
    assert "auc=0.93123456789 loss=1234.56789" in done.out


def test_history_says_what_changed(run_cli: CommandLine, network: responses.RequestsMock) -> None:
    moved = {"before": {"production": 3, "stage": "archived"}, "after": {"production": 1, "stage": "production"}}
    up = {"before": {"production": 1, "stage": "staging"}, "after": {"production": 2, "stage": "production"}}
    edited = {"description": "new words", "tags": '{"team": "risk", "old": null}'}
    aliases = {"before": {"aliases": {"champion": None}}, "after": {"aliases": {"champion": 2}}}
    protected = {"before": {"protected_aliases": ["a", "c"]}, "after": {"protected_aliases": ["a", "b"]}}
    issued = {"after": {"owner": "0b8e6a52-6f0e", "roles": ["writer"]}, "texts": {"owner": "ci"}}

    assert change_column(run_cli, network, entry("version.rolled_back", other=3, **moved)) == "rolled back from 3 to 1"
    assert change_column(run_cli, network, entry("version.promoted", number=2, other=1, **up)) == (
        "staging -> production, replacing 1"
    )
    assert change_column(run_cli, network, entry("version.edited", texts=edited)) == (
        "description=new words, tag old removed, tag team=risk"
    )
    assert change_column(run_cli, network, entry("alias.set", **aliases)) == "champion=2"
    assert change_column(run_cli, network, entry("alias.protected", **protected)) == "protected_aliases: +b -c"
    assert change_column(run_cli, network, entry("model.edited", after={"open": True, "n": None, "s": 1.5})) == (
        "open=true, s=1.5"
    )
    assert change_column(run_cli, network, entry("token.created", number=None, **issued)) == "roles=writer, owner=ci"
    erased = {"entry": "523cd8ae-88df-48fc-9faf-b73e0aaaba31", "text": "description"}
    assert (
        change_column(run_cli, network, entry("text.erased", before=erased)) == "description of entry 523cd8ae redacted"
    )
    bound = {"request": "0d0ce5ab", "target": "production", "registrar_id": "523cd8ae", "expires_at": AT,
             "apply_when_ready": False, "token_id": "a"}  # fmt: skip
    assert change_column(run_cli, network, entry("request.opened", after=bound)) == (
        f"expires_at={AT}, request=0d0ce5ab, target=production"
    )
    placed = {"hold": {"kind": "version", "target": ""}}
    assert change_column(run_cli, network, entry("hold.placed", after=placed)) == "kind=version"
    assert change_column(run_cli, network, entry("hold.released", before={"hold": erased["entry"]})) == (
        "hold of entry 523cd8ae released"
    )
    since = entry("version.edited", texts={"tags": "{}"}, redacted=["description"])
    assert change_column(run_cli, network, since) == "description redacted"


def test_downloads_beyond_the_bound_of_a_process_are_others(
    run_cli: CommandLine, network: responses.RequestsMock
) -> None:
    beyond = {"hour": AT, "actor": None, "address": "others", "model": None, "number": None, "way": "file", "count": 7,
              "last_at": AT}  # fmt: skip
    network.get(f"{API}/downloads", json=page(beyond))

    assert run_cli("audit", "downloads").out.splitlines()[1].split()[1:] == ["others", "file", "others", "7", AT]


@pytest.mark.parametrize("command", [["--format", "jsonl", "--after", "start"], ["--state", "state"]])
def test_an_export_is_not_called_empty_while_entries_wait_to_be_sealed(
    run_cli: CommandLine, network: responses.RequestsMock, command: list[str]
) -> None:
    network.get(f"{API}/audit", body="", headers={"X-Audit-Next-After": "start", "X-Audit-Waiting": "true"})

    done = run_cli("audit", *command, "--wait", "0")

    assert (done.code, done.out) == (0, "")
    assert "not sealed yet" in done.err
    assert "no entries match" not in done.err


def test_the_hashed_bytes_of_entries_are_shown_when_asked_for(
    run_cli: CommandLine, network: responses.RequestsMock
) -> None:
    changes = {**page(entry("model.created")), "next_after": "p", "more": False, "waiting": False}
    network.get(f"{API}/audit", json=changes)

    for more in ([], ["--after", "start"]):
        plain, asked = run_cli("audit", "--json", *more), run_cli("audit", "--json", "--bodies", *more)
        assert "body" not in json.loads(plain.out)["items"][0]
        assert json.loads(asked.out)["items"][0]["body"] == "e30="
    assert run_cli("audit", "--bodies").code == run_cli("audit", "--bodies", "--json", "--format", "csv").code == 2


def test_options_in_front_of_a_command_that_would_not_get_them_are_refused(run_cli: CommandLine) -> None:
    done = run_cli("audit", "--actor", "ann", "refusals")

    assert done.code == 2
    assert "registry audit refusals" in done.err


@pytest.mark.parametrize(
    ("used", "foreign", "says"),
    [
        ("you", 0, ""),
        ("you", 1, "1 valid token acts as you, created by another account. Look: registry token list --mine\n"),
        ("admin", 1, ""),
        ("admin", 3, "2 more valid tokens act as you, created by another account. Look: registry token list --mine\n"),
    ],
)
def test_whoami_counts_the_other_tokens_that_act_as_me(
    run_cli: CommandLine, network: responses.RequestsMock, used: str, foreign: int, says: str
) -> None:
    token = {"id": "abc", "name": "", "expires_at": AT, "issued_by": used}
    network.get(f"{API}/me", json={"id": "1", "name": "you", "kind": "user", "roles": [], "permissions": [],
                                   "token": token, "foreign_tokens": foreign, "mode": "production"})  # fmt: skip

    done = run_cli("whoami")

    assert done.err == says
    assert f"issued by  {used}" in done.out


def test_a_terminal_shows_which_registry_was_used(
    terminal: CommandLine, run_cli: CommandLine, network: responses.RequestsMock
) -> None:
    network.get(f"{API}/models", json=page())

    assert terminal("model", "list").err == f"registry {URL} (the default)\nno models\n"
    assert terminal("model", "list", "--json").err == ""
    assert run_cli("model", "list").err == "no models\n"


@pytest.mark.parametrize(("saved", "what"), [(True, "saved login"), (False, "token that you used")])
def test_a_bootstrap_token_that_is_used_up_is_reported(
    run_cli: CommandLine, network: responses.RequestsMock, place: Place, saved: bool, what: str
) -> None:
    network.get(f"{API}/me", json={"name": "system", "roles": ["bootstrap"]})
    network.post(f"{API}/tokens", status=201, json={"id": "a", "roles": ["admin"], "expires_at": AT, "token": "mrp_x"})
    if saved:
        credentials.save(place.config, URL, TOKEN_TEXT)

    done = run_cli("token", "create", "ann", "--role", "admin", *([] if saved else ["--token", TOKEN_TEXT]))

    assert done.out == "mrp_x\n"
    assert f"The {what} was the bootstrap token, which this used up. Go on with: registry login\n" in done.err


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ({"repo": None, "path": "train.py", "commit": "c0ffee"}, "train.py at c0ffee"),
        ({"repo": "https://h/r", "path": "train.py", "commit": None}, "https://h/r in train.py"),
        ({"repo": None, "path": None, "commit": None, "command": "make"}, "make"),
    ],
)
def test_the_code_of_a_version_is_a_repository_or_a_path(
    run_cli: CommandLine, network: responses.RequestsMock, code: dict[str, Any], line: str
) -> None:
    network.get(f"{API}/models/fraud/versions/12", json={**DESCRIBED, "lineage": {**UNKNOWN, "code": code}})

    shown = run_cli("version", "show", "fraud:12").out.splitlines()

    assert [text.split(maxsplit=1)[1] for text in shown if text.strip().startswith(("code", "command"))] == [line]


def test_a_purged_version_is_shown_as_one(run_cli: CommandLine, network: responses.RequestsMock) -> None:
    purged = {**DESCRIBED, "state": "deleted", "deleted_at": AT, "purged_at": AT}
    network.get(f"{API}/models/fraud/versions/12", json=purged)

    assert "its bytes are gone" in run_cli("version", "show", "fraud:12").out
