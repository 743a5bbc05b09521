"""``registry register`` against a real service, over SQLite and a directory, started as people start it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from registry.client import RegistryClient
from tests.cli.conftest import CommandLine, Place, answer, ok


def test_a_model_is_registered_with_all_that_is_known_of_it(run_cli: CommandLine, model: str, place: Place) -> None:
    (place.cwd / "train.csv").write_text("a,b\n")
    (place.cwd / "uv.lock").write_text("version = 1\n")
    (place.cwd / "signature.json").write_text('{"inputs": ["amount"]}')
    facts = ["--data", "train.csv", "--metric", "auc=0.93", "--param", "depth=6", "--tag", "team=risk"]
    more = [
        "--description",
        "first",
        "--framework",
        "sklearn",
        "--signature",
        "signature.json",
        "--lock-file",
        "uv.lock",
    ]
    run = ["--run-id", "ci-41", "--run-url", "https://ci.example/41", "--alias", "champion"]
    code = ["--triggered-by", "ann", "--repo", "https://me:pw@git.example/r", "--commit", "c0ffee", "--branch", "main"]
    code += ["--command", "python train.py"]

    done = answer(run_cli("register", model, "model", *facts, *more, *run, *code, "--json"))
    shown = ok(run_cli("show", f"{model}:1")).out

    version = done["version"]
    assert (done["created"], version["number"], version["state"], version["stage"]) == (True, 1, "ready", "none")
    assert done["uploads"]["sent"] == 2
    assert version["metrics"] == {"auc": 0.93}
    assert (version["params"], version["tags"], version["aliases"]) == ({"depth": "6"}, {"team": "risk"}, ["champion"])
    assert (version["framework"], version["signature"]) == ("sklearn", {"inputs": ["amount"]})
    lineage = version["lineage"]
    assert lineage["run"]["triggered_by"] == "ann"
    assert {name: value for name, value in lineage["code"].items() if value is not None} == {
        "repo": "https://git.example/r", "commit": "c0ffee", "branch": "main", "command": "python train.py",
    }  # fmt: skip
    assert "manual ci-41 by ann https://ci.example/41" in shown
    assert "https://git.example/r at c0ffee on main" in shown
    assert "command      python train.py\n" in shown
    assert (lineage["run"]["system"], lineage["run"]["id"], lineage["run"]["url"]) == (
        "manual",
        "ci-41",
        "https://ci.example/41",
    )
    assert lineage["environment"]["lock_digest"].startswith("sha256:")
    assert [(data["name"], data["role"]) for data in lineage["datasets"]] == [("train.csv", "train")]
    shown = ok(run_cli("show", f"{model}@champion")).out
    assert "run          manual ci-41 by ann https://ci.example/41" in shown


def test_data_that_is_no_local_file_is_recorded_and_found(run_cli: CommandLine, model: str) -> None:
    images, md5 = Path("images"), "a304afb96060aad90176268345e10355"
    (images / "deep").mkdir(parents=True)
    (images / "deep" / "1.png").write_bytes(b"png")
    Path("raw.dvc").write_text(f"outs:\n- md5: {md5}.dir\n  hash: md5\n  path: raw\n")
    of_data = ["--data", "images/", "--data", "raw.dvc", "--data", f"test=october=s3://b/o.parquet@SHA256:{'AB' * 32}"]

    ok(run_cli("register", f"{model}-images", "images"))  # the same files as a version
    done = answer(run_cli("register", model, "model", *of_data, "--json"))
    refused = run_cli("register", model, "model", "--data", "s3://b/o.parquet")
    Path("model/weights/model.bin").write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 7\n"
    )
    pointing = run_cli("register", model, "model")

    as_version = answer(run_cli("show", f"{model}-images:1", "--json"))["manifest_digest"]
    found = {one["name"]: one for one in done["version"]["lineage"]["datasets"]}
    assert found["images"]["digests"] == [as_version]
    assert (found["october"]["uri"], found["october"]["role"]) == ("s3://b/o.parquet", "test")
    for digest in (as_version, f"md5:{md5}.dir", f"{md5.upper()}.DIR", "ab" * 32):
        items = answer(run_cli("search", f"dataset.digest = '{digest}' AND name = '{model}'", "--json"))["items"]
        assert [item["number"] for item in items] == [1], digest
    assert (refused.code, "s3://b/o.parquet@sha256:…" in refused.err) == (2, True)
    assert (pointing.code, "model.bin (git-lfs)" in pointing.err) == (2, True)


def test_what_the_files_say_is_recorded_and_the_python_of_the_command_line_is_not(
    run_cli: CommandLine, model: str, service: str
) -> None:
    Path("model/MLmodel").write_text(
        "flavors:\n  python_function: {loader_module: mlflow.sklearn, python_version: 3.10.12}\n"
        "  sklearn: {pickled_model: model.pkl}\n"
        """signature:\n  inputs: '[{"type": "double", "name": "ltv"}]'\n  params: null\n"""
    )
    pins = b"scikit-learn==1.3.0\n"
    Path("model/requirements.txt").write_bytes(pins)
    lock_digest = f"sha256:{hashlib.sha256(pins).hexdigest()}"
    inputs = {"inputs": [{"name": "ltv", "type": "double"}], "params": None}

    bare = answer(run_cli("register", model, "model", "--no-detect", "--run-id", "1", "--json"))
    captured = answer(run_cli("register", model, "model", "--json"))["version"]
    options = ["--framework", "own", "--python", "3.12.1", "--run-id", "2"]
    said = answer(run_cli("register", model, "model", *options, "--json"))["version"]
    Path("plain").mkdir()
    Path("plain/weights").write_text(model)
    plain = answer(run_cli("register", model, "plain", "--json"))["version"]
    with RegistryClient(service) as client:
        again = client.register(model, "model")

    assert (bare["version"]["framework"], bare["version"]["lineage"]["environment"], bare["found"]) == (None, None, [])
    assert (captured["framework"], captured["signature"]) == ("sklearn", inputs)
    pinned = {"python": "3.10.12", "lock_digest": lock_digest, "image_digest": None}
    assert captured["lineage"]["environment"] == pinned
    assert (said["framework"], said["signature"]) == ("own", inputs)
    assert said["lineage"]["environment"] == {**pinned, "python": "3.12.1"}
    assert plain["lineage"]["environment"] is None
    assert (again["created"], again["version"]["number"]) == (False, captured["number"])
    assert model in ok(run_cli("search", "framework = 'sklearn'")).out


def test_a_job_that_runs_again_gets_the_same_version(run_cli: CommandLine, model: str) -> None:
    command = ["register", model, "model", "--run-id", "ci-41"]

    first, again = answer(run_cli(*command, "--json")), answer(run_cli(*command, "--json"))
    other_metric = run_cli(*command, "--metric", "auc=0.9")
    added = answer(run_cli(*command, "--metric", "auc=0.9", "--update", "--json"))
    other_run = answer(run_cli("register", model, "model", "--run-id", "ci-42", "--json"))

    numbers = [done["version"]["number"] for done in (first, again, added, other_run)]
    assert numbers == [1, 1, 1, 2]
    assert [done["created"] for done in (first, again, added, other_run)] == [True, False, False, True]
    assert (other_metric.code, added["updated"], added["version"]["metrics"]) == (5, ["metrics.auc"], {"auc": 0.9})
    assert "metrics.auc is not there, 0.9 was sent" in other_metric.err
    assert [done["uploads"]["sent"] for done in (first, again, other_run)] == [2, 2, 2]  # with the registration
    assert "was registered before, nothing changed" in ok(run_cli(*command)).out
    ok(run_cli("version", "delete", f"{model}:1"))
    assert answer(run_cli(*command, "--json"))["version"]["number"] == 3
    assert answer(run_cli(*command, "--new-version", "--json"))["version"]["number"] == 4


def test_what_is_left_out_of_a_version_is_named_and_credentials_are_refused(run_cli: CommandLine, model: str) -> None:
    Path("model/.git").mkdir()
    Path("model/.git/config").write_text("url = https://user:password@host/x")
    Path("model/empty").mkdir()
    Path("model/MLmodel").chmod(0o755)
    Path("model/.env").write_text("PASSWORD=1")

    refused = run_cli("register", model, "model")
    done = run_cli("register", model, "model", "--allow-secrets", "--json")
    again = run_cli("register", model, "model", "--allow-secrets")
    everything = run_cli("register", model, "model", "--allow-secrets", "--no-default-ignores")

    assert (refused.code, refused.out) == (2, "")
    assert "these files hold credentials: .env (a file of environment variables)" in refused.err
    assert "--allow-secrets" in refused.err
    assert json.loads(done.out)["uploads"]["files"] == 3
    assert again.err.splitlines() == [
        "left out by default: .git/ (kept with --no-default-ignores)",
        "not kept, a version holds files only: the empty empty/",
        "not kept: the executable bit of MLmodel",
    ]
    assert (everything.code, everything.out) == (2, "")  # no version holds a path below .git, with any option
    assert ".git/config: its path" in everything.err
