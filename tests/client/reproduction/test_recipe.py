"""Which recipes are run, and where their data is put."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from registry.client.errors import CannotReproduce
from registry.client.reproduction import datasets, environments, outcome
from registry.client.reproduction.checkout import clone
from registry.client.reproduction.environments import EnvironmentOptions
from registry.client.reproduction.recipe import Recipe, RecipeData, require_code, steps
from tests.support.git_repositories import AUTHOR, checkout, run_git

COMMIT = "7b1d0f6e2c9a"
WHOLE = Recipe(
    "fraud:1", "https://h/r", COMMIT, None, False, "make", None, None, None, None, [], {}, {}, {}
)  # fmt: skip
EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
MD5_OF_EMPTY = "md5:d41d8cd98f00b204e9800998ecf8427e"


def test_only_an_address_and_a_clean_commit_are_cloned() -> None:
    for repo in ("https://h/r", "git@h:team/r", "ssh://git@h/r", "file:///r", "/srv/r.git"):
        require_code(replace(WHOLE, repo=repo))
    for repo in (None, "fraud", "ext::sh -c id", "--upload-pack=id", "-u@h:r", "../r", "http::x"):
        with pytest.raises(CannotReproduce, match="cannot be cloned"):
            require_code(replace(WHOLE, repo=repo))
    assert dict(steps(replace(WHOLE, repo="fraud")))["code"] == (
        "the repository 'fraud' has no recorded address: give --repo URL"
    )
    for commit in (None, "main", "--orphan", "HEAD~1"):
        with pytest.raises(CannotReproduce, match="the commit of fraud:1 is not recorded"):
            require_code(replace(WHOLE, commit=commit))
    with pytest.raises(CannotReproduce, match="uncommitted changes"):
        require_code(replace(WHOLE, dirty=True))


def test_data_is_linked_inside_of_the_directory_of_the_command(tmp_path: Path) -> None:
    source, directory = tmp_path / "source", tmp_path / "checkout"
    source.touch()
    directory.mkdir()
    (directory / "out").symlink_to(tmp_path)

    def provide(name: str, *, local: bool = True, made_by_run: bool = False, into: str = "") -> list[RecipeData]:
        data = [RecipeData(name, "train", [MD5_OF_EMPTY])]
        return datasets.provide(
            data, directory, directory / into, {name: source} if local else {}, made_by_run=made_by_run
        )  # fmt: skip

    assert [provide("data/train.csv"), provide("../up.csv"), provide(str(tmp_path / "root.csv"))] == [[], [], []]
    assert {path.name for path in directory.rglob("*.csv")} == {"train.csv", "up.csv", "root.csv"}
    (directory / "data/found.csv").touch()
    assert provide("data/found.csv", local=False) == []
    (directory / "jobs").mkdir()
    provide("data/again.csv", into="jobs")
    provide("new/below.csv", into="jobs")
    assert {str(path.relative_to(directory)) for path in directory.rglob("*.csv")} >= {
        "data/again.csv", "jobs/new/below.csv",
    }  # fmt: skip
    with pytest.raises(CannotReproduce, match="leaves the directory of the command"):
        provide("out/other.csv")
    with pytest.raises(CannotReproduce, match=r"is not in the repository.*--data none\.csv=PATH"):
        provide("none.csv", local=False)
    assert [one.name for one in provide("none.csv", local=False, made_by_run=True)] == ["none.csv"]
    for name, place in (("dangling.csv", tmp_path / "new"), ("disk.csv", tmp_path), ("same.csv", source)):
        (directory / name).symlink_to(place)
        with pytest.raises(CannotReproduce, match="is not in the repository"):
            provide(name, local=False)
    for name in ("dangling.csv", "disk.csv"):
        with pytest.raises(CannotReproduce, match="leaves the directory of the command"):
            provide(name)
    assert (provide("same.csv"), (tmp_path / "new").exists()) == ([], False)
    (directory / "changed.csv").write_text("x")
    with pytest.raises(CannotReproduce, match="differs in the repository"):
        provide("changed.csv", local=False)


def test_data_without_a_digest_of_its_content_is_refused(tmp_path: Path) -> None:
    for digests, text in ((["mlflow:0a1b2c3d"], r"only by mlflow:0a1b2c3d"), ([], "by no digest")):
        with pytest.raises(CannotReproduce, match=text):
            datasets.provide([RecipeData("t", "train", digests)], tmp_path, tmp_path, {}, made_by_run=True)


def test_the_commit_is_checked_out_and_no_other_repository_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, around = tmp_path / "origin", tmp_path / "around"
    origin.mkdir()
    commit = run_git(checkout(origin), "rev-parse", "HEAD")
    run_git(origin, *AUTHOR, "commit", "-q", "--allow-empty", "-m", "y")
    run_git(tmp_path, "clone", "-q", str(origin), str(around))
    monkeypatch.setenv("GIT_DIR", str(around / ".git"))  # as in a hook
    recipe = replace(WHOLE, repo=str(origin), commit=commit[:9])

    clone(recipe, tmp_path / "first", timeout_seconds=None)
    monkeypatch.delenv("GIT_DIR")
    assert run_git(around, "symbolic-ref", "--short", "HEAD") == "topic"
    assert run_git(tmp_path / "first", "rev-parse", "HEAD") == commit
    run_git(origin, "tag", commit[:9])
    with pytest.raises(CannotReproduce, match=f"has a tag or branch named {commit[:9]}"):
        clone(recipe, tmp_path / "second", timeout_seconds=None)
    clone(replace(recipe, commit=commit), tmp_path / "third", timeout_seconds=None)


def test_an_environment_that_is_not_recorded_or_cannot_be_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # neither conda nor docker
    (tmp_path / "conda.yaml").touch()
    cases = {
        "neither a lock file nor a container image": WHOLE,
        "give its name, --image NAME": replace(WHOLE, image_digest=EMPTY),
        "no lock file with the digest sha256:0": replace(WHOLE, lock_digest="sha256:" + "0" * 64),
        "conda.yaml needs conda": replace(WHOLE, lock_digest=EMPTY, lock_file="conda.yaml"),
    }

    for text, recipe in cases.items():
        with pytest.raises(CannotReproduce, match=text):
            environments.prepare(recipe, None, tmp_path, tmp_path, tmp_path / "env", EnvironmentOptions())
    with pytest.raises(CannotReproduce, match="the container image needs docker"):
        environments.prepare(
            replace(WHOLE, image_digest=EMPTY),
            None,
            tmp_path,
            tmp_path,
            tmp_path / "env",
            EnvironmentOptions(image="i"),
        )


def test_a_version_is_reproduced_by_all_files_or_all_metrics() -> None:
    def compare(files: dict[str, str], metrics: dict[str, float], tolerance: float = 0) -> bool:
        registered = {"auc": 0.8, "loss": -2.0, "other": 1.0}
        return outcome.compare({"a": "1", "b": "2"}, files, registered, metrics, tolerance=tolerance).is_reproduced

    assert compare({"a": "1", "b": "2"}, {"auc": 0.1})
    assert compare({"a": "1"}, {"auc": 0.8, "loss": -2.0, "unknown": 3.0})
    assert compare({}, {"auc": 0.84, "loss": -2.09}, 0.05)
    assert not compare({}, {"auc": 0.84, "loss": -2.2}, 0.05)
    assert not compare({"a": "1"}, {})
    many = {f"m{number}": 1.0 for number in range(1000)}
    assert len(outcome.compare({"a": "1"}, {}, many, many, tolerance=0).evaluation()) == 1000
    assert not compare({}, {"auc": float("nan")})
