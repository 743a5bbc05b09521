"""What ``registry register`` finds by itself, against a real service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.client import RegistryClient
from tests.cli.conftest import CommandLine, answer, ok
from tests.support import dvc_projects
from tests.support.git_repositories import run_git
from tests.support.model_bytes import gguf


def test_data_params_metrics_and_the_command_come_from_the_stages_of_dvc(
    run_cli: CommandLine, model: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dvc_projects.project(Path(), model)
    raw, clean = (f"md5:{dvc_projects.md5(Path('data', f'{name}.csv').read_bytes())}" for name in ("raw", "clean"))

    printed = ok(run_cli("register", model, "model", "--param", "train.depth=7")).out
    version = answer(run_cli("show", f"{model}:1", "--json"))
    again = answer(run_cli("register", model, "model", "--param", "train.depth=7", "--json"))
    bare = answer(run_cli("register", model, "model", "--no-detect", "--json"))
    with RegistryClient(service) as client:
        same = client.register(model, "model", params={"train.depth": 7})
        own = client.register(model, "model", command="make")
    stated = answer(run_cli("register", model, "model", "--command", "make", "--new-version", "--json"))
    monkeypatch.chdir("data")
    other_branch = answer(run_cli("register", model, "../model", "--branch", "other", "--new-version", "--json"))

    commit = run_git(Path(), "rev-parse", "HEAD")[:12]
    assert printed.splitlines()[2:] == [
        "found (leave out with --no-detect):",
        f"  git: code: commit {commit} on topic",
        "  dvc.lock: datasets: data/clean.csv, data/raw.csv, data/test.csv; params: train.layers, clean.seed; "
        "metrics: auc, by.de; code: command python train.py",
    ]
    lineage = version["lineage"]
    assert {one["name"]: (one["role"], one["digests"]) for one in lineage["datasets"]}["data/raw.csv"] == (
        "other",
        [raw],
    )
    assert [(one["name"], one["role"]) for one in lineage["datasets"]] == [
        ("data/clean.csv", "train"), ("data/raw.csv", "other"), ("data/test.csv", "test"),
    ]  # fmt: skip
    assert version["params"] == {"train.depth": "7", "train.layers": "[1, 2]", "clean.seed": "3"}
    assert version["metrics"] == {"auc": 0.93, "by.de": 1}
    assert lineage["code"]["command"] == "python train.py"
    shown = ok(run_cli("show", f"{model}:1")).out
    assert all(text in shown for text in ("data/raw.csv", "clean.seed", "by.de", "python train.py"))
    tree = ok(run_cli("lineage", "show", f"{model}:1")).out
    assert f"transformed from: dataset data/raw.csv {raw[:12]}" in tree
    assert f"{model}:1" in ok(run_cli("impact", clean)).out
    assert (again["created"], same["created"], same["version"]["number"]) == (False, False, 1)
    assert [one["source"] for one in same["found"]] == ["git", "dvc.lock"]
    assert [one["source"] for one in (own["found"][0], stated["found"][0])] == ["git", "git"]
    assert {(one["version"]["lineage"]["code"]["command"], one["version"]["lineage"]["code"]["branch"])
            for one in (own, stated)} == {("make", "topic")}  # fmt: skip
    code = other_branch["version"]["lineage"]["code"]
    assert (code["branch"], code["command"], code["path"]) == ("other", "python train.py", None)
    assert (bare["created"], bare["found"], bare["version"]["params"]) == (True, [], {})


def test_facts_of_the_files_are_printed_shown_and_searched_and_fail_no_repetition(
    run_cli: CommandLine, model: str
) -> None:
    card = "---\nbase_model: org/base\nbase_model_relation: quantized\nlicense: mit\n---\n# Fraud\n"
    weights = gguf({"general.architecture": "llama", "general.file_type": 15}, [[7, 6], [8]])
    Path("hub").mkdir()
    Path("hub/README.md").write_text(card)
    Path("hub/model.gguf").write_bytes(weights)
    Path("hub/adapter_config.json").write_text("[]")
    Path("uv.lock").write_text(f"# {model}\n")
    run = ["--run-id", "7", "--repo", "https://git.example/r", "--commit", "c0ffee"]

    bare = answer(run_cli("register", model, "hub", *run, "--no-detect", "--json"))
    again = run_cli("register", model, "hub", *run)
    update = run_cli("register", model, "hub", *run, "--tag", "team=risk", "--update")
    new = run_cli("register", model, "hub", "--run-id", "8")
    shown = ok(run_cli("show", f"{model}:2")).out
    bill = json.loads(ok(run_cli("export", "lineage", f"{model}:2", "--format", "cyclonedx-1.7")).out)

    assert (bare["created"], bare["version"]["tags"], bare["version"]["framework"]) == (True, {}, None)
    assert (again.code, "nothing changed" in again.out) == (0, True)
    assert "detected facts are not recorded" in again.err
    assert "tags.license is not there" in again.err
    assert answer(run_cli("show", f"{model}:1", "--json"))["tags"] == {
        "license": "mit", "model.architecture": "llama", "model.dtype": "Q4_K_M", "model.format": "gguf",
        "model.parameters": "50", "team": "risk",
    }  # fmt: skip
    assert "added: tags.license, tags.model.architecture" in update.out
    assert "uv.lock" not in update.out
    assert "  README.md: tags: license mit; base_models: hf://org/base" in new.out
    assert "  model.gguf: tags: model.parameters 50, model.dtype Q4_K_M, model.architecture llama, " in new.out
    assert f"  {Path('uv.lock').resolve()}: environment: lock_digest sha256:" in new.out
    assert "nothing of adapter_config.json is recorded: it is not a JSON object" in new.err
    assert all(text in shown for text in ("hf://org/base (quantize)", "model.parameters", "gguf", "license"))
    assert f"{model}:2" in ok(run_cli("search", f"name = '{model}' AND tags.`model.parameters` = '50'")).out
    component = bill["metadata"]["component"]
    assert component["licenses"] == [{"license": {"id": "MIT"}}]
    assert component["modelCard"]["modelParameters"]["modelArchitecture"] == "llama"
    assert [one["name"] for one in component["pedigree"]["ancestors"]] == ["hf://org/base"]
    properties = {one["name"].rpartition("tag.")[2]: one["value"] for one in component["properties"]}
    assert [properties[f"model.{name}"] for name in ("parameters", "dtype", "format")] == ["50", "Q4_K_M", "gguf"]
