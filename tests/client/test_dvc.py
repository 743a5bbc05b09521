"""Facts of models that DVC pipelines made; ``dvc_projects`` writes what DVC 3 writes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from registry.client.detect import Capture, dvc
from registry.client.detect.dvc import checksums
from registry.client.files import data, pointers
from tests.support import dvc_projects
from tests.support.git_repositories import run_git


def edit(path: Path, change: Callable[[Any], object]) -> None:
    document = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def names(capture: Capture) -> list[tuple[str, str]]:
    return [(one["name"], one["role"]) for one in capture.facts["datasets"]]


def origins(capture: Capture) -> list[str]:
    return [
        f"{one.dataset['name']} {relation} {', '.join(other['name'] for other in others)}"
        for one in capture.origins
        for relation, others in (("from", one.transformed_from), ("part of", one.part_of))
        if others
    ]


def test_digests_are_those_of_dvc(tmp_path: Path) -> None:
    """The expected values were computed by dvc-data 3.18."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "t.csv").write_bytes(b"a,b\r\n1,2\r\n")
    (tmp_path / "b.bin").write_bytes(b"\0\1\r\n\2")
    (tmp_path / "ü.txt").write_text("ä", encoding="utf-8")

    assert checksums.directory(tmp_path) == "41473bfca3aa37946db81c965351065f.dir"
    for path, digest, size in (
        (tmp_path, "md5:41473bfca3aa37946db81c965351065f.dir", 17),
        (tmp_path, "md5:d051bef7001cc4ea6eb26cd9b933bc10.dir", None),  # of DVC 2
        (tmp_path / "sub" / "t.csv", "md5:b202f333fba4fd38d4b8e5e693077aab", 10),
        (tmp_path / "sub" / "t.csv", "md5-dos2unix:e5ebd4c02cefbe7955977c67ada242b7", 8),
        (tmp_path / "b.bin", "md5-dos2unix:6720b275f6f2a44f409818703ba5b554", 5),
    ):
        assert checksums.matches(path, digest, size=size), digest
        assert not checksums.matches(path, digest.replace("4", "5"), size=size)
    assert not checksums.matches(tmp_path, "md5:41473bfca3aa37946db81c965351065f.dir", size=18)
    assert not checksums.matches(tmp_path, "md5:d051bef7001cc4ea6eb26cd9b933bc10.dir", unix_lines=False)
    assert not checksums.matches(tmp_path, "md5:b202f333fba4fd38d4b8e5e693077aab", size=None)


def test_stages_are_followed_through_directories_pipelines_groups_and_imports(tmp_path: Path) -> None:
    """A group of stages, a working directory, a second pipeline, a part of an output, and data from elsewhere."""
    top = tmp_path / "project"
    dvc_projects.project(top)
    for name in ("data/prep/out/train.csv", "models/a/m.pkl", "outside.txt", "models/a/log.json"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text('{"loss": 1}' if name.endswith("json") else name)
    entry = dvc_projects.entry
    imported = {**entry(top, "data/raw.csv"), "path": "raw.csv"}
    source = {"path": "s3://bucket/raw.csv", "etag": "1"}
    (top / "data" / "raw.csv.dvc").write_text(yaml.safe_dump({"deps": [source], "outs": [imported]}))
    split = {"cmd": ["mkdir out", "split"], "deps": [imported | {"path": "../raw.csv"}, source],
             "outs": [{**entry(top, "data/prep/out"), "path": "out"}]}  # fmt: skip
    (top / "data" / "prep" / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"split": split}}))
    part = {**entry(top, "data/prep/out/train.csv"), "path": "../data/prep/out/train.csv"}
    fit = {"cmd": "python fit.py a", "deps": [part,
                                              {**entry(top, "outside.txt"), "path": str(tmp_path / "outside.txt")}],
           "params": {"params.yaml": {"fit.depth": 6}, "other.yaml": {"fit.depth": 7}},
           "outs": [{**entry(top, "models/a/m.pkl"), "path": "a/m.pkl"},
                    {**entry(top, "models/a/log.json"), "path": "a/log.json"}]}  # fmt: skip
    edit(top / "dvc.lock", lambda lock: lock["stages"].update({"fit@a": fit}))
    group = {
        "foreach": ["a"],
        "do": {"wdir": "models", "cmd": "python fit.py ${item}", "metrics": ["${item}/log.json"]},
    }
    edit(top / "dvc.yaml", lambda pipeline: pipeline["stages"].update(fit=group))

    (capture,) = dvc.capture(top / "models" / "a")
    (inner,) = dvc.capture(top / "models" / "a" / "m.pkl")

    assert names(capture) == [("data/prep/out/train.csv", "train"), ("outside.txt", "train"), ("data/raw.csv", "other")]
    assert capture.facts["datasets"][2]["uri"] == "s3://bucket/raw.csv"
    assert capture.facts["code"] == {"command": "python fit.py a", "path": "models"}
    assert capture.facts["params"] == {"fit.depth": "6", "other.yaml:fit.depth": "7"}
    assert capture.facts["metrics"] == {"loss": 1}
    assert capture.warnings == ("s3://bucket/raw.csv has no MD5 in data/prep/dvc.lock, and is not recorded",)
    assert origins(capture) == [
        "data/prep/out from data/raw.csv", "data/prep/out/train.csv part of data/prep/out",
    ]  # fmt: skip
    assert inner == capture


