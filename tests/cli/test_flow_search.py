"""Searches by the command line and by MLflow clients, against a real service."""

from __future__ import annotations

import hashlib
from pathlib import Path

import requests
from click.shell_completion import ShellComplete

from registry.cli.main import cli
from tests.cli.conftest import CommandLine, answer, ok


def test_a_search_finds_versions_and_models(run_cli: CommandLine, model: str) -> None:
    for number, auc in ((1, "0.5"), (2, "0.95")):
        Path("model/number").write_text(str(number))
        ok(run_cli("register", model, "model", "--metric", f"auc={auc}", "--tag", f"team={model}"))
    own = f"tags.team = '{model}'"

    table = ok(run_cli("search", f"{own} AND metrics.auc > 0.9")).out
    newest = answer(run_cli("search", own, "--json"))
    best = answer(run_cli("search", own, "--order-by", "metrics.auc", "--limit", "1", "--json"))
    models = answer(run_cli("search", f"name = '{model}'", "--models", "--json"))
    wrong = run_cli("search", "colour = 'red'")
    chosen = answer(run_cli("search", own, "--json", "--fields", "number, metrics"))
    named = answer(run_cli("search", f"name = '{model}'", "--models", "--json", "--fields", "name"))
    listed = answer(run_cli("version", "list", model, "--json", "--fields", "number"))
    known = answer(run_cli("model", "list", "--json", "--limit", "0", "--fields", "name,tags"))
    without_json = run_cli("version", "list", model, "--fields", "number")
    unknown = run_cli("version", "list", model, "--json", "--fields", "numbers")
    long = ",".join(f"'{number:032x}'" for number in range(999))  # too long for an address
    many = answer(run_cli("search", f"tags.team IN ({long}, '{model}')", "--json"))

    assert f"{model}:2" in table
    assert f"{model}:1" not in table
    assert [item["number"] for item in newest["items"]] == [2, 1]
    assert many == newest
    assert chosen["items"] == [{"number": item["number"], "metrics": item["metrics"]} for item in newest["items"]]
    assert named["items"] == [{"name": model}]
    assert listed["items"] == [{"number": 2}, {"number": 1}]
    assert {"name": model, "tags": {}} in known["items"]
    assert (without_json.code, "--fields chooses the fields of --json" in without_json.err) == (2, True)
    assert (unknown.code, "did you mean 'number'?" in unknown.err) == (2, True)
    assert ([item["number"] for item in best["items"]], best["more"]) == ([1], True)
    assert [item["name"] for item in models["items"]] == [model]
    assert (wrong.code, "column 1: there is no key colour" in wrong.err) == (2, True)


def test_the_versions_that_used_data_are_found_by_its_digest(run_cli: CommandLine, model: str) -> None:
    Path("train.csv").write_text(f"of {model}")
    digest = f"sha256:{hashlib.sha256(Path('train.csv').read_bytes()).hexdigest()}"
    ok(run_cli("register", model, "model", "--data", "train.csv"))

    table = ok(run_cli("impact", digest)).out
    found = answer(run_cli("impact", digest, "--json"))
    none = run_cli("impact", f"sha256:{'0' * 64}")
    by_file = answer(run_cli("impact", "train.csv", "--json"))
    wrong = run_cli("impact", "test.csv")
    completed = ShellComplete(cli, {}, "registry", "_REGISTRY_COMPLETE").get_completions(["search"], "stage = 'pro")

    assert [one.value for one in completed] == ["stage = 'production'"]
    assert f"{model}:1" in table
    assert [(one["model"], one["uses"][0]["role"]) for one in found["items"]] == [(model, "train")]
    assert by_file == found
    assert (none.code, "no lineage names the digest" in none.err) == (4, True)
    assert wrong.code == 2


def test_a_search_of_mlflows_clients_for_a_thousand_runs_is_answered(service: str) -> None:
    runs = ",".join(f"'{number:032x}'" for number in range(1000))

    response = requests.get(
        f"{service}/api/2.0/mlflow/model-versions/search", {"filter": f"run_id IN ({runs})"}, timeout=60
    )

    assert (response.status_code, response.json()) == (200, {})
