"""Projects of DVC in git, with files as DVC 3 writes them: two stages make a model, a third measures it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import yaml

from tests.support import git_repositories

PIPELINE = """\
stages:
  clean:
    cmd: python clean.py ${raw}
    deps: [clean.py, data/raw.csv]
    params: [clean.seed]
    outs: [data/clean.csv]
  train:
    cmd: python train.py
    deps: [train.py, data/clean.csv]
    params: [train]
    outs: [model]
  evaluate:
    cmd: python evaluate.py
    deps: [model, data/test.csv]
    metrics:
    - report/${kind}.json:
        cache: false
"""


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def of_directory(path: Path) -> str:
    """Return the digest of a directory as its lock names it (the reference is DVC's ``Tree.as_bytes``)."""
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    entries = [{"md5": md5(files[name].read_bytes()), "relpath": name} for name in sorted(files)]
    return md5(json.dumps(entries, sort_keys=True).encode()) + ".dir"


def entry(top: Path, name: str) -> dict[str, object]:
    """Return the entry of a file or a directory in ``dvc.lock``."""
    path = top / name
    if path.is_dir():
        sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
        return {"path": name, "hash": "md5", "md5": of_directory(path), "size": sum(sizes), "nfiles": len(sizes)}
    content = path.read_bytes()
    return {"path": name, "hash": "md5", "md5": md5(content), "size": len(content)}


def project(top: Path, unique: str = "") -> Path:
    """Make *top* such a project; *unique* is in its data. Return the directory of the model."""
    for name, text in {
        "data/raw.csv": f"raw {unique}\n", "data/clean.csv": f"clean {unique}\n", "data/test.csv": f"test {unique}\n",
        "clean.py": "1\n", "train.py": "2\n", "evaluate.py": "3\n", "model/model.bin": f"model {unique}\n",
        "report/all.json": '{"auc": 0.93, "by": {"de": 1}, "note": "x"}', ".dvc/config": "", "dvc.yaml": PIPELINE,
        ".gitignore": "/model\n/data\n",
    }.items():  # fmt: skip
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    lock(top)
    git_repositories.checkout(top)
    return top / "model"


def lock(top: Path) -> None:
    """Write ``dvc.lock``, as if all stages had run."""
    stages = {
        "clean": {
            "cmd": "python clean.py data/raw.csv",
            "deps": [entry(top, "clean.py"), entry(top, "data/raw.csv")],
            "params": {"params.yaml": {"clean.seed": 3}},
            "outs": [entry(top, "data/clean.csv")],
        },
        "train": {
            "cmd": "python train.py",
            "deps": [entry(top, "train.py"), entry(top, "data/clean.csv")],
            "params": {"params.yaml": {"train": {"depth": 6, "layers": [1, 2]}}},
            "outs": [entry(top, "model")],
        },
        "evaluate": {
            "cmd": "python evaluate.py",
            "deps": [entry(top, "model"), entry(top, "data/test.csv")],
            "outs": [entry(top, "report/all.json")],
        },
    }
    (top / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False))
