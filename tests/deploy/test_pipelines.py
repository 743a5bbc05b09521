"""The GitHub action and the GitLab component: their scripts as a runner would run them, against a real service."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.conftest import SECRET
from tests.support.databases import Database
from tests.support.processes import environment
from tests.support.servers import Caller, Fleet, Launcher, running_fleet

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
STEP = DEPLOY / "ci" / "step.sh"
ACTION = yaml.safe_load((DEPLOY / "github-action" / "action.yml").read_text())
SPEC, COMPONENT = yaml.safe_load_all((DEPLOY / "gitlab" / "registry.yml").read_text())
(JOB,) = COMPONENT.values()
HOSTILE = """it's "fine" $(touch pwned) `touch pwned`; touch pwned | & > pwned \\ %0A ${HOME} *
--dry-run
::warning::not ours"""


@dataclass(frozen=True)
class Ended:
    """What a step left behind."""

    code: int
    printed: str
    found: Mapping[str, str]
    summary: str


@pytest.fixture(scope="module")
def fleet(
    databases: Callable[[str], Database], launcher: Launcher, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    database = databases("sqlite")
    database.reset()
    settings = {"database_url": database.url, "token": database.tokens["all"], "secret": SECRET}
    with running_fleet(launcher, tmp_path_factory.mktemp("fleet"), **settings) as fleet:
        yield fleet


@pytest.fixture
def caller(fleet: Fleet) -> Iterator[Caller]:
    with fleet.caller() as caller:
        yield caller


@pytest.fixture
def github(fleet: Fleet, tmp_path: Path) -> Callable[..., Ended]:
    """Use the action with these inputs; the run is always the same one."""
    (tmp_path / "model.bin").write_bytes(os.urandom(16))

    def use(url: str = fleet.server.url, token: str = fleet.token, **given: str) -> Ended:
        inputs = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()}
        inputs |= {name.replace("_", "-"): value for name, value in {**given, "url": url, "token": token}.items()}
        assert inputs.keys() == ACTION["inputs"].keys()
        step = ACTION["runs"]["steps"][1]
        told = {name: re.sub(r"\$\{\{ inputs\.(.+?) \}\}", lambda match: inputs[match[1]], value)
                for name, value in step["env"].items()}  # fmt: skip
        files = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        runner = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_RUN_ID": "77",
            "GITHUB_REPOSITORY": "risk/fraud",
            "GITHUB_SHA": "a" * 40,
            "REGISTRY_RETRY_SECONDS": "2",  # not the minute for which a pipeline waits for a registry that restarts
        }
        runner |= {
            "GITHUB_ACTION_PATH": str(DEPLOY / "github-action"),
            **{name: str(file) for name, file in files.items()},
        }
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        return run(shell, tmp_path, runner | told, files["GITHUB_OUTPUT"], files["GITHUB_STEP_SUMMARY"])

    return use


@pytest.fixture
def gitlab(fleet: Fleet, tmp_path: Path) -> Callable[..., Ended]:
    """Run the component's job with these inputs."""
    (tmp_path / "model.bin").write_bytes(os.urandom(16))

    def use(token: str = fleet.token, **given: str) -> Ended:
        inputs = {name: str(one.get("default", "")) for name, one in SPEC["spec"]["inputs"].items()}
        inputs |= {name.replace("_", "-"): value for name, value in given.items()}
        told = {name: re.sub(r"\$\[\[ inputs\.(.+?) \]\]", lambda match: inputs[match[1]], value)
                for name, value in JOB["variables"].items()}  # fmt: skip
        runner = {"GITLAB_CI": "true", "CI_PIPELINE_ID": "88", "CI_COMMIT_SHA": "b" * 40}
        runner["CI_PROJECT_URL"] = "https://gitlab.example/risk/fraud"
        runner |= {
            "REGISTRY_URL": fleet.server.url,
            "REGISTRY_TOKEN": token,
            "STEP_PACKAGE": told["STEP_PACKAGE"] or "none",
        }
        shell = ["bash", "-eo", "pipefail", "-c", "\n".join(JOB["script"])]
        return run(shell, tmp_path, {**told, **runner}, tmp_path / "registry.env", tmp_path / "none")

    return use


