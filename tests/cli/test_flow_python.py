"""The Python client against a real service, and the examples of its page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.client import RegistryClient
from tests.cli.conftest import CommandLine, Place, answer, ok


def test_the_client_finds_the_registry_and_does_what_the_commands_do(
    run_cli: CommandLine, model: str, place: Place, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    monkeypatch.delenv("REGISTRY_URL")
    (place.cwd / ".registry.toml").write_text(f'url = "{service}"\n')
    Path("train.csv").write_text("a,b\n")

    with RegistryClient() as client:
        client.register(model, "model", data=["train.csv"], params={"depth": 6}, metrics={"auc": 0.9})
        Path("model/more.txt").write_text("2")
        client.register(model, "model", params={"depth": 7}, metrics={"auc": 0.95}, new_version=True)
        for number in (1, 2):
            client.promote(f"{model}:{number}", "staging", reason="smoke tests passed")
            client.promote(f"{model}:{number}", reason="approved")
        before = datetime.now(UTC)
        dry = client.rollback(model, reason="latency", dry_run=True)
        back = client.rollback(model, reason="latency", expected_current=2)
        again = client.move(f"{model}:2", "staging", reason="fixed")
        with pytest.raises(ValueError, match="name a version"):
            client.promote(model, reason="which?")
        found = [version["number"] for version in client.search(f"name = '{model}' AND metrics.auc > 0.92")]
        difference = client.compare(f"{model}:1", f"{model}:2")
        shown = ok(run_cli("compare", f"{model}#production", f"{model}:2"))
        told = answer(run_cli("compare", f"{model}:1", model, "--json"))
        same = run_cli("compare", model, f"{model}:2", "--json")
        then = client.as_of(model, before)

    assert (dry["dry_run"], back["number"], back["displaced"], again["target"]) == (True, 1, 2, "staging")
    assert (found, then["number"]) == ([2], 2)
    assert (difference.added, difference.removed, difference.changed) == (("more.txt",), (), ())
    assert difference.facts["params.depth"] == ("6", "7")
    assert difference.facts["datasets.train.csv"].after is None
    assert f"{model}:1" in repr(difference)
    assert "metrics.auc: 0.9 -> 0.95" in repr(difference)
    assert shown.out.startswith(f"{model}:1 and {model}:2 differ in 1 file and ")
    assert re.search(r"^metrics\.auc +0\.9 +0\.95$", shown.out, re.MULTILINE)
    assert [told["first"]["number"], told["second"]["number"], told["same"]] == [1, 2, False]
    assert told["files"] == {path: change._asdict() for path, change in difference.files.items()}
    assert told["facts"] == {name: change._asdict() for name, change in difference.facts.items()}
    assert (same.code, answer(same)["same"], difference.same) == (0, True, False)


def test_the_service_compares_versions_side_by_side(
    run_cli: CommandLine, model: str, place: Place, service: str
) -> None:
    (place.cwd / ".registry.toml").write_text(f'url = "{service}"\n')
    Path("train.csv").write_text("a,b\n")

    with RegistryClient(service) as client:
        Path("model/requirements.txt").write_text("numpy==1.0\npandas==2.0\n")
        client.register(model, "model", data=["train.csv"], metrics={"auc": 0.9})
        Path("model/requirements.txt").write_text("numpy==1.1\nscipy==1.0\n")
        Path("model/more.txt").write_text("2")
        client.register(model, "model", metrics={"auc": 0.95}, new_version=True, aliases=["best"])
        sides = client.versions.diff(model, 1, 2)
        environment = client.versions.diff_file(f"{model}:1", f"{model}:2", "requirements.txt")
        series = list(client.models.metrics(model, ["auc"]))
        keys = client.models.metric_keys(model)
    shown = ok(run_cli("diff", f"{model}:1", f"{model}:1", f"{model}@best"))
    documents = answer(run_cli("diff", f"{model}:1", f"{model}:2", "--json"))
    everything = ok(run_cli("diff", f"{model}:1", f"{model}:2", "--only", "all")).out
    file = ok(run_cli("diff", f"{model}:1", f"{model}:2", "--file", "more.txt"))
    alone = run_cli("diff", model)
    table = ok(run_cli("model", "metrics", model, "--key", "auc"))
    csv = ok(run_cli("model", "metrics", model, "--csv"))

    assert re.search(r"^metrics\.auc +0\.9 +0\.9 +~ 0\.95 \(\+0\.05, \+5\.6 %, better\)$", shown.out, re.MULTILINE)
    assert re.search(r"^datasets\.train\.csv \(train\) .* - \(not recorded\)$", shown.out, re.MULTILINE)
    assert "Not recorded in any: " in shown.out
    assert documents == {**sides, "environments": [environment]}
    packages = everything.partition("Packages of requirements.txt:\n")[2]
    assert [line.split() for line in packages.splitlines()[1:]] == [
        ["~", "numpy", "1.0", "1.1"], ["-", "pandas", "2.0"], ["+", "scipy", "1.0"]
    ]  # fmt: skip
    assert ("Equal: " in shown.out, "Equal: " in everything, "content.file_count" in everything) == (True, False, True)
    assert file.out.splitlines() == [f"--- {model}:1/more.txt", f"+++ {model}:2/more.txt", "@@ -1,0 +1,1 @@", "+2"]
    assert (alone.code, "Name 2 to 6 versions" in alone.err) == (2, True)
    assert ([one["number"] for one in series], keys) == ([2, 1], ["auc"])
    assert table.out.split() == ["VERSION", "STAGE", "AUC", f"{model}:2", "none", "0.95", f"{model}:1", "none", "0.9"]
    assert [line.split(",")[-1] for line in csv.out.splitlines()] == ["auc", "0.95", "0.9"]


def test_a_pull_of_some_files_with_a_cache(run_cli: CommandLine, model: str, place: Place) -> None:
    ok(run_cli("register", model, "model"))

    some = answer(run_cli("pull", model, "-o", "one", "--include", "*.bin", "--cache", "cache", "--json"))
    rest = ok(run_cli("pull", model, "-o", "two", "--exclude", "nothing", "--cache", "cache"))
    none = run_cli("pull", model, "-o", "three", "--include", "*.onnx")

    assert (some["written"], some["cached"]) == (["weights/model.bin"], [])
    assert "1 from the cache" in rest.out
    assert (none.code, "'*.onnx'" in none.err, Path("three").exists()) == (4, True, False)


def test_the_examples_of_the_python_page_run(
    service: str, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REGISTRY_URL", service)
    page = (Path(__file__).parents[2] / "deploy" / "docs" / "python.md").read_text()
    script = "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL))

    exec(compile(script, "python.md", "exec"), {})

    printed = capsys.readouterr().out
    assert "<created <fraud:1 ready, 1 file, 6.8 KiB, auc=0.93>>" in printed
    assert "<fraud:1 archived -> production, instead of 2>" in printed
