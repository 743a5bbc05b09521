"""The commands of lineage, with a service: data that was made from other data, and the versions behind it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from registry.api import lineage_examples
from tests.cli.conftest import CommandLine, answer, ok


def test_one_command_lists_the_versions_that_rest_on_a_file(run_cli: CommandLine, model: str) -> None:
    Path("raw.csv").write_text(f"{model}\n1\n")
    Path("clean.csv").write_text(f"{model}\n2\n")
    ok(run_cli("register", model, "model", "--data", "clean.csv", "--run-id", "1"))
    ok(run_cli("promote", f"{model}:1", "--to", "staging", "--reason", "x"))
    ok(run_cli("promote", f"{model}:1", "--to", "production", "--reason", "x"))
    Path("model/more").write_text("x")
    ok(run_cli("register", model, "model", "--run-id", "2", "--parent", f"{model}:1", "--derivation", "finetune"))

    unknown = run_cli("impact", "raw.csv")
    added = ok(run_cli("lineage", "data", "clean.csv", "--from", "raw.csv", "--job", "airflow/clean", "--reason", "x"))
    listed = ok(run_cli("impact", "raw.csv")).out.splitlines()

    assert unknown.code == 4
    assert "clean.csv transformed from raw.csv" in added.out
    assert [line.split()[0] for line in listed[1:]] == [f"{model}:1", f"{model}:2"]
    assert "raw.csv > clean.csv" in listed[1]
    assert answer(run_cli("impact", "raw.csv", "--stage", "staging", "--json"))["items"] == []
    assert run_cli("impact", "raw.csv", "--dataset", "raw.csv").code == 2
    tree = ok(run_cli("lineage", "show", f"{model}:2")).out.splitlines()
    assert (tree[0], tree[1].startswith("├─ ")) == (f"{model}:2", True)
    assert any(line.startswith(f"└─ derived from (finetune): {model}:1 production") for line in tree)
    assert any("transformed from: dataset raw.csv sha256:" in line for line in tree)
    assert "made from it:" in ok(run_cli("lineage", "show", f"{model}:1", "--direction", "down")).out


def test_an_edge_is_shown_retracted_and_reinstated(run_cli: CommandLine, model: str) -> None:
    ok(run_cli("register", model, "model", "--run-id", "1"))
    change = answer(run_cli("lineage", "add", f"{model}:1", "--base-model", f"hf://org/{model}", "--json"))
    edge = str(change["edges"][0]["id"])

    assert "nothing changed" in ok(run_cli("lineage", "add", f"{model}:1", "--base-model", f"hf://org/{model}")).out
    assert run_cli("lineage", "retract", edge).code == 2
    ok(run_cli("lineage", "retract", edge, "--reason", "a mistake"))
    nothing = run_cli("impact", "--model", f"hf://org/{model}")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "no version depends on it\n")
    ok(run_cli("lineage", "reinstate", edge, "--reason", "no mistake"))
    shown = ok(run_cli("lineage", "edge", edge)).out.splitlines()
    assert shown[0] == f"edge {edge}: {model}:1 derived from hf://org/{model}"
    assert [line.split()[0] for line in shown[1:]] == ["added", "retracted", "reinstated"]
    assert ok(run_cli("impact", "--model", f"hf://org/{model}")).out.splitlines()[1].startswith(f"{model}:1")


def test_the_graph_is_drawn_for_other_programs(run_cli: CommandLine, model: str) -> None:
    ok(run_cli("register", model, "model", "--run-id", "1", "--base-model", 'hf://org/a"b]|c@1'))

    dot = ok(run_cli("lineage", "show", f"{model}:1", "--format", "dot")).out
    mermaid = ok(run_cli("lineage", "show", f"{model}:1", "--format", "mermaid")).out

    assert dot.startswith("digraph lineage {\n")
    assert r'label="model hf://org/a\"b]|c@1"' in dot
    assert 'n0 -> n1 [label="produced by"];' in dot
    assert mermaid.startswith("flowchart LR\n")
    assert '["model hf://org/a#34;b#93;#124;c@1"]' in mermaid


def test_drawings_state_the_commit_and_who_asserted_an_edge_later(run_cli: CommandLine, model: str) -> None:
    code = ("--repo", "https://git.test/a", "--commit", "0a1b2c3d4e5f60718293")
    ok(run_cli("register", model, "model", "--run-id", "1", *code))
    ok(run_cli("lineage", "add", f"{model}:1", "--base-model", "hf://org/later", "--derivation", "finetune"))

    drawn = {form: ok(run_cli("lineage", "show", f"{model}:1", "--format", form)).out for form in ("tree", "dot")}
    mermaid = ok(run_cli("lineage", "show", f"{model}:1", "--format", "mermaid")).out

    (line,) = (one for one in drawn["tree"].splitlines() if "hf://org/later" in one)
    assert re.search(r": model hf://org/later \[asserted by [^,]+, [0-9]{4}-[0-9]{2}-[0-9]{2}\]$", line), line
    assert drawn["tree"].count("asserted by") == 1
    assert "built from: code https://git.test/a at 0a1b2c3d4e5f\n" in drawn["tree"]
    assert re.search(r'\[label="derived from \(finetune\)\\nasserted by [^"]+", style=dashed\];', drawn["dot"])
    assert drawn["dot"].count("dashed") == 1
    assert re.search(r'-\.->\|"derived from \(finetune\)<br>asserted by [^"]+"\|', mermaid)
    assert '-->|"produced by"|' in mermaid


def test_what_names_nothing_is_refused_with_what_to_do(run_cli: CommandLine, model: str) -> None:
    ok(run_cli("register", model, "model", "--run-id", "1"))

    refused = {
        ("impact",): "exactly one of DATA",
        ("impact", "no-such-file.csv"): "is not a file or a directory here",
        ("impact", "a dataset"): "--dataset takes the name of a dataset",
        ("lineage", "add", f"{model}:1"): "must be given",
        ("lineage", "add", f"{model}:1", "--derivation", "merge"): "--parent or a --base-model",
        ("lineage", "data", "model", "--job", "clean"): "NAMESPACE/NAME",
        ("lineage", "data", "model", "--job-url", "https://ci.test"): "name it with --job",
    }

    for command, text in refused.items():
        done = run_cli(*command)
        assert done.code == 2, (command, done)
        assert text in done.err, (command, done.err)
    assert run_cli("lineage", "edge", "999999").code == 4


def test_data_that_dvc_named_is_found_by_its_files(run_cli: CommandLine, model: str) -> None:
    """DVC has MD5 digests; the release 2 took those of texts with the line ends of Unix."""
    content = f"id,{model}\r\n1\r\n".encode()
    Path("windows.csv").write_bytes(content)
    Path("images").mkdir()
    Path("images/one.png").write_bytes(content)
    plain = hashlib.md5(content, usedforsecurity=False).hexdigest()
    unix = hashlib.md5(content.replace(b"\r\n", b"\n"), usedforsecurity=False).hexdigest()
    entries = json.dumps([{"md5": plain, "relpath": "one.png"}]).encode()
    folder = hashlib.md5(entries, usedforsecurity=False).hexdigest()
    named = (f"md5:{plain}", f"md5-dos2unix:{unix}", f"md5:{folder}.dir")
    for number, digest in enumerate(named, 1):
        ok(run_cli("register", model, "model", "--data", f"data={digest}", "--run-id", f"{number}"))

    of_file = [line.split()[0] for line in ok(run_cli("impact", "windows.csv")).out.splitlines()[1:]]
    of_directory = [line.split()[0] for line in ok(run_cli("impact", "images")).out.splitlines()[1:]]

    assert (of_file, of_directory) == ([f"{model}:2", f"{model}:1"], [f"{model}:3"])

    Path(".dvc").mkdir()
    Path("images.dvc").write_text(f"outs:\n- md5: {folder}.dir\n  hash: md5\n  path: images\n")
    Path("images/one.png").write_bytes(content + b"1")
    in_directory = run_cli("impact", "images/one.png")
    assert in_directory.out.splitlines()[1].split()[0] == f"{model}:3"
    assert f"images/one.png is in images, which is md5:{folder}.dir in images.dvc" in in_directory.err


def test_events_of_a_pipeline_lead_from_an_address_to_the_versions(run_cli: CommandLine, model: str) -> None:
    raw, clean = f"s3://lake/{model}/raw", f"s3://lake/{model}/clean"
    event = lineage_examples.EVENT | {
        "inputs": [{"namespace": "s3://lake", "name": f"{model}/raw"}],
        "outputs": [{"namespace": "s3://lake", "name": f"{model}/clean"}],
    }
    Path("event.json").write_text(json.dumps(event, indent=2))
    Path("events.ndjson").write_text(f"{json.dumps(event | {'eventType': 'START'})}\n\n{json.dumps(event)}\n")

    sent = ok(run_cli("lineage", "event", "event.json")).out.splitlines()
    again = answer(run_cli("lineage", "event", "events.ndjson", "--json"))
    ok(run_cli("register", model, "model", "--data", f"{clean}@sha256:{'c' * 64}", "--run-id", "1"))

    assert sent[0].startswith("recorded: 2 new of 2 edges (entry ")
    assert [one["outcome"] for one in again] == ["ignored", "known"]
    assert ok(run_cli("impact", raw)).out.splitlines()[1].split()[0] == f"{model}:1"
    assert f"transformed from: dataset {raw}" in ok(run_cli("lineage", "show", f"{model}:1")).out
    Path("event.json").write_text("[1]")
    assert run_cli("lineage", "event", "event.json").code == 2


def test_the_lineage_is_exported_for_other_systems(run_cli: CommandLine, model: str) -> None:
    ok(run_cli("register", model, "model", "--run-id", "1", "--base-model", f"hf://org/{model}@1"))
    ok(run_cli("promote", f"{model}:1", "--to", "staging", "--reason", "x"))

    printed = ok(run_cli("export", "lineage", f"{model}#staging", "--format", "prov")).out
    written = ok(run_cli("export", "lineage", f"{model}:1", "--format", "cyclonedx-1.7", "-o", "bill.json")).out

    labels = [one["prov:label"] for one in json.loads(printed)["entity"].values()]
    assert {f"{model}:1", f"hf://org/{model}@1"} <= {*labels}
    assert written == f"Lineage of {model}:1: bill.json\n"
    bill = Path("bill.json").read_bytes()
    assert [one["name"] for one in json.loads(bill)["metadata"]["component"]["pedigree"]["ancestors"]] == [
        f"hf://org/{model}@1"
    ]
    answered = answer(run_cli("export", "lineage", f"{model}:1", "--format", "prov", "--json"))
    assert answered == json.loads(printed)
    assert answer(run_cli("export", "lineage", f"{model}:1", "--format", "cyclonedx-1.7", "-o", "b", "--json")) == {
        "version": {"model": model, "number": 1}, "file": "b", "bytes": len(bill)
    }  # fmt: skip
    assert run_cli("export", "lineage", model, "--format", "prov").code == 2
    assert run_cli("export", "lineage", f"{model}:9", "--format", "prov").code == 4