def test_stated_data_gets_the_digests_of_dvc_and_is_not_recorded_twice(tmp_path: Path) -> None:
    model = dvc_projects.project(tmp_path)
    other = tmp_path / "other.csv"
    other.write_text("o")
    other.with_name("other.csv.dvc").write_text(
        yaml.safe_dump({"outs": [{"path": "other.csv", "hash": "md5", "md5": dvc_projects.md5(b"o"), "size": 1}]})
    )
    (tmp_path / "data" / "raw.csv").write_text("changed")
    stated = [data.described(f"own={tmp_path / name}") for name in ("data/clean.csv", "data/raw.csv", "other.csv")]

    pipeline, pointer = dvc.capture(model, stated)
    other.write_text("changed")
    changed = dvc.capture(tmp_path / "train.py", stated)

    digests = {one["name"]: one["digests"] for one in pipeline.facts["datasets"]}
    assert digests["data/clean.csv"] == [f"md5:{dvc_projects.md5(b'clean ' + bytes([10]))}", *stated[0]["digests"]]
    assert digests["data/raw.csv"] == [f"md5:{dvc_projects.md5(b'raw ' + bytes([10]))}"]
    assert pipeline.warnings == ("data/raw.csv was changed since the stage clean read it; both are recorded",)
    assert pointer.facts["datasets"] == [
        {"name": "own", "digests": [f"md5:{dvc_projects.md5(b'o')}", *stated[2]["digests"]]}
    ]
    assert [one.warnings for one in changed] == [("other.csv was changed since other.csv.dvc was written",)]


def test_files_of_stated_directories_with_pointers_are_parts_of_them(tmp_path: Path) -> None:
    for name in ("same", "changed"):
        (tmp_path / f"{name}.csv").write_text(name)
        pointer = {"outs": [{"path": f"{name}.csv", "hash": "md5", "md5": dvc_projects.md5(b"same")}]}
        (tmp_path / f"{name}.csv.dvc").write_text(yaml.safe_dump(pointer))
    (tmp_path / "gone.csv.dvc").write_text(yaml.safe_dump(pointer))
    (tmp_path / "more.dvc").write_text("outs: []")

    captures = dvc.capture(tmp_path, [data.described(f"all={tmp_path}")])

    assert [line for one in captures for line in origins(one)] == ["same.csv part of all"]
    assert [text for one in captures for text in one.warnings] == [
        "changed.csv was changed since changed.csv.dvc was written",
        "gone.csv was changed since gone.csv.dvc was written",
        "more.dvc: more.dvc names not exactly one MD5. Give the digest itself: NAME=md5:…",
    ]


