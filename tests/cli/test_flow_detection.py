"""What ``registry register`` finds by itself, against a real service."""

from __future__ import annotations

from pathlib import Path

from registry.client import RegistryClient
from tests.cli.conftest import CommandLine, answer, ok
from tests.support import dvc_projects
from tests.support.git_repositories import run_git


def test_data_params_metrics_and_the_command_come_from_the_stages_of_dvc(
    run_cli: CommandLine, model: str, service: str
) -> None:
    dvc_projects.project(Path(), model)
    raw, clean = (f"md5:{dvc_projects.md5(Path('data', f'{name}.csv').read_bytes())}" for name in ("raw", "clean"))

    printed = ok(run_cli("register", model, "model", "--param", "train.depth=7")).out
    version = answer(run_cli("show", f"{model}:1", "--json"))
    again = answer(run_cli("register", model, "model", "--param", "train.depth=7", "--json"))
    bare = answer(run_cli("register", model, "model", "--no-detect", "--json"))
    with RegistryClient(service) as client:
        same = client.register(model, "model", params={"train.depth": 7})

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
    assert (bare["created"], bare["found"], bare["version"]["params"]) == (True, [], {})
