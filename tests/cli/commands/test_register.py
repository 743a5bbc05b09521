from __future__ import annotations

import json
from typing import Any

import pytest
import responses

from tests.cli.conftest import URL, CommandLine, Place
from tests.support import git_repositories

API = f"{URL}/api/v1"
COPY: dict[str, Any] = {
    "id": "i-1", "model": "fraud", "source": "s3://b/p", "state": "pending", "reason": None, "files": 0, "bytes": 0,
    "version": None, "created_at": "2026-11-21T13:05:02.123456Z", "created_by": "ci", "finished_at": None,
}  # fmt: skip
DONE = {**COPY, "state": "done", "files": 2, "bytes": 2048, "version": 3}


@pytest.fixture
def importing(network: responses.RequestsMock) -> responses.RequestsMock:
    """A registry that copies ``s3://b/p`` into version 3 of fraud."""
    network.get(f"{API}/models/fraud", json={"name": "fraud"})
    network.post(f"{API}/models/fraud/imports", status=202, json=COPY)
    network.get(f"{API}/models/fraud/versions/3", json={"number": 3})
    return network


def test_a_url_is_copied_by_the_registry(run_cli: CommandLine, importing: responses.RequestsMock) -> None:
    text = run_cli("register", "fraud", "s3://b/p", "--metric", "auc=0.9", "--no-detect")
    machine = run_cli("register", "fraud", "s3://b/p", "--json")

    assert (text.code, text.err) == (0, "")
    assert "registry version import i-1 --wait" in text.out
    assert json.loads(machine.out) == {"import": COPY}
    sent = [json.loads(call.request.body or "") for call in importing.calls if call.request.method == "POST"]
    assert sent[0] == {"source": "s3://b/p", "metrics": {"auc": 0.9}}


def test_a_commit_that_is_not_found_is_a_warning(
    run_cli: CommandLine, importing: responses.RequestsMock, place: Place
) -> None:
    register = ["register", "fraud", "s3://b/p"]

    found = [run_cli(*register), run_cli(*register, "--repo", "https://h/r", "--commit", "c0ffee")]

    missing = f"the commit is not recorded: no git checkout is around {place.cwd}: give it with --repo and --commit"
    assert [(done.code, done.err.partition(" (code=")[0]) for done in found] == [(0, f"warning: {missing}"), (0, "")]
    warning = json.loads(run_cli(*register, "--json").err)["warning"]
    assert warning["detail"].startswith(missing)
    git_repositories.checkout(place.cwd)
    other = run_cli(*register, "--repo", "https://h/r")
    assert other.err == (
        f"warning: the commit is not recorded: the checkout here is of {place.cwd.name}, not of https://h/r: "
        "give --commit\n"
    )


@pytest.mark.parametrize("command", [["register", "fraud", "https://h/p"], ["version", "import", "i-1"]])
def test_who_waits_for_a_copy_gets_its_version(
    run_cli: CommandLine, importing: responses.RequestsMock, command: list[str]
) -> None:
    importing.get(f"{API}/imports/i-1", json=DONE)

    text, machine = run_cli(*command, "--wait"), run_cli(*command, "--wait", "--json")

    assert text.out == "fraud:3 from s3://b/p is done (2 files, 2.0 KiB)\n"
    assert json.loads(machine.out) == {"import": DONE, "version": {"number": 3}}


def test_a_copy_that_fails_says_why(run_cli: CommandLine, importing: responses.RequestsMock) -> None:
    importing.get(f"{API}/imports/i-1", json={**COPY, "state": "failed", "reason": "no such bucket"})

    waited = run_cli("register", "fraud", "s3://b/p", "--wait", "--no-detect")
    asked = run_cli("version", "import", "i-1")

    assert (waited.code, waited.err) == (1, "error: s3://b/p: no such bucket\n")
    assert (asked.code, asked.out) == (0, "fraud from s3://b/p is failed (0 files, 0 B): no such bucket\n")


def test_patterns_are_for_files_that_are_here(run_cli: CommandLine, importing: responses.RequestsMock) -> None:
    done = run_cli("register", "fraud", "s3://b/p", "--exclude", "*.tmp")

    assert done.code == 2
    assert "not for a URL" in done.err


@pytest.mark.parametrize("url", ["http://h/p", "file:///etc", "S3://b/p"])
def test_what_is_no_place_to_copy_from_is_a_path(run_cli: CommandLine, url: str) -> None:
    done = run_cli("register", "fraud", url)

    assert done.code == 2
    assert "does not exist" in done.err


def test_a_purge_sends_its_reason(run_cli: CommandLine, network: responses.RequestsMock) -> None:
    network.post(f"{API}/models/fraud/versions/1/purge", json={"number": 1, "state": "deleted"})

    done = run_cli("version", "purge", "fraud:1", "--reason", "erasure")

    assert done.out == "fraud:1 purged; its bytes cannot be brought back\n"
    assert json.loads(network.calls[0].request.body or "") == {"reason": "erasure"}
    assert run_cli("version", "purge", "fraud:1").code == 2


def test_an_archive_that_breaks_off_leaves_no_file(
    run_cli: CommandLine, network: responses.RequestsMock, place: Place
) -> None:
    digest = "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"  # of an empty list
    network.get(f"{API}/models/fraud/versions/1", json={"model": "fraud", "number": 1, "manifest_digest": digest})
    network.get(f"{API}/models/fraud/versions/1/files", json={"items": [], "next_cursor": None})
    network.get(f"{API}/models/fraud/versions/1/archive", body=b"no archive" * 100)

    done = run_cli("version", "tar", "fraud:1", "-o", "fraud.tar")

    assert done.code == 7
    assert list(place.cwd.iterdir()) == []