@pytest.fixture
def azure(fleet: Fleet, tmp_path: Path) -> Callable[..., Ended]:
    """Run a step of the pipeline with these variables; its outputs are read from what it prints."""

    def use(token: str, script: str, **variables: str) -> Ended:
        runner = {
            "TF_BUILD": "True",
            "BUILD_BUILDID": "99",
            "BUILD_SOURCEVERSION": "c" * 40,
            "BUILD_SOURCEBRANCH": "refs/heads/main",
            "BUILD_REPOSITORY_URI": "https://risk@dev.azure.com/risk/fraud/_git/fraud",
            "BUILD_REQUESTEDFOR": "Ann Lee",
        }
        shell = ["bash", "--noprofile", "--norc", "-c", script]
        told = {**variables, "REGISTRY_URL": fleet.server.url, "REGISTRY_TOKEN": token}
        ended = run(shell, tmp_path, {**runner, **told}, tmp_path / "none", tmp_path / "none")
        found = re.findall(
            r"^##vso\[task\.setvariable variable=(\w+);isOutput=true\](.*)$", ended.printed, re.MULTILINE
        )
        return Ended(ended.code, ended.printed, dict(found), "")

    return use


def run(shell: list[str], folder: Path, variables: Mapping[str, str], found: Path, summary: Path) -> Ended:
    done = subprocess.run(shell, cwd=folder, env=environment(**variables), capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert not (folder / "pwned").exists()
    lines = found.read_text().splitlines() if found.exists() else []
    return Ended(
        done.returncode,
        done.stdout,
        dict(line.split("=", 1) for line in lines),
        summary.read_text() if summary.exists() else "",
    )


def test_a_version_is_registered_once_by_a_run(github: Callable[..., Ended], caller: Caller) -> None:
    first = github(command="register", model="once", path="model.bin", metrics="auc=0.9\nloss=0.1", tags="team=risk")
    again = github(command="register", model="once", path="model.bin", metrics="auc=0.9\nloss=0.1", tags="team=risk")

    assert (first.code, first.printed) == (0, "::notice title=Model registry::Registered: once:1 (none)\n")
    assert first.found == {"version": "1", "reference": "once:1", "stage": "none", "created": "true", "changed": "true"}
    assert again.found == {**first.found, "created": "false", "changed": "false"}
    assert "<code>once:1</code>" in first.summary
    version = caller.get("/models/once/versions/1")
    assert (version["metrics"], version["tags"]) == ({"auc": 0.9, "loss": 0.1}, {"team": "risk"})
    assert version["lineage"]["run"]["id"] == "77"


def test_a_gate_fails_with_the_reason_and_changes_nothing(github: Callable[..., Ended], caller: Caller) -> None:
    github(command="register", model="gated", path="model.bin")

    early = github(command="gate", model="gated", version="1", to="production")
    allowed = github(command="gate", version="gated:1", to="staging")

    reason = "version 1 cannot go from none to production; move it to staging first"
    assert (early.code, early.printed) == (6, f"::error title=Model registry::gate: {reason}\n")
    assert (early.found, reason in early.summary) == ({}, True)
    assert (allowed.code, allowed.found["stage"], allowed.found["changed"]) == (0, "staging", "true")
    assert caller.get("/models/gated/versions/1")["stage"] == "none"


def test_a_version_is_promoted_unless_another_holds_the_stage(github: Callable[..., Ended], caller: Caller) -> None:
    github(command="register", model="moved", path="model.bin")
    staged = github(command="promote", version="moved:1", to="staging", reason=HOSTILE)

    late = github(command="promote", version="moved:1", to="production", expected_current="9")

    assert (staged.code, staged.found["stage"]) == (0, "staging")
    assert caller.get("/models/moved/history")["items"][0]["reason"] == HOSTILE
    assert late.code == 5
    assert late.printed.startswith("::error title=Model registry::promote: ")


def test_an_archived_version_is_not_brought_back_by_a_pipeline(github: Callable[..., Ended], caller: Caller) -> None:
    github(command="register", model="old", path="model.bin")
    caller.make("PUT", "/models/old/versions/1/stage", {"stage": "archived", "reason": "replaced"})

    again = github(command="promote", model="old", version="1", to="staging")

    assert (again.code, "is archived" in again.printed) == (6, True)
    assert caller.get("/models/old/versions/1")["stage"] == "archived"


@pytest.mark.parametrize("system", ["github", "gitlab", "azure"])
def test_the_example_goes_to_production_with_a_writers_and_a_promoters_token(
    fleet: Fleet, caller: Caller, tmp_path: Path, request: pytest.FixtureRequest, system: str
) -> None:
    model = f"example-{system}"
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_bytes(os.urandom(9))
    (tmp_path / "metrics.json").write_text('{"auc": 0.9}')
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(os.urandom(9))
    tokens = {role: caller.make("POST", "/tokens", {"owner": f"ci-{role}", "roles": [role]})["token"]
              for role in ("writer", "promoter")}  # fmt: skip
    steps = {"github": workflow_steps, "gitlab": pipeline_steps, "azure": stage_steps}[system](tokens)
    found: dict[str, str] = {}

    for step in steps(found):
        given = {name: value.replace("fraud", model) for name, value in step.items()}
        ended = request.getfixturevalue(system)(**{name.replace("-", "_"): value for name, value in given.items()})
        assert ended.code == 0, ended.printed
        found.update(ended.found)

    history = caller.get(f"/models/{model}/history")["items"]
    assert [(entry["action"], entry["actor"]["name"]) for entry in history[:3]] == [
        ("version.promoted", "ci-promoter"), ("version.promoted", "ci-writer"), ("version.registered", "ci-writer"),
    ]  # fmt: skip
    assert caller.get(f"/models/{model}/stages/production")["number"] == 1


def workflow_steps(tokens: Mapping[str, str]) -> Callable[[Mapping[str, str]], Iterator[dict[str, str]]]:
    """The steps of GitHub's example that use the action, each with its expressions replaced."""
    workflow = yaml.safe_load((DEPLOY / "github-action" / "example.yml").read_text())

    def steps(found: Mapping[str, str]) -> Iterator[dict[str, str]]:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("secrets."):
                return tokens[name.removeprefix("secrets.REGISTRY_").removesuffix("_TOKEN").lower()]
            return found[name.rpartition(".")[2]] if ".outputs." in name else name

        for job in workflow["jobs"].values():
            for step in job["steps"]:
                if "github-action" in step.get("uses", ""):
                    given = {name: text for name, text in step["with"].items() if name != "url"}
                    yield {name: re.sub(r"\$\{\{ (.+?) \}\}", value, text) for name, text in given.items()}

    return steps


def pipeline_steps(tokens: Mapping[str, str]) -> Callable[[Mapping[str, str]], Iterator[dict[str, str]]]:
    """The jobs of GitLab's example that use the component; the environment of a job decides which token it has."""
    pipeline = yaml.safe_load((DEPLOY / "gitlab" / "example.yml").read_text())

    def steps(found: Mapping[str, str]) -> Iterator[dict[str, str]]:
        for part in pipeline["include"]:
            released = pipeline.get(part["inputs"]["job-name"], {}).get("environment") == "production"
            given = {
                name: re.sub(r"\$(REGISTRY_\w+)", lambda match: found[match[1]], text)
                for name, text in part["inputs"].items()
                if name not in {"package", "stage", "job-name"}
            }
            yield {**given, "token": tokens["promoter" if released else "writer"]}

    return steps


def stage_steps(tokens: Mapping[str, str]) -> Callable[[Mapping[str, str]], Iterator[dict[str, str]]]:
    """The steps of Azure's example that run the script, each with its macros replaced."""
    pipeline = yaml.safe_load((DEPLOY / "azure" / "example.yml").read_text())
    variables = {"Pipeline.Workspace": "/workspace", "Build.SourceBranchName": "main", "Build.BuildId": "99"}

    def steps(found: Mapping[str, str]) -> Iterator[dict[str, str]]:
        for stage in pipeline["stages"]:
            (job,) = stage["jobs"]
            given = {one["name"]: one["value"] for one in stage["variables"] if "name" in one}
            for step in job["steps"] if "job" in job else job["strategy"]["runOnce"]["deploy"]["steps"]:
                if "step.sh" not in step.get("bash", ""):
                    continue
                # Stages know each other's outputs by expression, steps of a job by the name of the step.
                known = {name: re.sub(r"\$\[ .*\['\w+\.(\w+)'\] \]", lambda match: found[match[1]], text)
                         for name, text in given.items()}  # fmt: skip
                known |= {f"registered.{name}": value for name, value in found.items()} | variables
                known |= {f"REGISTRY_{role.upper()}_TOKEN": token for role, token in tokens.items()}
                known["REGISTRY_URL"] = ""
                env = {name: re.sub(r"\$\((.+?)\)", lambda match: known[match[1]], text)  # noqa: B023 -- used here
                       for name, text in step["env"].items()}  # fmt: skip
                env.pop("REGISTRY_URL")
                script = step["bash"].replace("$(Pipeline.Workspace)/model-registry", str(ROOT))
                yield {**env, "token": env.pop("REGISTRY_TOKEN"), "script": script}

    return steps


def test_an_input_is_never_read_as_code(github: Callable[..., Ended], caller: Caller, tmp_path: Path) -> None:
    odd = tmp_path / "a $(touch pwned) 'file'"
    odd.write_text("bytes")

    made = github(
        command="register",
        model="- $(touch pwned) `it's`",
        path=odd.name,
        description=HOSTILE,
        tags="a=$(touch pwned)\nb=`x` 'y' \"z\"\n\nc=; touch pwned",
    )

    assert made.code == 0, made.printed
    version = caller.get("/models/-%20$(touch%20pwned)%20%60it's%60/versions/1")
    assert version["description"] == HOSTILE
    assert version["tags"] == {"a": "$(touch pwned)", "b": "`x` 'y' \"z\"", "c": "; touch pwned"}


def test_a_message_cannot_give_orders_to_the_runner(tmp_path: Path) -> None:
    program = tmp_path / "registry"
    program.write_text("#!/bin/sh\nprintf 'bad\\n::add-mask::x\\r::warning::100%%\\n' >&2\nexit 7\n")
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    told = {"STEP_COMMAND": "gate", "STEP_VERSION": "a:1", "STEP_TO": "staging", "GITHUB_ACTIONS": "true"}

    ended = subprocess.run([STEP], env={"PATH": path, **told}, capture_output=True, check=False)

    message = b"::error title=Model registry::gate: bad%0A::add-mask::x%0A::warning::100%25\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, message, b"")


def test_warnings_of_a_step_that_succeeds_are_shown(tmp_path: Path, fleet: Fleet) -> None:
    runner = {"STEP_COMMAND": "register", "STEP_MODEL": "warned", "STEP_PATH": "model.bin", "STEP_DESCRIPTION": "",
              "REGISTRY_URL": fleet.server.url, "REGISTRY_TOKEN": fleet.token}  # fmt: skip
    (tmp_path / "model.bin").write_bytes(b"1")
    actions = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "78"}  # without a repository there is no commit
    outside = {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}

    for system, words in (({}, "warning: the commit is not recorded: "),
                          (actions, "::warning title=Model registry::the commit is not recorded: ")):  # fmt: skip
        ended = run(
            ["bash", str(STEP)], tmp_path, {**runner, **system, **outside}, tmp_path / "none", tmp_path / "none"
        )
        assert (ended.code, ended.printed.startswith(words)) == (0, True), ended.printed


