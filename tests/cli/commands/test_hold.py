"""registry hold, with a service: a version is held, data is recalled, and its versions leave production."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import CommandLine, answer, ok

BECAUSE = ("--reason", "wrong labels")


def test_data_is_recalled_until_no_version_is_live(run_cli: CommandLine, model: str) -> None:
    Path("train.csv").write_text(model)
    for run in ("1", "2"):
        Path("model/more").write_text(run)
        ok(run_cli("register", model, "model", "--data", "train.csv", "--run-id", run))
        for stage in ("staging", "production"):
            ok(run_cli("promote", f"{model}:{run}", "--to", stage, "--reason", "x"))
    assert run_cli("hold", "data", "s3://lake/raw.parquet", *BECAUSE).code == 2
    hold = str(answer(run_cli("hold", "data", "train.csv", *BECAUSE, "--json"))["hold"]["id"])

    shown = ok(run_cli("hold", "show", hold)).out.splitlines()
    assert shown[0].endswith(": 1 of 2 versions live, 0 in staging")
    assert any(line.startswith(f"  live    {model}:2, by ") for line in shown)
    assert run_cli("hold", "show", hold, "--require-complete").code == 6
    refused = run_cli("rollback", model, "--reason", "x")
    assert (refused.code, "wrong labels" in refused.err) == (6, True)
    shown_version = run_cli("show", f"{model}#production")
    assert f"held         {hold} on " in shown_version.out.replace("held        ", "held         ")
    assert shown_version.err.startswith(f"warning: {model}:2 is held ({hold} on ")
    pulled = run_cli("pull", f"{model}#production", "-o", "served")
    assert (pulled.code, f"warning: {model}:2 is held" in pulled.err) == (0, True)
    assert "production held" in ok(run_cli("inventory", "--limit", "0")).out
    fetched = ok(run_cli("hold", "show", hold, "--downloads")).out.splitlines()
    assert [line.partition(" by ")[0] for line in fetched if "fetched" in line] == [f"  fetched {model}:2"]
    (download,) = answer(run_cli("hold", "show", hold, "--downloads", "--json"))["downloads"]
    assert (download["number"], download["address"]) == (2, "127.0.0.1")

    # The short form; the version before is held as well, so that only vacancy is left.
    both = run_cli("hold", f"{model}:2", *BECAUSE, "--rollback")
    assert (both.code, "--leave-vacant" in both.err) == (6, True)
    assert run_cli("hold", f"{model}:2", *BECAUSE, "--leave-vacant").code == 2
    vacant = ok(run_cli("hold", f"{model}:2", *BECAUSE, "--rollback", "--leave-vacant"))
    assert "nothing is in production now" in vacant.out
    complete = ok(run_cli("hold", "show", hold, "--require-complete")).out
    assert "the recall is complete" in complete
    assert f"  left    {model}:2 (archive by " in complete
    assert ok(run_cli("hold", "versions", hold, "--csv")).out.splitlines()[1].startswith(f"{model},2,archived,ready")
    assert ok(run_cli("hold", "versions", hold)).out.splitlines()[1].startswith(f"{model}:2")
    assert answer(run_cli("hold", "list", "--live", "--json"))["items"] == []
    ok(run_cli("hold", "release", hold, "--reason", "the labels are right"))
    assert "the labels are right" in ok(run_cli("hold", "show", hold)).out
    glass = run_cli("promote", f"{model}:1", "--to", "staging", "--reason", "an outage", "--break-glass")
    used = run_cli("pull", f"{model}#staging", "-o", "used")
    assert [one.err.startswith(f"warning: {model}:1 was moved past the gates by ") for one in (glass, used)] == [
        True,
        True,
    ]
    assert "hf://" in ok(run_cli("hold", "base", f"hf://org/{model}", *BECAUSE)).out
    based = answer(run_cli("hold", "base", f"{model}:1", *BECAUSE, "--json"))["hold"]
    assert (based["kind"], based["target"]) == ("model", f"{model}:1")
