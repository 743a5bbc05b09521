"""The files of the GitHub action and the GitLab component: what they install, their inputs and schemas."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.test_pipelines import ACTION, DEPLOY, JOB, ROOT, SPEC, STEP, azure, fleet, gitlab
from tests.support import tool_environments

__all__ = ["azure", "fleet", "gitlab"]  # fixtures


def test_the_component_refuses_to_guess_what_to_install(tmp_path: Path) -> None:
    ended = installing(JOB["script"][0], tmp_path, STEP_PACKAGE="")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "for example git+https://" in ended.stderr


def test_the_action_installs_its_own_release_by_default(tmp_path: Path) -> None:
    step, action = ACTION["runs"]["steps"][0], str(DEPLOY / "github-action")

    default = installing(step["run"], tmp_path, STEP_PACKAGE="", GITHUB_ACTION_PATH=action)

    given = default.stdout.splitlines()[-1]
    assert step["if"] == "inputs.package != 'none'"
    assert Path(given).resolve() == ROOT
    assert tomllib.loads((Path(given) / "pyproject.toml").read_text())["project"]["name"] == "model-registry"


@pytest.mark.parametrize("script", [ACTION["runs"]["steps"][0]["run"], JOB["script"][0]], ids=["action", "component"])
def test_what_is_given_is_installed_as_it_is(script: str, tmp_path: Path) -> None:
    given = "git+https://git.example/model-registry@v0.1.0; $(touch pwned)"

    ended = installing(script, tmp_path, STEP_PACKAGE=given, GITHUB_ACTION_PATH="/none")

    assert ended.stdout.splitlines() == ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--", given]


def installing(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run *script* where Python only prints its arguments."""
    python = folder / "python3"
    python.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    python.chmod(0o755)
    given = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", **variables}
    shell = ["bash", "-eo", "pipefail", "-c", script]
    return subprocess.run(shell, cwd=folder, env=given, capture_output=True, text=True, check=False)


def test_nothing_of_ours_is_taken_from_an_index_of_packages() -> None:
    pages = [ROOT / "README.md", *(path for path in DEPLOY.rglob("*") if path.suffix in {".md", ".yml", ".yaml"})]
    by_name = re.compile(r"pip install[^`#\n]*[\s'\"]model-registry(?!\S*\s*@)|model-registry==")

    assert [path.name for path in pages if by_name.search(path.read_text())] == []


def test_the_component_holds_the_script_line_for_line() -> None:
    assert JOB["script"][1] == STEP.read_text()


def test_no_input_is_written_into_a_script() -> None:
    assert not any("${{" in step["run"] for step in ACTION["runs"]["steps"])
    assert not any("$[[" in line for line in JOB["script"])


def test_the_action_and_the_component_take_the_same_inputs() -> None:
    of_the_action = set(ACTION["inputs"]) - {"url", "token"}
    of_the_component = set(SPEC["spec"]["inputs"]) - {"stage", "job-name", "image"}

    assert of_the_action == of_the_component
    variables = {name for step in ACTION["runs"]["steps"] for name in step["env"]}
    assert {f"STEP_{name.upper().replace('-', '_')}" for name in of_the_action} <= variables & JOB["variables"].keys()


def test_the_examples_use_only_what_there_is() -> None:
    workflow = yaml.safe_load((DEPLOY / "github-action" / "example.yml").read_text())
    steps = [
        step for job in workflow["jobs"].values() for step in job["steps"] if "github-action" in step.get("uses", "")
    ]
    pipeline = yaml.safe_load((DEPLOY / "gitlab" / "example.yml").read_text())

    assert steps
    assert all(step["with"].keys() <= ACTION["inputs"].keys() for step in steps)
    assert all(part["inputs"].keys() <= SPEC["spec"]["inputs"].keys() for part in pipeline["include"])
    assert [pipeline["train"]["stage"], *(part["inputs"]["stage"] for part in pipeline["include"])] == pipeline[
        "stages"
    ]
    assert all(part["inputs"]["package"] for part in pipeline["include"])  # the component does not guess it
    outputs = re.findall(r"steps\.\w+\.outputs\.(\w+)", str(workflow))
    assert outputs
    assert set(outputs) <= ACTION["outputs"].keys()


def test_everything_is_as_the_schemas_of_the_systems_have_it(tmp_path: Path) -> None:
    component = tmp_path / "component.yml"
    component.write_text(yaml.dump({"job": JOB}))
    checks: list[tuple[str, list[str], Path]] = [
        ("github-actions", [], DEPLOY / "github-action" / "action.yml"),
        ("github-workflows", [], DEPLOY / "github-action" / "example.yml"),
        ("gitlab-ci", ["--data-transform", "gitlab-ci"], DEPLOY / "gitlab" / "example.yml"),
        ("gitlab-ci", ["--data-transform", "gitlab-ci"], component),
        (
            "azure-pipelines",
            ["--data-transform", "azure-pipelines", "--regex-variant", "python"],
            DEPLOY / "azure" / "example.yml",
        ),
    ]

    for schema, options, path in checks:
        problems = schema_problems(schema, path, *options)
        assert problems == "", f"{path.name}: {problems}"


def test_the_schema_refuses_a_word_that_github_does_not_know(tmp_path: Path) -> None:
    wrong: dict[str, Any] = {**ACTION, "runs": {**ACTION["runs"], "usings": "composite"}}
    (tmp_path / "action.yml").write_text(yaml.dump(wrong))

    assert "usings" in schema_problems("github-actions", tmp_path / "action.yml")


def test_shellcheck_finds_nothing_in_any_script() -> None:
    scripts = [*sorted(DEPLOY.rglob("*.sh")), ROOT / ".ci" / "run"]
    program = [tool_environments.validator("shellcheck"), *scripts]

    checked = subprocess.run(program, capture_output=True, text=True, check=False)

    assert STEP in scripts
    assert (checked.returncode, checked.stdout) == (0, "")


def schema_problems(schema: str, path: Path, *options: str) -> str:
    program = [tool_environments.validator("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", *options, path]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
