"""Facts that were found, and how they join those that are stated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from registry.client import RegistryClient, errors
from registry.client.detect import Capture, join
from tests.client.conftest import FakeRegistry, problem, reply
from tests.support import dvc_projects

CODE = {"repo": "fraud", "commit": "c0ffee", "path": "jobs"}
COMMAND = {"command": "python train.py", "path": None}


def data(name: str, *digests: str) -> dict[str, Any]:
    return {"name": name, "digests": [f"md5:{digest * 32}" for digest in digests]}


@pytest.mark.parametrize(
    ("stated", "found", "facts"),
    [
        ({"params": {"a": "1"}}, {"params": {"a": "2", "b": "3"}}, {"params": {"a": "1", "b": "3"}}),
        ({"framework": "own"}, {"framework": "sklearn"}, {"framework": "own"}),
        ({}, {"framework": "sklearn", "params": {}}, {"framework": "sklearn"}),
        ({"evaluations": [{"metrics": {"auc": 0.9}}]}, {"metrics": {"auc": 0.8, "f1": 1}},
         {"evaluations": [{"metrics": {"auc": 0.9}}], "metrics": {"f1": 1}}),
        ({"datasets": [data("own", "1")]}, {"datasets": [data("found", "2", "1"), data("other", "3")]},
         {"datasets": [data("own", "1", "2"), data("other", "3")]}),
        ({"base_models": [{"uri": "hf://a"}]}, {"base_models": [{"uri": "hf://a"}]}, {"base_models": [{"uri": "hf://a"}]}),
        ({}, {"base_models": [{"uri": "hf://a"}, {"uri": "hf://b"}]}, {"base_models": [{"uri": "hf://a"}, {"uri": "hf://b"}]}),
        ({"environment": {"python": "3.12"}}, {"environment": {"python": "3.11", "lock_digest": "sha256:0"}},
         {"environment": {"python": "3.12", "lock_digest": "sha256:0"}}),
        ({"code": CODE}, {"code": COMMAND}, {"code": CODE | COMMAND}),
        ({"code": {**CODE, "command": "make"}}, {"code": COMMAND}, {"code": {**CODE, "command": "make"}}),
        ({"code": {"repo": "other"}}, {"code": CODE}, {"code": {"repo": "other"}}),
        ({"code": {"command": "make"}}, {"code": CODE}, {"code": {**CODE, "command": "make"}}),
        ({"code": {"repo": "own", "command": "make"}}, {"code": {"path": "jobs"}},
         {"code": {"repo": "own", "command": "make", "path": "jobs"}}),
        ({}, {"code": COMMAND}, {"code": COMMAND}),
    ],
)  # fmt: skip
def test_stated_facts_come_first_and_found_ones_complete_them(
    stated: dict[str, Any], found: dict[str, Any], facts: dict[str, Any]
) -> None:
    joined = join(stated, [Capture("file", found)])

    assert joined.facts == facts
    assert [one["source"] for one in joined.found] == (["file"] if facts != stated else [])
    assert joined.warnings == []


def test_other_base_models_than_the_stated_ones_are_left_out_with_a_warning() -> None:
    stated = {"base_models": [{"uri": "hf://own"}], "framework": "own"}
    captures = [
        Capture("README.md", {"base_models": [{"uri": "hf://card"}]}),
        Capture("the files", undecided={"framework": "several frameworks"}),
    ]

    joined, alone = join(stated, captures), join({}, captures)

    assert (joined.facts, joined.found) == (stated, [])
    assert joined.warnings == ["README.md: not recorded, as other base models are stated: hf://card"]
    assert (alone.facts, alone.warnings) == ({"base_models": [{"uri": "hf://card"}]}, ["several frameworks"])


def test_what_a_registry_would_refuse_is_left_out() -> None:
    params = {"": "x", "a\x00": "x", "long": "x" * 6001, "nul": "\x00", "good": "x" * 6000}
    many = {f"p{number}": "x" for number in range(1001)}
    datasets = [{"name": f"d{number}", "digests": [f"md5:{number:032x}"]} for number in range(102)]

    joined = join({}, [Capture("a", {"params": params, "datasets": datasets}), Capture("b", {"params": many})])

    assert len(joined.facts["params"]) == 1000
    assert joined.facts["params"]["good"] == "x" * 6000
    assert [len(joined.facts["datasets"]), len(joined.found[0]["facts"]["datasets"])] == [100, 100]
    assert joined.warnings == [
        "a: param '' must have 1 to 250 characters, and is left out",
        "a: param 'a\\x00' must not contain U+0000: control, invisible and unassigned characters are refused, and is "
        "left out",
        "a: param 'long' has more than 6,000 characters, and is left out",
        "a: param 'nul' has characters that cannot be stored, and is left out",
        "a: a version has at most 100 datasets; left out: d100, d101",
        "b: only the first 1000 params are recorded",
    ]


def test_a_registry_that_refuses_what_was_found_gets_the_registration_without_it(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = dvc_projects.project(tmp_path / "project")

    def know_no_command(request: Request) -> Response | None:
        if not request.path.endswith("/versions") or "command" not in (request.get_json().get("code") or {}):
            return None
        return problem(422, "invalid", "code: Unknown field.", errors={"code": {"command": ["Unknown field."]}})

    newer = client.register("fraud", model, params={"own": 1})
    registry.answers.append(know_no_command)
    older = client.register("fraud", model, params={"own": 1})

    assert [one["source"] for one in newer["found"]] == ["git", "dvc.lock"]
    assert newer["warnings"] == ["what the data was made from is not recorded: There is no /api/v1/lineage/datasets."]
    assert [one["source"] for one in older["found"]] == ["git"]
    assert older["warnings"] == ["detected facts are not recorded, as the registry refused them: code: Unknown field."]
    assert registry.registered["params"] == {"own": "1"}
    assert [record.message for record in caplog.records] == newer["warnings"] + older["warnings"]
    with pytest.raises(errors.Invalid):
        client.register("fraud", model, command="make")


def test_each_origin_of_data_is_stated_once_and_a_refusal_is_a_warning(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    model = dvc_projects.project(tmp_path / "project")
    refusals = [problem(409, "cycle", "A circle."), problem(403, "forbidden", "You may not."), reply({"edges": []})]
    registry.answers.append(lambda request: refusals[0] if request.path.endswith("/lineage/datasets") else None)

    warnings = []
    while refusals:
        warnings.append(client.register("fraud", model)["warnings"])
        refusals.pop(0)

    assert warnings == [
        ["what data/clean.csv was made from is not recorded: A circle."],
        ["what the data was made from is not recorded: You may not."],
        [],
    ]
    (stated, *_) = (request.get_json() for request in registry.requests("POST", "/lineage/datasets"))
    assert (stated["reinstate"], stated["job"]) == (False, {"namespace": "dvc:project", "name": "clean"})
    assert [one["name"] for one in (stated["dataset"], *stated["transformed_from"])] == [
        "data/clean.csv",
        "data/raw.csv",
    ]


@pytest.mark.parametrize(
    ("path", "command", "warned"),
    [("jobs", None, ["dvc.lock: the command python train.py is not recorded: it runs in ., and the code is in jobs"]),
     ("./", "python train.py", [])],
)  # fmt: skip
def test_a_stated_directory_of_the_code_keeps_commands_of_others_out(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, path: str, command: str | None, warned: list[str]
) -> None:
    model = dvc_projects.project(tmp_path / "project")

    done = client.register("fraud", model, code={"repo": "fraud", "path": path})

    assert registry.registered["code"].get("command") == command
    assert [one for one in done["warnings"] if "command" in one] == warned
