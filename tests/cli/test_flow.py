"""The commands other than ``register`` against a real service, over SQLite and a directory, as people start it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.cli.conftest import CommandLine, Place, answer, ok


def serve(run_cli: CommandLine, model: str, number: int) -> None:
    """Register version *number* from the present files, and bring it to production."""
    Path("model/number").write_text(str(number))
    ok(run_cli("register", model, "model", "--run-id", f"ci-{number}"))
    ok(run_cli("promote", f"{model}:{number}", "--to", "staging", "--reason", "smoke tests passed"))
    ok(run_cli("promote", f"{model}:{number}", "--to", "production", "--reason", "approved"))


def test_promotion_rollback_and_what_is_served(run_cli: CommandLine, model: str) -> None:
    refused = run_cli("register", model, "model", "--run-id", "ci-0")
    refused = run_cli("promote", f"{model}:1", "--to", "production", "--reason", "x")
    assert refused.code == 6
    assert "staging" in refused.err
    for number in (2, 3, 4):
        serve(run_cli, model, number)

    targets = ok(run_cli("show", model, "--moves")).out.splitlines()
    planned = ok(run_cli("rollback", model, "--reason", "latency", "--dry-run")).out
    stale = run_cli("rollback", model, "--reason", "latency", "--expected-current", "2")
    back = ok(run_cli("rollback", model, "--reason", "latency", "--expected-current", "4")).out

    assert targets[0] == f"a rollback of {model} returns to version 3"
    assert [line.split()[:2] for line in targets[2:]] == [["3", "default"], ["2", targets[3].split()[1]]]
    assert planned.startswith("dry run, nothing changed: ")
    assert stale.code == 5
    assert back.startswith(
        f"{model}:4 production -> archived, {model}:3 archived -> production (rolled back from 4 to 3, "
    )
    assert answer(run_cli("show", f"{model}#production", "--json"))["number"] == 3
    assert run_cli("show", f"{model}#production", "--as-of", "7d").code == 4
    ok(run_cli("rollback", model, "--reason", "latency"))
    assert run_cli("rollback", model, "--reason", "latency").code == 6
    again = run_cli("promote", f"{model}:4", "--to", "production", "--reason", "x")
    assert again.code == 6
    assert "is refused: no earlier version" in ok(run_cli("show", model, "--moves")).out
    moves = {
        one["stage"]: one for one in answer(run_cli("show", f"{model}#production", "--moves", "--json"))["options"]
    }
    assert (moves["archived"]["leave_vacant"], moves["staging"]["refusal"]["code"]) == (True, "illegal_transition")
    assert "with --leave-vacant only" in ok(run_cli("show", f"{model}:2", "--moves")).out
    assert run_cli("show", f"{model}:2", "--moves", "--as-of", "7d").code == 2


def test_what_is_pulled_is_what_was_registered(run_cli: CommandLine, model: str, place: Place) -> None:
    serve(run_cli, model, 1)

    ok(run_cli("pull", f"{model}#production", "-o", "served"))
    assert "all bytes verified" in ok(run_cli("verify", "served", "--against", f"{model}#production")).out
    assert answer(run_cli("pull", f"{model}#production", "-o", "served", "--json"))["written"] == []
    assert ok(run_cli("verify", "model", "--against", f"models:/{model}/Production"))

    (place.cwd / "served" / "MLmodel").write_text("flavors: []\n")
    (place.cwd / "served" / "notes").write_text("mine")
    found = run_cli("verify", "served", "--against", f"{model}:1", "--json")
    assert (found.code, json.loads(found.out)["ok"], json.loads(found.out)["extra"]) == (7, False, ["notes"])
    assert run_cli("pull", f"{model}:1", "-o", "served").code == 5
    ok(run_cli("pull", f"{model}:1", "-o", "served", "--force"))
    assert (place.cwd / "served" / "MLmodel").read_text() == (place.cwd / "model" / "MLmodel").read_text()


def test_versions_leave_and_come_back(run_cli: CommandLine, model: str) -> None:
    serve(run_cli, model, 1)
    origins = ("--parent", f"{model}:1", "--base-model", "hf://org/name@0a1b2c", "--derivation", "finetune")
    ok(run_cli("register", model, "model", "--run-id", "ci-2", *origins))

    shown = ok(run_cli("version", "show", f"{model}:2")).out
    assert f"{model}:1 (finetune)" in shown
    assert "hf://org/name@0a1b2c (finetune)" in shown
    assert run_cli("version", "delete", f"{model}:1", "--reason", "x").code == 5
    assert run_cli("archive", f"{model}#production", "--reason", "x").code == 6
    ok(run_cli("archive", f"{model}#production", "--reason", "withdrawn", "--leave-vacant"))
    assert run_cli("show", f"{model}#production").code == 4
    ok(run_cli("promote", f"{model}:2", "--to", "staging", "--reason", "x"))
    assert "staging -> none" in ok(run_cli("demote", f"{model}:2", "--reason", "fails")).out
    ok(run_cli("version", "delete", f"{model}:2", "--reason", "x"))
    assert answer(run_cli("version", "show", f"{model}:2", "--json"))["state"] == "deleted"
    ok(run_cli("version", "restore", f"{model}:2"))
    ok(run_cli("version", "edit", f"{model}:2", "--description", "second"))
    ok(run_cli("version", "measure", f"{model}:2", "--metric", "auc=0.9", "--step", "1"))
    ok(run_cli("version", "measure", f"{model}:2", "--metric", "auc=0.95"))
    measured = answer(run_cli("version", "metrics", f"{model}:2", "--json"))["items"]
    assert [(metric["value"], metric["step"]) for metric in measured] == [(0.9, 1), (0.95, None)]
    assert ok(run_cli("version", "list", model)).out.splitlines()[1].startswith(f"{model}:2")
    assert "weights/model.bin" in ok(run_cli("version", "files", f"{model}:2")).out


def test_aliases_move_by_comparison_and_remember(run_cli: CommandLine, model: str) -> None:
    for run in ("1", "2"):
        ok(run_cli("register", model, "model", "--run-id", run))

    ok(run_cli("alias", "set", f"{model}@champion", "1", "--expected-current", "none"))
    assert run_cli("alias", "set", f"{model}@champion", "2", "--expected-current", "none").code == 5
    ok(run_cli("alias", "set", f"{model}@champion", f"{model}:2", "--reason", "better"))
    refused = [run_cli("alias", "set", f"{model}@champion", text) for text in ("other:2", f"{model}#staging", "x")]
    assert [(done.code, "fraud:3" in done.err or "not of other" in done.err) for done in refused] == [(2, True)] * 3
    assert answer(run_cli("show", f"{model}@champion", "--json"))["number"] == 2
    assert "protected" in ok(run_cli("alias", "protect", model, "champion", "--reason", "served")).out
    assert ok(run_cli("alias", "show", f"{model}@champion")).out.startswith(
        f"{model}@champion is {model}:2 (protected)"
    )
    assert ok(run_cli("alias", "list", model)).out.splitlines()[1].split()[-1] == "protected"
    assert answer(run_cli("show", model, "--json"))["protected_aliases"] == ["champion"]
    assert answer(run_cli("alias", "unprotect", f"{model}@champion", "--json"))["changed"] is True
    assert run_cli("alias", "protect", model, "champion", "more").code == 2
    ok(run_cli("alias", "delete", f"{model}@champion", "--reason", "done"))
    assert run_cli("alias", "show", f"{model}@champion").code == 4
    past = answer(run_cli("alias", "history", f"{model}@champion", "--json"))["items"]
    assert [alias["number"] for alias in past] == [2, 1]
    assert answer(run_cli("alias", "list", model, "--json"))["items"] == []


def test_models_and_their_tags(run_cli: CommandLine, model: str) -> None:
    ok(run_cli("model", "create", model, "--description", "d", "--tag", "team=risk"))
    assert run_cli("model", "create", model.upper()).code == 5
    ok(run_cli("model", "edit", model, "--description", "e", "--reason", "clearer"))
    assert ok(run_cli("tag", "set", model, "a=1", "b=x=y")).out == f"{model} a=1 b=x=y team=risk\n"
    assert ok(run_cli("tag", "remove", model, "a", "team")).out == f"{model} b=x=y\n"
    ok(run_cli("model", "lifecycle", model, "open", "--reason", "migration"))
    ok(run_cli("model", "delete", model, "--reason", "gone"))
    shown = answer(run_cli("model", "show", model, "--json"))
    assert (shown["state"], shown["description"], shown["lifecycle"]) == ("deleted", "e", "open")
    assert run_cli("register", model, "model").code in (4, 5)
    assert model in ok(run_cli("model", "list", "--deleted", "--limit", "0")).out
    ok(run_cli("model", "restore", model))
    assert "active" in ok(run_cli("model", "list", "--limit", "0")).out


def test_notes_are_written_listed_and_shown(run_cli: CommandLine, model: str) -> None:
    ok(run_cli("register", model, "model"))
    for number in range(4):
        written = answer(run_cli("note", f"{model}:1", f"finding {number}\nin May", "--json"))
    assert (written["text"], written["version"], written["redacted"]) == ("finding 3\nin May", 1, False)
    assert run_cli("note", f"{model}:1", " ").code == 2
    assert run_cli("note", model, "which version").code == 2

    listed = run_cli("version", "notes", f"{model}:1", "--limit", "3")
    assert ("finding 3 in May" in listed.out, "finding 0" in listed.out) == (True, False)
    assert "more than 3" in listed.err
    shown = ok(run_cli("show", f"{model}:1")).out
    assert ("finding 1 in May" in shown, "finding 0" in shown) == (True, False)
    assert f"registry version notes {model}:1" in shown
    assert "note=finding 3" in ok(run_cli("history", f"{model}:1", "--action", "version.noted")).out


def test_metrics_name_their_dataset(run_cli: CommandLine, model: str, place: Place) -> None:
    for name in ("train", "test", "other"):
        (place.cwd / f"{name}.csv").write_text(name)
    digest = "sha256:" + hashlib.sha256(b"test").hexdigest()
    data = ["--data", "train.csv", "--data", "test=test.csv"]
    for number, test, train in ((1, "0.8", "0.99"), (2, "0.93", "0.95")):
        Path("model/number").write_text(str(number))
        on_data = [f"auc={test}@test.csv", f"auc={train}@train.csv"][:: 1 if number == 1 else -1]
        options = [part for text in (*on_data, "loss=1") for part in ("--metric", text)]
        ok(run_cli("register", model, "model", *data, *options))

    wrong = run_cli("register", model, "model", *data, "--metric", "auc=1@tset.csv")
    mixed = run_cli("search", f"name = '{model}'", "--order-by", "metrics.auc DESC")
    best = ["search", f"name = '{model}'", "--order-by", f"metrics.auc ON '{digest}' DESC"]
    found = ok(run_cli(*best))
    measure = ["version", "measure", f"{model}:1", "--metric", "auc=0.97"]
    said = [ok(run_cli(*measure, "--data", data)).out for data in ("test.csv", "other.csv", digest)]
    (place.cwd / "test.csv").unlink()
    said.append(ok(run_cli("version", "measure", f"{model}:1", "--metric", "auc=0.98@test.csv")).out)
    unknown = run_cli(*measure, "--data", "tset.csv")
    several = run_cli(*measure, "--metric", "f1=1@test.csv")
    ranked = ["search", "--best", "auc", "--model", model, "--on"]
    on_file, on_name = ok(run_cli(*ranked, "train.csv")).out, answer(run_cli(*ranked, "train.csv", "--json"))
    wrong_best = [
        run_cli(*ranked), run_cli(*ranked, "tset.csv"), run_cli("search", "--on", digest),
        run_cli(*ranked, digest, "--order-by", "name"), run_cli("search", "--models", "--stage", "production"),
    ]  # fmt: skip
    ok(run_cli("version", "measure", f"{model}:1", "ks=2", "--data", "train.csv"))
    unclear = run_cli("search", "--best", "ks", "--on", "train.csv")
    lowest = run_cli("search", "NOT stage = 'production'", "--best", "ks", "--on", "train.csv", "--direction", "min",
                     "--model", model)  # fmt: skip
    part = ["version", "measure", f"{model}:2", "auc=0.5", "--slice", "site=b,country=DE"]
    sliced = ok(run_cli(*part, "--data", "train.csv")).out
    wrong_slices = [run_cli(*part), run_cli(*part[:-1], "country", "--data", "train.csv")]

    assert (wrong.code, several.code, unknown.code) == (2, 2, 2)
    assert "'tset.csv' is no dataset of --data, no file here and no digest; did you mean 'test.csv'?" in wrong.err
    assert "not on no dataset, 'test.csv'" in several.err
    assert "no dataset 'tset.csv': its datasets are test.csv, train.csv" in unknown.err
    assert sliced == f"{model}:2 auc=0.5 on train.csv, slice country=DE,site=b\n"
    assert [one.code for one in wrong_slices] == [2, 2]
    assert [line.split()[:3] for line in on_file.splitlines()[1:]] == [
        [f"{model}:1", "0.99", "train.csv"], [f"{model}:2", "0.95", "train.csv"]
    ]  # fmt: skip
    assert [one["number"] for one in on_name["items"]] == [1, 2]
    assert [one.code for one in wrong_best] == [2] * 5
    assert (unclear.code, "give max or min" in unclear.err) == (2, True)
    assert ok(lowest).out.splitlines()[1].startswith(f"{model}:1")
    assert "auc=0.5@train.csv[country=DE,site=b]" in ok(run_cli("show", f"{model}:2")).out
    assert "country=DE,site=b" in ok(run_cli("version", "metrics", f"{model}:2")).out
    csv = ["model", "metrics", model, "--csv", "--slice", "country=DE,site=b", "--key", "auc"]
    assert [line.rpartition(",")[2] for line in ok(run_cli(*csv)).out.splitlines()] == ["auc", "0.5", ""]
    assert mixed.out.splitlines()[1].startswith(f"{model}:1")
    assert "metrics.auc was measured on several datasets" in mixed.err
    assert found.out.splitlines()[1].startswith(f"{model}:2")
    assert "auc=0.95@train.csv auc=0.93@test.csv loss=1" in found.out
    assert said == [f"{model}:1 auc=0.97 on test.csv\n", f"{model}:1 auc=0.97 on other.csv\n",
                    f"{model}:1 auc=0.97 on {digest}\n", f"{model}:1 auc=0.98 on test.csv\n"]  # fmt: skip
    assert ok(run_cli(*best)).out.splitlines()[1].startswith(f"{model}:1")
    assert "auc=0.99@train.csv" in ok(run_cli("show", f"{model}:1")).out
    assert "other.csv" in ok(run_cli("version", "metrics", f"{model}:1")).out


def test_history_says_who_did_what_and_why(run_cli: CommandLine, model: str) -> None:
    serve(run_cli, model, 1)

    told = answer(run_cli("history", model, "--json"))
    assert [entry["action"] for entry in told["items"]] == [
        "version.promoted",
        "version.promoted",
        "version.registered",
        "model.created",
    ]
    assert "smoke tests passed" in ok(run_cli("history", f"{model}:1")).out
    served = answer(run_cli("history", model, "--tenures", "--stage", "production", "--json"))["items"]
    assert [(one["number"], one["until"], one["kind"]) for one in served] == [(1, None, "promote")]
    assert ok(run_cli("history", model, "--tenures")).out.count(" staging ") == 1
    for wrong in (["--stage", "production"], ["--tenures", "--actor", "x"]):
        assert run_cli("history", model, *wrong).code == 2
    promoted = answer(run_cli("audit", "--model", model, "--action", "version.promoted", "--since", "1h", "--json"))
    assert {entry["actor"]["name"] for entry in promoted["items"]} == {"local-dev"}
    assert answer(run_cli("audit", "--model", model, "--until", "1h", "--json"))["items"] == []
    head, *exported = ok(run_cli("audit", "--model", model, "--format", "jsonl")).out.splitlines()
    assert json.loads(head)["export"]["filter"] == {"model": model}
    assert json.loads(exported[0])["action"] == "model.created"
    assert ok(run_cli("audit", "--model", model, "--format", "csv")).out.startswith("# {")
    assert ok(run_cli("audit", "--model", model, "--format", "csv", "--no-header")).out.startswith("at,")


def test_what_serves_what_changed_and_what_needs_attention(run_cli: CommandLine, model: str) -> None:
    only = ["--filter", f"name = '{model}'"]
    serve(run_cli, model, 1)

    serving = answer(run_cli("inventory", *only, "--json"))["items"]
    table = ok(run_cli("inventory", *only, "--csv")).out
    before = run_cli("inventory", *only, "--as-of", "2001-01-01")
    concerns = answer(run_cli("attention", "--json"))["items"]
    changes = answer(run_cli("history", "--limit", "1", "--json"))["items"]

    assert [(item["model"], item["number"]) for item in serving] == [(model, 1)]
    assert [line.split(",")[:4] for line in table.splitlines()][1] == [model, model, "production", "1"]
    assert "held production at 2001-01-01" in before.err
    assert (model, "unrecorded") in [(concern["model"], concern["kind"]) for concern in concerns]
    assert changes[0]["id"] == serving[0]["entry"]
    assert f"{model}:1" in ok(run_cli("attention")).out


def test_tokens_come_and_go(run_cli: CommandLine, model: str) -> None:
    made = answer(run_cli("token", "create", "ci-job", "--role", "writer", "--name", "ci", "--json"))
    assert made["token"].startswith("mrp_")
    listed = ok(run_cli("token", "list")).out
    assert made["token"] not in listed
    assert "ISSUED BY" in listed
    assert answer(run_cli("token", "list", "--mine", "--json"))["items"] == []
    refused = run_cli("token", "revoke", made["id"], "--mine")
    assert (refused.code, "that acts as you" in refused.err) == (4, True), refused
    ok(run_cli("token", "revoke", made["id"], "--reason", "seen in a log"))
    listed = answer(run_cli("token", "list", "--json"))["items"]
    assert [token["revoked_at"] is not None for token in listed if token["id"] == made["id"]] == [True]
    assert answer(run_cli("whoami", "--json"))["mode"] == "dev"
    unknown = run_cli("token", "revoke", "nope")
    assert (unknown.code, "check the path, and the names and ids in it" in unknown.err) == (4, True)
