"""``registry audit verify`` and ``watch`` against a registry that cannot be trusted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine, Place
from tests.support.log_server import LogServer
from tests.support.sealed_log import KEY, ORIGIN, SealedLog
from tests.support.web_server import serving


@pytest.fixture
def server(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[LogServer]:
    log_server = LogServer(SealedLog().fill(12))
    with serving(log_server) as url:
        monkeypatch.setenv("REGISTRY_URL", url)
        yield log_server


def test_the_first_run_shows_the_key_that_it_trusts_and_later_runs_go_on(
    run_cli: CommandLine, server: LogServer, place: Place
) -> None:
    first = run_cli("audit", "verify")
    server.log.fill(3)
    server.publish()
    second = run_cli("audit", "verify", "--json")
    third = run_cli("audit", "verify")
    server.log.erase(13, "reason")
    server.publish()
    erased = run_cli("audit", "verify", "--from-start")
    server.log = SealedLog().fill(17)
    server.publish()
    forked = run_cli("audit", "verify")

    assert (first.code, first.out) == (0, f"VERIFIED: 12 entries of 3 chains; log {ORIGIN} at size 12\n")
    assert f"Trusted on first use: {KEY.verifier}" in first.err
    assert "Compare it with what the operator published" in first.err
    document = json.loads(second.out)
    assert (second.code, document["outcome"], document["since"], document["entries"]) == (0, "verified", 12, 3)
    assert (document["keys"], document["first_use"]) == ([str(KEY.verifier)], False)
    assert Path(document["state"]).parent == place.cwd.parent / "home" / ".local" / "state" / "model-registry" / "audit"
    assert "an earlier run verified the first 15 entries. --from-start reads all again." in third.err
    assert "Only what is new was read" not in first.err + erased.err
    assert (erased.code, "1 text redacted" in erased.out, forked.code) == (0, True, 1)
    (kept,) = Path(document["state"]).parent.glob("*.refused-*")
    assert f"kept as evidence: {kept}" in forked.err
    assert kept.read_bytes() == server.note
    assert run_cli("audit", "verify").code == 1


def test_keys_come_from_the_option_or_the_environment(
    run_cli: CommandLine, server: LogServer, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = run_cli("audit", "verify", "--key", str(KEY.verifier), "--state", "log.json")
    monkeypatch.setenv("REGISTRY_LOG_VERIFIER_KEYS", f"{KEY.verifier}\n")
    from_environment = run_cli("audit", "verify", "--state", "log.json", "--from-start")
    monkeypatch.setenv("REGISTRY_LOG_VERIFIER_KEYS", "abc")
    wrong = run_cli("audit", "verify")

    assert (given.code, given.err) == (0, "")
    assert (from_environment.code, "12 entries" in from_environment.out) == (0, True)
    assert wrong.code == 2
    assert "REGISTRY_LOG_VERIFIER_KEYS: " in wrong.err
    assert "/audit/keys" not in server.requests
    assert [path.name for path in place.cwd.iterdir()] == ["log.json"]


def test_what_cannot_be_decided_has_its_own_exit_code(run_cli: CommandLine, server: LogServer, place: Place) -> None:
    server.note = None
    without = run_cli("audit", "verify")
    (place.cwd / "log.json").write_text("{}")
    damaged = run_cli("audit", "verify", "--state", "log.json")
    server.broken = ["/"]
    away = run_cli("audit", "verify")

    assert (without.code, damaged.code, away.code) == (2, 2, 8)
    assert "not decided: the registry shows no checkpoint: no checkpoint was published yet" in without.out
    assert "log.json: the state file is damaged" in damaged.err
    server.broken, server.failing = [], ["/"]
    failing = run_cli("audit", "verify")
    assert (failing.code, run_cli("audit", "watch", "--once", "--state", "w.json").code) == (2, 2)
    assert "something is wrong here" in failing.err
    server.failing, server.note = [], server.log.note()
    (place.cwd / "log.json").unlink()
    (place.cwd / "log.json").mkdir()
    unwritable = run_cli("audit", "verify", "--state", "/proc/log.json", "--key", str(KEY.verifier))
    assert (unwritable.code, run_cli("audit", "watch", "--once", "--state", "log.json").code) == (2, 2)


def test_a_file_is_verified_without_a_server(run_cli: CommandLine, server: LogServer, place: Place) -> None:
    """With a key that is given, or with that of an earlier run for the same log."""
    server.log.write(place.cwd / "files")
    other = SealedLog().fill(12)
    other.entries[3] = SealedLog().fill(2).entries[1]
    other.write(place.cwd / "changed", note=server.note)
    unknown = run_cli("audit", "verify", "--file", "files")
    by_key = run_cli("audit", "verify", "--file", "files", "--key", str(KEY.verifier), "--state", "log.json")
    assert run_cli("audit", "verify").code == 0
    server.broken = ["/"]
    known = run_cli("audit", "verify", "--file", "files", "--json")
    changed = run_cli("audit", "verify", "--file", "changed", "--json")

    assert unknown.code == 2
    assert "--key name+id+base64" in unknown.err
    assert (by_key.code, known.code, json.loads(known.out)["entries"]) == (0, 0, 12)
    assert (place.cwd / "log.json").exists()
    assert (changed.code, json.loads(changed.out)["outcome"]) == (1, "tampered")


@pytest.mark.parametrize(
    "options",
    [
        ["--answers", "--local"],
        ["--answers", "--file", "."],
        ["--model", "fraud", "--key", "x"],
        ["--file", ".", "--model", "fraud"],
        ["--file", ".", "--from-start"],
        ["--remote"],
        ["--remote", "--answers", "--model", "fraud"],
        ["--accept-unsealed"],
        ["--baseline", "--model", "fraud"],
    ],
)
def test_options_that_do_not_go_together_are_refused(run_cli: CommandLine, options: list[str]) -> None:
    assert run_cli("audit", "verify", *options).code == 2


def test_a_witness_remembers_checkpoints_and_finds_a_fork(
    run_cli: CommandLine, server: LogServer, place: Place
) -> None:
    watch = ("audit", "watch", "--state", "witness.json", "--once")
    first = run_cli(*watch)
    nothing = run_cli(*watch)
    server.log.fill(3)
    server.publish()
    grown = run_cli(*watch)
    server.broken = ["/audit/checkpoint"]
    away = run_cli(*watch)
    server.broken, server.log = [], SealedLog().fill(9)
    server.log.add("model:1", "version.deleted")
    server.log.fill(10)
    server.publish()
    forked = run_cli(*watch)
    as_json = run_cli(*watch, "--json")

    root = server.log.checkpoint(9).root.hex()
    assert (first.code, first.out.startswith(f"{ORIGIN} size 12 root "), root in first.out) == (0, True, False)
    assert f"Trusted on first use: {KEY.verifier}" in first.err
    assert (nothing.code, nothing.out) == (0, "")
    assert (grown.code, grown.out.endswith(": continues size 12\n")) == (0, True)
    assert (away.code, away.out) == (2, "")
    assert "the registry could not be watched" in away.err
    assert (forked.code, as_json.code) == (1, 1)
    assert forked.out.startswith("TAMPERED: the log of size 20 does not begin with that of size 15, it was forked")
    assert [path.read_bytes() for path in place.cwd.glob("witness.json.refused-*")] == [server.note]
    assert json.loads(as_json.out)["outcome"] == "tampered"


def test_a_witness_goes_on_through_an_outage_for_a_limited_time(run_cli: CommandLine, server: LogServer) -> None:
    state = ("--state", "witness.json")
    assert run_cli("audit", "watch", *state, "--once").code == 0
    server.broken = ["/audit/checkpoint"]
    done = run_cli("audit", "watch", *state, "--every", "1s", "--give-up", "1s")

    assert done.code == 2
    assert done.err.count("the registry could not be watched") > 1
    assert "no checkpoint was verified for 1 s; giving up" in done.err
    assert run_cli("audit", "watch", *state, "--every", "soon").code == 2
    assert run_cli("audit", "watch", "--state", "no/directory.json").code == 2
