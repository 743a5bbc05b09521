from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from registry.client.detect import ci, git
from tests.support.processes import environment

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/fraud",
    "GITHUB_RUN_ID": "41",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_SHA": "merge",
    "GITHUB_EVENT_NAME": "push",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PIPELINE_ID": "812",
    "CI_JOB_ID": "9001",
    "CI_JOB_URL": "https://gitlab.example/acme/fraud/-/jobs/9001",
    "CI_PROJECT_URL": "https://gitlab.example/acme/fraud",
    "CI_COMMIT_SHA": "c0ffee",
}
JENKINS = {
    "JENKINS_URL": "https://jenkins.example/",
    "BUILD_TAG": "jenkins-fraud-7",
    "BUILD_URL": "https://jenkins.example/job/fraud/7/",
    "GIT_URL": "https://bot:s3cret@git.example/acme/fraud.git",
    "GIT_COMMIT": "decade",
}


@pytest.mark.parametrize(
    ("environ", "run", "code"),
    [
        ({}, None, None),
        ({"CI": "true"}, None, None),
        (
            GITHUB,
            {"system": "github_actions", "id": "41", "url": "https://github.com/acme/fraud/actions/runs/41"},
            {"repo": "https://github.com/acme/fraud", "commit": "merge"},
        ),
        (
            GITHUB | {"GITHUB_SERVER_URL": "https://ghe.example", "GITHUB_RUN_ATTEMPT": "3"},
            {"system": "github_actions", "id": "41", "url": "https://ghe.example/acme/fraud/actions/runs/41"},
            {"repo": "https://ghe.example/acme/fraud", "commit": "merge"},
        ),
        (
            GITLAB,
            {"system": "gitlab_ci", "id": "812", "url": "https://gitlab.example/acme/fraud/-/jobs/9001"},
            {"repo": "https://gitlab.example/acme/fraud", "commit": "c0ffee"},
        ),
        (
            GITLAB | {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "head", "CI_JOB_ID": "9002"},
            {"system": "gitlab_ci", "id": "812", "url": "https://gitlab.example/acme/fraud/-/jobs/9001"},
            {"repo": "https://gitlab.example/acme/fraud", "commit": "head"},
        ),
        (
            GITLAB | {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": ""},
            {"system": "gitlab_ci", "id": "812", "url": "https://gitlab.example/acme/fraud/-/jobs/9001"},
            {"repo": "https://gitlab.example/acme/fraud", "commit": "c0ffee"},
        ),
        (
            JENKINS,
            {"system": "jenkins", "id": "jenkins-fraud-7", "url": "https://jenkins.example/job/fraud/7/"},
            {"repo": "https://git.example/acme/fraud.git", "commit": "decade"},
        ),
        (
            JENKINS | {"ghprbActualCommit": "head"},
            {"system": "jenkins", "id": "jenkins-fraud-7", "url": "https://jenkins.example/job/fraud/7/"},
            {"repo": "https://git.example/acme/fraud.git", "commit": "head"},
        ),
        (
            JENKINS | {"GITHUB_PR_HEAD_SHA": "head"},
            {"system": "jenkins", "id": "jenkins-fraud-7", "url": "https://jenkins.example/job/fraud/7/"},
            {"repo": "https://git.example/acme/fraud.git", "commit": "head"},
        ),
        ({"GITHUB_ACTIONS": "true"}, None, None),
    ],
    ids=lambda value: value.get("system") if isinstance(value, dict) and "system" in value else "",
)
def test_the_run_and_the_code_are_found(
    environ: dict[str, str], run: dict[str, Any] | None, code: dict[str, Any] | None
) -> None:
    assert ci.detect(environ) == ci.Detected(run, code)


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target", "pull_request_review"])
def test_a_pull_request_is_its_head_and_not_the_merge(tmp_path: Path, name: str) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"sha": "head"}}}))

    found = ci.detect(GITHUB | {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(event)})

    assert found.code == {"repo": "https://github.com/acme/fraud", "commit": "head"}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"pull_request": null}', '{"pull_request": {"head": {"sha": 1}}}'])
def test_an_event_that_cannot_be_read_leaves_the_merge(tmp_path: Path, text: str) -> None:
    event = tmp_path / "event.json"
    event.write_text(text)

    found = ci.detect(GITHUB | {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event)})

    assert found.code == {"repo": "https://github.com/acme/fraud", "commit": "merge"}


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://github.com/acme/fraud.git", "https://github.com/acme/fraud.git"),
        ("https://x-access-token:ghs_1@github.com/acme/fraud", "https://github.com/acme/fraud"),
        ("https://token@git.example:8443/a?private_token=1#x", "https://git.example:8443/a"),
        ("ssh://git@git.example:22/a.git", "ssh://git@git.example:22/a.git"),
        ("ssh://git:pw@git.example/a.git", "ssh://git@git.example/a.git"),
        ("git@github.com:acme/fraud.git", "git@github.com:acme/fraud.git"),
        ("https://a:b@[::1]:80/x", "https://[::1]:80/x"),
        ("https://a:b@host:port/x", ""),
        ("/srv/git/fraud.git", "/srv/git/fraud.git"),
    ],
)
def test_credentials_never_leave_with_an_address(url: str, public: str) -> None:
    assert ci.public_repository(url) == public


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit, a subdirectory and an ignored model."""
    top = tmp_path / "fraud-training"
    (top / "jobs").mkdir(parents=True)
    (top / "jobs" / "train.py").write_text("print()\n")
    commit = ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "x"]
    for command in (["init", "-q"], ["add", "."], commit):
        subprocess.run(["git", "-C", str(top), *command], check=True, env=environment())
    (top / "model").mkdir()
    return top


def test_outside_of_ci_git_says_which_code_it_was(checkout: Path) -> None:
    remote = ["remote", "add", "origin", "https://me:pw@git.example/acme/fraud.git"]
    subprocess.run(["git", "-C", str(checkout), *remote], check=True)
    commit = (checkout / ".git" / "refs" / "heads").glob("*").__next__().read_text().strip()

    code = git.describe(checkout / "model", checkout / "jobs")

    assert code == {"repo": "https://git.example/acme/fraud.git", "commit": commit, "path": "jobs", "dirty": False}


def test_a_changed_file_makes_the_code_dirty_and_a_new_model_does_not(checkout: Path) -> None:
    (checkout / "model" / "model.bin").write_bytes(b"1")
    clean = git.describe(checkout / "model", checkout)
    (checkout / "jobs" / "train.py").write_text("print(1)\n")
    dirty = git.describe(checkout / "model", checkout)

    assert clean is not None
    assert dirty is not None
    assert (clean["dirty"], dirty["dirty"]) == (False, True)
    assert "path" not in clean


def test_a_repository_without_a_remote_is_called_by_its_directorys_name(checkout: Path) -> None:
    code = git.describe(checkout / "model", checkout)

    assert code is not None
    assert code["repo"] == "fraud-training"


def test_the_working_directory_counts_when_the_model_lies_elsewhere(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()

    code = git.describe(tmp_path / "model", checkout)

    assert code is not None
    assert code["repo"] == "fraud-training"


def test_without_git_there_is_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git.describe(tmp_path, tmp_path) is None

    monkeypatch.setenv("PATH", "")
    assert git.describe(tmp_path, tmp_path) is None