def test_azure_gets_issues_and_outputs_and_no_command_of_a_message(
    azure: Callable[..., Ended], caller: Caller, fleet: Fleet
) -> None:
    step, hostile = f'"{STEP}"', "- 100%##vso[task.setvariable variable=x]"

    made = azure(fleet.token, step, STEP_COMMAND="register", STEP_MODEL=hostile, STEP_PATH="metrics.json")
    refused = azure(fleet.token, step, STEP_COMMAND="gate", STEP_VERSION=f"{hostile}:1", STEP_TO="production")

    assert (made.code, refused.code) == (2, 4)
    for ended in (made, refused):
        (line,) = ended.printed.splitlines()
        assert line.startswith("##vso[task.logissue type=error]Model registry: ")
        assert line.count("##vso[") == 1


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"command": "gate", "version": "none:1", "to": "staging"}, 4, "none"),
        ({"command": "gate", "version": "none:1", "to": "staging", "token": "mrp_wrong"}, 3, "gate: "),
        (
            {"command": "gate", "version": "none:1", "to": "staging", "url": "http://127.0.0.1:9"},
            8,
            "cannot be reached",
        ),
        ({"command": "register", "model": "none"}, 2, "the input path is needed for register"),
        ({"command": "promote", "version": "1", "to": "staging"}, 2, "the input model is needed for promote"),
        ({"command": "destroy"}, 2, "the input command must be register, promote or gate"),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_a_failure_has_its_exit_code_and_says_why(
    github: Callable[..., Ended], given: dict[str, str], code: int, words: str
) -> None:
    ended = github(**given)

    assert ended.code == code
    assert ended.printed.startswith("::error title=Model registry::")
    assert words in ended.printed


def test_the_component_registers_and_gates(gitlab: Callable[..., Ended], caller: Caller) -> None:
    made = gitlab(command="register", model="labelled", path="model.bin", description=HOSTILE)
    refused = gitlab(command="gate", version="labelled:1", to="production")

    assert (made.code, made.printed) == (0, "Registered: labelled:1 (none)\n")
    assert made.found["REGISTRY_REFERENCE"] == "labelled:1"
    assert made.found["REGISTRY_CREATED"] == "true"
    assert caller.get("/models/labelled/versions/1")["description"] == HOSTILE
    assert (refused.code, "move it to staging first" in refused.printed) == (6, True)
