"""``registry reproduce`` against a real service, with a bare git repository as the remote."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine, Place, answer, ok
from tests.support.git_repositories import checkout, run_git

# Writes a model, metrics, and what of the environment a registry's command could read.
TRAIN = """
import json, os, pathlib, sys
rows = pathlib.Path("train.csv").read_text().split()
pathlib.Path("out/model").mkdir(parents=True)
pathlib.Path("out/model/model.json").write_text(json.dumps({"rows": len(rows), "depth": sys.argv[1]}))
pathlib.Path("out/metrics.json").write_text(json.dumps({"auc": len(rows) / 4}))
seen = sorted(name for name in os.environ if name.startswith(("REGISTRY_", "MLFLOW_")))
print("seen", seen, os.listdir(os.environ["HOME"]), file=sys.stderr)
"""
PROJECT = """
name: fraud
entry_points:
  main:
    parameters: {depth: {type: float, default: 1}}
    command: "python train.py {depth}"
"""


@pytest.fixture
def repository(place: Place) -> Path:
    """The checkout of a clone of a bare repository: a script, its data and its requirements."""
    origin = place.cwd.parent / "origin.git"
    for name, text in (
        ("train.py", TRAIN), ("train.csv", "a\nb\nc\n"), ("requirements.txt", "# none\n"), ("MLproject", PROJECT),
        (".gitignore", "out/\n"),
    ):  # fmt: skip
        (place.cwd / name).write_text(text)
    checkout(place.cwd)
    run_git(place.cwd, "clone", "-q", "--bare", str(place.cwd), str(origin))
    run_git(place.cwd, "remote", "add", "origin", str(origin))
    (place.cwd / "out/model").mkdir(parents=True)
    (place.cwd / "out/model/model.json").write_text('{"rows": 3, "depth": "6"}')
    (place.cwd / "out/metrics.json").write_text('{"auc": 0.75}')
    return origin


REGISTER = ("out/model", "--data", "train.csv", "--metrics-file", "out/metrics.json", "--param", "depth=6",
            "--lock-file", "requirements.txt")  # fmt: skip


def test_a_version_is_built_again_from_its_repository(run_cli: CommandLine, model: str, repository: Path) -> None:
    ok(run_cli("register", model, *REGISTER, "--command", "python train.py 6"))

    planned = ok(run_cli("reproduce", f"{model}:1")).out
    unasked = run_cli("reproduce", f"{model}:1", "--run")
    done = run_cli("reproduce", f"{model}:1", "--run", "--yes", "--time-limit", "60")
    shown = answer(run_cli("show", f"{model}:1", "--json"))

    for text in (
        f"git clone -- {repository} checkout",
        "train.csv (train)",
        "cd checkout && python train.py 6",
        "7 of 7",
    ):
        assert text in planned, text
    assert (unasked.code, "--yes" in unasked.err) == (2, True)
    assert done.code == 0, done.err
    assert f"{model}:1 is reproduced" in done.out
    assert "seen [] []\n" in done.err
    assert {key: value for key, value in shown["metrics"].items() if key.startswith("reproduced")} == {
        "reproduced": 1.0, "reproduced.same_files": 1.0, "reproduced.auc": 0.75,
    }  # fmt: skip


def test_what_differs_is_exit_7_and_recorded_and_what_lacks_is_refused(
    run_cli: CommandLine, model: str, repository: Path, place: Place
) -> None:
    (place.cwd / "out/metrics.json").write_text('{"auc": 0.8}')
    (place.cwd / "out/model/model.json").write_text("other")
    ok(run_cli("register", model, *REGISTER))
    run = ("reproduce", f"{model}:1", "--run", "--yes", "--current-environment", "--json")

    differs = run_cli(*run, "--keep", "kept")
    within = run_cli(*run, "--tolerance", "0.1", "--no-record")
    (place.cwd / "train.csv").write_text("other\n")
    other_data = run_cli(*run, "--data", "train.csv=train.csv")
    slow = run_cli(*run, "--time-limit", "0.000001")
    (place.cwd / "train.py").write_text("changed")
    (place.cwd / "out/model/model.json").write_text("dirty")
    ok(run_cli("register", model, *REGISTER))
    dirty = run_cli("reproduce", f"{model}:2", "--run", "--yes")

    assert differs.code == 7, differs.err
    outcome = json.loads(differs.out)
    assert (outcome["files"]["differ"], outcome["recorded"]) == (["model.json"], True)
    assert outcome["metrics"] == [{"name": "auc", "registered": 0.8, "measured": 0.75, "same": False}]
    assert Path("kept/checkout/out/model/model.json").is_file()
    assert (within.code, json.loads(within.out)["reproduced"]) == (0, True)
    assert (other_data.code, "its digest is none of" in other_data.err) == (6, True)
    assert (slow.code, "did not end within" in slow.err) == (6, True)
    assert (dirty.code, "uncommitted changes" in dirty.err) == (6, True)


def test_an_outcome_that_cannot_be_recorded_is_shown(
    run_cli: CommandLine, model: str, repository: Path, service: str
) -> None:
    path = f"{service}/api/v1/models/{model}/versions/1"
    delete = f"from urllib.request import *; urlopen(Request('{path}', method='DELETE'))"
    ok(run_cli("register", model, *REGISTER, "--command", f'{sys.executable} -c "{delete}"'))

    done = run_cli("reproduce", f"{model}:1", "--run", "--yes", "--current-environment", "--json")

    assert done.code == 5, done.err
    outcome = json.loads(done.out)
    assert (outcome["recorded"], outcome["files"]["missing"]) == (False, ["model.json"])


def test_a_cancelled_run_leaves_nothing(
    run_cli: CommandLine, model: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = tmp_path / "ended"
    line = f"touch {ended}.first; kill -TERM $PPID; sleep 600; touch {ended}.last"
    ok(run_cli("register", model, *REGISTER, "--command", line))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    done = run_cli("reproduce", f"{model}:1", "--run", "--yes", "--current-environment")

    assert done.code == 130, done.err
    assert [path.name for path in tmp_path.glob("ended*")] == ["ended.first"]
    assert list((tmp_path / "temporary").iterdir()) == []
    assert "reproduced" not in answer(run_cli("show", f"{model}:1", "--json"))["metrics"]