def test_code_is_what_git_tracks_or_what_its_name_says(tmp_path: Path) -> None:
    model = dvc_projects.project(tmp_path)
    for name in ("labels.csv", "src/util.txt", "new.py", "weights"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    run_git(tmp_path, "add", "labels.csv", "src")
    deps = [dvc_projects.entry(tmp_path, name) for name in ("labels.csv", "src", "new.py", "weights")]
    edit(tmp_path / "dvc.lock", lambda lock: lock["stages"]["train"].update(deps=deps))

    (capture,) = dvc.capture(model)

    assert names(capture) == [("labels.csv", "train"), ("weights", "train"), ("data/test.csv", "test")]


def test_data_that_was_made_again_since_has_no_origin(tmp_path: Path) -> None:
    model = dvc_projects.project(tmp_path)
    edit(tmp_path / "dvc.lock", lambda lock: lock["stages"]["clean"]["outs"][0].update(md5="0" * 32))

    (capture,) = dvc.capture(model)

    assert (names(capture), capture.origins) == ([("data/clean.csv", "train"), ("data/test.csv", "test")], ())
    assert capture.warnings == (
        "data/clean.csv was made again by the stage clean after train read it; what it was made from is not recorded",
    )


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nstages: {train: {outs: [*b, *b]}}\n"
OTHER = "dvc.lock names another digest of model: the stage did not make it, or it was changed since; nothing is taken"


def written(name: str, content: str) -> Callable[[Path], object]:
    return lambda top: (top / name).write_text(content)


@pytest.mark.parametrize(
    ("harm", "warning", "is_taken"),
    [
        (lambda top: (top / "model" / "model.bin").write_text("changed"), OTHER, False),
        (lambda top: (top / "model" / "link").symlink_to("."), "dvc.lock cannot be compared with model: ", False),
        (lambda top: edit(top / "dvc.lock", lambda lock: lock["stages"]["train"]["outs"][0].pop("md5")),
         "dvc.lock names no MD5 of model; nothing is taken from it", False),
        (written("dvc.lock", "{"), "dvc.lock cannot be read: ", False),
        (written("dvc.lock", BOMB), "dvc.lock cannot be read: it has an alias; nothing is taken from it", False),
        (written("dvc.lock", "a: !!python/object/apply:os.getcwd []"), "dvc.lock cannot be read: it has the", False),
        (written("dvc.lock", "[" * 100_000), "dvc.lock cannot be read: it has more than 64 levels", False),
        (lambda top: os.truncate(top / "dvc.lock", 50 << 20), "dvc.lock cannot be read: it has more than 2 MiB", False),
        (written("dvc.lock", "a"), "dvc.lock holds no mapping", False),
        (written("dvc.lock", "schema: '2.0'\nstages: []"), "dvc.lock has no stages", False),
        (written("dvc.lock", "x: 2001-99-99"), "dvc.lock cannot be read: ", False),
        (written("dvc.yaml", "{"), "dvc.yaml cannot be read: ", True),
        (written("dvc.yaml", "stages: &s {train: *s}"), "dvc.yaml cannot be read: ", True),
        (written("dvc.yaml", "stages: {train: {wdir: '${vars}'}}"),
         "dvc.yaml: the wdir of the stage train is a template; nothing", False),
        (written("report/all.json", "{}"), "the metrics of report/all.json are not taken: the lock names", True),
        (lambda top: (top / "report" / "all.json").unlink(),
         "the metrics of report/all.json are not taken: the lock names report/all.json, which is not there", True),
        (lambda top: edit(top / "dvc.lock", lambda lock: lock["stages"]["train"].update(cmd="A=1\nB=2")),
         "the command of the stage train is not recorded: it must be one line", True),
    ],
    ids=["changed", "loop", "without-digest", "broken", "bomb", "tag", "deep", "50-mb", "text", "list", "date",
         "broken-pipeline", "pipeline-in-itself", "template", "changed-metrics", "no-metrics", "command"],
)  # fmt: skip
def test_what_cannot_be_trusted_or_read_is_a_warning(
    tmp_path: Path, harm: Callable[[Path], object], warning: str, is_taken: bool
) -> None:
    model = dvc_projects.project(tmp_path)

    harm(tmp_path)
    captures = dvc.capture(model)

    warnings, facts = [text for one in captures for text in one.warnings], captures[0].facts
    assert any(text.startswith(warning) for text in warnings), warnings
    assert (bool(facts), bool(captures[0].origins)) == (is_taken, is_taken)
    assert not is_taken or names(captures[0])[:2] == [("data/clean.csv", "train"), ("data/raw.csv", "other")]


def test_directories_that_dvc_knows_as_a_whole_are_found_from_their_files(tmp_path: Path) -> None:
    dvc_projects.project(tmp_path)
    images = tmp_path / "raw" / "images"
    images.mkdir(parents=True)
    (images / "one.png").write_text("1")
    (tmp_path / "raw" / "images.dvc").write_text(yaml.safe_dump({"outs": [dvc_projects.entry(tmp_path, "raw/images")]}))
    (tmp_path / "raw.dvc").write_text("outs: &o [{md5: *o}]")  # names nothing
    whole = f"md5:{dvc_projects.of_directory(images)}"

    model = f"md5:{dvc_projects.of_directory(tmp_path / 'model')}"
    (images / "one.png").write_text("changed")

    assert dvc.around(images / "one.png") == [dvc.KnownDirectory(images, whole, tmp_path / "raw" / "images.dvc")]
    assert dvc.around(tmp_path / "model" / "model.bin") == [
        dvc.KnownDirectory(tmp_path / "model", model, tmp_path / "dvc.lock")
    ]
    assert [one for name in ("model", "data/raw.csv", "raw/images") for one in dvc.around(tmp_path / name)] == []
    digits = pointers.dvc(f"outs: [{{md5: 0{'1' * 31}, hash: md5}}]".encode(), "digits.dvc")
    assert digits == pointers.Pointer(f"md5:0{'1' * 31}")


def test_models_that_no_pipeline_made_have_no_facts_of_one(tmp_path: Path) -> None:
    dvc_projects.project(tmp_path / "project")
    (tmp_path / "alone").mkdir()

    assert dvc.capture(tmp_path / "project" / "train.py") == []
    assert dvc.capture(tmp_path / "alone") == []
