from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from registry.client import detect
from registry.client.detect import ci, git, public_repository
from tests.support import git_repositories
from tests.support.git_repositories import run_git

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/fraud",
    "GITHUB_RUN_ID": "41",
    "GITHUB_RUN_NUMBER": "3",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_SHA": "merge",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_ACTOR": "ann",
    "GITHUB_TRIGGERING_ACTOR": "bob",
    "GITHUB_REF_NAME": "main",
    "GITHUB_REF_TYPE": "branch",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PIPELINE_ID": "812",
    "CI_JOB_ID": "9001",
    "CI_JOB_URL": "https://gitlab.example/acme/fraud/-/jobs/9001",
    "CI_PROJECT_URL": "https://gitlab.example/acme/fraud",
    "CI_COMMIT_SHA": "c0ffee",
    "CI_COMMIT_BRANCH": "main",
    "GITLAB_USER_LOGIN": "ann",
}
JENKINS = {
    "JENKINS_URL": "https://jenkins.example/",
    "BUILD_TAG": "jenkins-fraud-7",
    "BUILD_URL": "https://jenkins.example/job/fraud/7/",
    "GIT_URL": "https://bot:s3cret@git.example/acme/fraud.git",
    "GIT_COMMIT": "decade",
    "GIT_BRANCH": "origin/main",
    "BUILD_USER_ID": "ann",
}
AZURE = {
    "TF_BUILD": "True",
    "BUILD_BUILDID": "99",
    "BUILD_SOURCEVERSION": "merge",
    "BUILD_SOURCEBRANCH": "refs/heads/topic/x",
    "BUILD_REPOSITORY_URI": "https://acme@dev.azure.com/acme/Risk%20Team/_git/fraud",
    "BUILD_REQUESTEDFOR": "Ann Lee",
    "SYSTEM_COLLECTIONURI": "https://dev.azure.com/acme/",
    "SYSTEM_TEAMPROJECT": "Risk Team",
}
CIRCLECI = {
    "CIRCLECI": "true",
    "CIRCLE_PIPELINE_ID": "p-1",
    "CIRCLE_WORKFLOW_ID": "w-1",
    "CIRCLE_BUILD_URL": "https://circleci.com/gh/acme/fraud/17",
    "CIRCLE_SHA1": "c0ffee",
    "CIRCLE_BRANCH": "main",
    "CIRCLE_USERNAME": "ann",
    "CIRCLE_REPOSITORY_URL": "git@github.com:acme/fraud.git",
}
BUILDKITE = {
    "BUILDKITE": "true",
    "BUILDKITE_BUILD_ID": "b-1",
    "BUILDKITE_BUILD_URL": "https://buildkite.com/acme/fraud/builds/5",
    "BUILDKITE_BUILD_CREATOR": "Ann Lee",
    "BUILDKITE_REPO": "git@github.com:acme/fraud.git",
    "BUILDKITE_COMMIT": "a" * 40,
    "BUILDKITE_BRANCH": "main",
}
BITBUCKET = {
    "BITBUCKET_BUILD_NUMBER": "5",
    "BITBUCKET_PIPELINE_UUID": "{p-1}",
    "BITBUCKET_REPO_FULL_NAME": "acme/fraud",
    "BITBUCKET_GIT_HTTP_ORIGIN": "http://bitbucket.org/acme/fraud",
    "BITBUCKET_COMMIT": "c0ffee",
    "BITBUCKET_BRANCH": "main",
    "BITBUCKET_STEP_TRIGGERER_UUID": "{ann}",
}
CODEBUILD = {
    "CODEBUILD_BUILD_ID": "fraud:b1e6661e",
    "CODEBUILD_BUILD_URL": "https://console.aws.amazon.com/codesuite/codebuild/x",
    "CODEBUILD_INITIATOR": "ann",
    "CODEBUILD_SOURCE_REPO_URL": "https://github.com/acme/fraud.git",
    "CODEBUILD_RESOLVED_SOURCE_VERSION": "a" * 40,
    "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/main",
}
SAGEMAKER = {
    "TRAINING_JOB_NAME": "fraud-2026",
    "TRAINING_JOB_ARN": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/fraud-2026",
}
AIRFLOW = {"AIRFLOW_CTX_DAG_ID": "train", "AIRFLOW_CTX_DAG_RUN_ID": "manual__2026-01-02T03:04:05+00:00"}
ARGO = {"ARGO_NODE_ID": "fraud-x7k2p-1234567890"}
KUBEFLOW = {"KFP_POD_NAME": "fraud-x7k2p-system-container-impl-1234", **ARGO}

ON_GITHUB = {"repo": "https://github.com/acme/fraud", "commit": "merge", "branch": "main"}
ON_GITLAB = {"repo": "https://gitlab.example/acme/fraud", "commit": "c0ffee", "branch": "main"}
ON_JENKINS = {"repo": "https://git.example/acme/fraud.git", "commit": "decade", "branch": "main"}
ON_AZURE = {"repo": "https://dev.azure.com/acme/Risk%20Team/_git/fraud", "commit": "merge", "branch": "topic/x"}
GIT = "git@github.com:acme/fraud.git"
RUNS = "https://github.com/acme/fraud/actions/runs/41"


def of(system: str, id: str, url: str | None = None, actor: str | None = None) -> dict[str, str]:
    """A run as the API takes it."""
    said = {"system": system, "id": id, "url": url, "triggered_by": actor}
    return {name: value for name, value in said.items() if value}


@pytest.mark.parametrize(
    ("environ", "run", "code"),
    [
        ({}, None, None),
        ({"CI": "true"}, None, None),
        ({"GITHUB_ACTIONS": "true"}, None, None),
        ({"BUILD_TAG": "v7"}, None, None),
        (GITHUB, of("github_actions", "41", RUNS, "ann"), ON_GITHUB),
        (GITHUB | {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1"}, of("github_actions", "41", RUNS, "ann"),
         {"repo": "https://github.com/acme/fraud", "commit": "merge"}),
        (GITHUB | {"GITHUB_SERVER_URL": "https://ghe.example", "GITHUB_RUN_ATTEMPT": "3"},
         of("github_actions", "41", "https://ghe.example/acme/fraud/actions/runs/41", "ann"),
         ON_GITHUB | {"repo": "https://ghe.example/acme/fraud"}),
        (GITHUB | {"GITEA_ACTIONS": "true", "GITHUB_SERVER_URL": "https://gitea.example"},
         of("gitea_actions", "41", "https://gitea.example/acme/fraud/actions/runs/3", "ann"),
         ON_GITHUB | {"repo": "https://gitea.example/acme/fraud"}),
        (GITHUB | {"GITEA_ACTIONS": "true", "FORGEJO_ACTIONS": "true", "GITHUB_SERVER_URL": "https://codeberg.org"},
         of("forgejo_actions", "41", "https://codeberg.org/acme/fraud/actions/runs/3", "ann"),
         ON_GITHUB | {"repo": "https://codeberg.org/acme/fraud"}),
        (GITLAB, of("gitlab_ci", "812", GITLAB["CI_JOB_URL"], "ann"), ON_GITLAB),
        (GITLAB | {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "head", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "topic",
                   "CI_JOB_ID": "9002"},
         of("gitlab_ci", "812", GITLAB["CI_JOB_URL"], "ann"), ON_GITLAB | {"commit": "head", "branch": "topic"}),
        (GITLAB | {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": ""}, of("gitlab_ci", "812", GITLAB["CI_JOB_URL"], "ann"),
         ON_GITLAB),
        (JENKINS, of("jenkins", "jenkins-fraud-7", JENKINS["BUILD_URL"], "ann"), ON_JENKINS),
        (JENKINS | {"ghprbActualCommit": "head"}, of("jenkins", "jenkins-fraud-7", JENKINS["BUILD_URL"], "ann"),
         ON_JENKINS | {"commit": "head"}),
        (JENKINS | {"GITHUB_PR_HEAD_SHA": "head", "BRANCH_NAME": "PR-7", "CHANGE_BRANCH": "topic"},
         of("jenkins", "jenkins-fraud-7", JENKINS["BUILD_URL"], "ann"),
         ON_JENKINS | {"commit": "head", "branch": "topic"}),
        (AZURE, of("azure_pipelines", "99", "https://dev.azure.com/acme/Risk%20Team/_build/results?buildId=99",
                   "Ann Lee"), ON_AZURE),
        (AZURE | {"SYSTEM_PULLREQUEST_SOURCECOMMITID": "head", "BUILD_SOURCEBRANCH": "refs/pull/7/merge",
                  "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/pr"},
         of("azure_pipelines", "99", "https://dev.azure.com/acme/Risk%20Team/_build/results?buildId=99", "Ann Lee"),
         ON_AZURE | {"commit": "head", "branch": "pr"}),
        (CIRCLECI, of("circleci", "p-1", CIRCLECI["CIRCLE_BUILD_URL"], "ann"),
         {"repo": GIT, "commit": "c0ffee", "branch": "main"}),
        (BUILDKITE, of("buildkite", "b-1", BUILDKITE["BUILDKITE_BUILD_URL"], "Ann Lee"),
         {"repo": GIT, "commit": "a" * 40, "branch": "main"}),
        (BUILDKITE | {"BUILDKITE_COMMIT": "HEAD"},
         of("buildkite", "b-1", BUILDKITE["BUILDKITE_BUILD_URL"], "Ann Lee"), {"repo": GIT, "branch": "main"}),
        (BITBUCKET, of("bitbucket_pipelines", "{p-1}", "https://bitbucket.org/acme/fraud/pipelines/results/5", "{ann}"),
         {"repo": "http://bitbucket.org/acme/fraud", "commit": "c0ffee", "branch": "main"}),
        (CODEBUILD, of("aws_codebuild", "fraud:b1e6661e", CODEBUILD["CODEBUILD_BUILD_URL"], "ann"),
         {"repo": "https://github.com/acme/fraud.git", "commit": "a" * 40, "branch": "main"}),
        (CODEBUILD | {"CODEBUILD_SOURCE_REPO_URL": "bucket/key.zip"},
         of("aws_codebuild", "fraud:b1e6661e", CODEBUILD["CODEBUILD_BUILD_URL"], "ann"), None),
        (SAGEMAKER, of("sagemaker", "fraud-2026", "https://eu-west-1.console.aws.amazon.com/sagemaker/home"
                       "?region=eu-west-1#/jobs/fraud-2026"), None),
        (AIRFLOW, of("airflow", "train/manual__2026-01-02T03:04:05+00:00"), None),
        (ARGO, of("argo_workflows", "fraud-x7k2p-1234567890"), None),
        (ARGO | {"ARGO_WORKFLOW_NAME": "fraud-x7k2p"}, of("argo_workflows", "fraud-x7k2p"), None),
        (KUBEFLOW, of("kubeflow_pipelines", "fraud-x7k2p-1234567890"), None),
        (KUBEFLOW | {"KFP_RUN_ID": "r-1"}, of("kubeflow_pipelines", "r-1"), None),
    ],
    ids=lambda value: value.get("system") if isinstance(value, dict) and "system" in value else "",
)  # fmt: skip
def test_the_run_the_person_and_the_code_are_found(
    environ: dict[str, str], run: dict[str, Any] | None, code: dict[str, Any] | None
) -> None:
    job = ci.job(environ)

    assert (job and job.described(), job and job.code()) == (run, code)


def test_long_runs_are_cut_and_stay_apart() -> None:
    named = {"repo": "https://h/r", "url": "https://h/" + "u" * 2040, "actor": "a" * 300, "branch": "b" * 300}
    jobs = [ci.Job("airflow", "d" * 300 + end, **named) for end in "ab"]
    first, second = (job.described() for job in jobs)

    assert first is not None
    assert second is not None
    assert (len(first["id"]), len(second["id"])) == (255, 255)
    assert first["id"] != second["id"]
    assert ("url" in first, first["triggered_by"]) == (False, "a" * 255)
    assert jobs[0].code() == {"repo": "https://h/r", "branch": "b" * 255}
    assert ci.Job("airflow", "d", repo="https://h/" + "r" * 510).code() is None


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target", "pull_request_review"])
def test_a_pull_request_is_its_head_and_not_the_merge(tmp_path: Path, name: str) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"sha": "head"}}}))
    request = {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(event), "GITHUB_REF_NAME": "7/merge"}

    job = ci.job(GITHUB | request | {"GITHUB_HEAD_REF": "topic"})

    assert job is not None
    assert job.code() == {"repo": "https://github.com/acme/fraud", "commit": "head", "branch": "topic"}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"pull_request": null}', '{"pull_request": {"head": {"sha": 1}}}'])
def test_an_event_that_cannot_be_read_leaves_the_merge(tmp_path: Path, text: str) -> None:
    event = tmp_path / "event.json"
    event.write_text(text)

    job = ci.job(GITHUB | {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event)})

    assert job is not None
    assert job.code() == ON_GITHUB


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
    assert public_repository(url) == public


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit on the branch ``topic``, a subdirectory and a model that is not tracked."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    top = tmp_path / "fraud-training"
    (top / "jobs").mkdir(parents=True)
    (top / "jobs" / "train.py").write_text("print()\n")
    git_repositories.checkout(top)
    (top / "model").mkdir()
    return top


def test_outside_of_ci_git_names_the_code(checkout: Path) -> None:
    run_git(checkout, "remote", "add", "origin", "https://me:pw@git.example/acme/fraud.git")
    commit = run_git(checkout, "rev-parse", "HEAD")

    clean = git.describe(checkout / "model", checkout / "jobs")
    (checkout / "model" / "model.bin").write_bytes(b"1")
    (checkout / "jobs" / "train.py").write_text("print(1)\n")
    run_git(checkout, "checkout", "-q", "--detach")
    dirty = git.describe(checkout / "model", checkout)
    run_git(checkout, "remote", "rename", "origin", "upstream")
    renamed, _ = git.describe(checkout / "model", checkout)

    repo = "https://git.example/acme/fraud.git"
    assert clean == ({"repo": repo, "commit": commit, "branch": "topic", "path": "jobs", "dirty": False}, None)
    assert dirty == ({"repo": repo, "commit": commit, "dirty": True}, None)
    assert renamed is not None
    assert renamed["repo"] == repo


def test_a_new_model_does_not_make_the_code_dirty(checkout: Path, tmp_path: Path) -> None:
    (checkout / "model" / "model.bin").write_bytes(b"1")
    (tmp_path / "model").mkdir()

    code, problem = git.describe(tmp_path / "model", checkout)  # the working directory counts, the model lies elsewhere

    assert problem is None
    assert code is not None
    assert (code["repo"], code["dirty"]) == ("fraud-training", False)  # the directory's name stands for a remote


def test_a_submodule_with_another_commit_or_with_changes_makes_the_code_dirty(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "code.py").write_text("1\n")
    git_repositories.checkout(tmp_path / "library")
    run_git(checkout, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "library"))
    run_git(checkout, "config", "-f", ".gitmodules", "submodule.library.ignore", "all")
    run_git(checkout, "add", ".gitmodules")
    run_git(checkout, *git_repositories.AUTHOR, "commit", "-q", "-m", "x")
    inner = checkout / "library"

    def dirty() -> bool | None:
        code, _ = git.describe(checkout / "model", checkout)
        return code and code["dirty"]

    (inner / "untracked").write_text("")
    clean = dirty()
    (inner / "code.py").write_text("2\n")
    changed = dirty()
    run_git(inner, *git_repositories.AUTHOR, "commit", "-q", "-a", "-m", "y")

    assert (clean, changed, dirty()) == (False, True, True)


def test_a_shallow_clone_has_its_commit(checkout: Path, tmp_path: Path) -> None:
    run_git(checkout, *git_repositories.AUTHOR, "commit", "-q", "--allow-empty", "-m", "y")
    run_git(tmp_path, "clone", "-q", "--depth", "1", checkout.as_uri(), "shallow")

    code, problem = git.describe(tmp_path / "shallow", tmp_path)

    assert (tmp_path / "shallow" / ".git" / "shallow").exists()
    assert (code and code["commit"], code and code["dirty"]) == (run_git(checkout, "rev-parse", "HEAD"), False)
    assert problem is None


def test_a_job_that_names_no_commit_has_gits(checkout: Path) -> None:
    commit = run_git(checkout, "rev-parse", "HEAD")
    run_git(checkout, "checkout", "-q", "--detach")

    airflow = detect.around(checkout / "model", environ=AIRFLOW, cwd=checkout)
    buildkite = detect.around(checkout / "model", environ=BUILDKITE | {"BUILDKITE_COMMIT": "HEAD"}, cwd=checkout)
    github = detect.around(checkout / "model", environ=GITHUB, cwd=checkout)

    found = {"repo": "fraud-training", "commit": commit, "dirty": False}
    assert (airflow.run, airflow.code) == (of("airflow", "train/manual__2026-01-02T03:04:05+00:00"), found)
    assert buildkite.code == {**found, "branch": "main"}
    assert (github.code, github.problem) == (ON_GITHUB, None)


def test_a_checkout_runs_none_of_its_programs(checkout: Path, tmp_path: Path) -> None:
    program = tmp_path / "monitor"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    program.chmod(0o755)
    run_git(checkout, "config", "core.fsmonitor", str(program))

    code, problem = git.describe(checkout / "model", checkout)

    assert (code is not None, problem, (tmp_path / "ran").exists()) == (True, None, False)
    run_git(checkout, "status")
    assert (tmp_path / "ran").exists()  # git itself runs it


def test_gits_reasons_are_read_in_any_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text(
        '#!/bin/sh\n[ "$LC_ALL" = C ] && echo "fatal: not a git repository" >&2 || echo "fatal: kein Repository" >&2\n'
        "exit 128\n"
    )
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")

    assert git.describe(tmp_path, tmp_path)[1] == (
        f"no git checkout is around {tmp_path}: give it with --repo and --commit (code= in Python)"
    )


def test_a_commit_that_cannot_be_found_has_a_reason_with_the_remedy(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "empty").mkdir()
    run_git(tmp_path / "empty", "init", "-q")
    (tmp_path / "broken" / ".git").mkdir(parents=True)
    (tmp_path / "broken" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / "broken" / ".git" / "config").write_text("[core\n")
    for name in ("objects", "refs"):
        (tmp_path / "broken" / ".git" / name).mkdir()

    outside = detect.around(tmp_path / "model", environ={}, cwd=tmp_path)
    unborn = detect.around(tmp_path / "empty", environ=AIRFLOW, cwd=tmp_path)
    broken = detect.around(tmp_path / "broken", environ={}, cwd=checkout)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    foreign = detect.around(checkout / "model", environ={}, cwd=checkout)
    monkeypatch.setenv("PATH", "")
    without = detect.around(checkout / "model", environ={}, cwd=checkout)

    remedy = "give it with --repo and --commit (code= in Python)"
    assert outside.problem == f"no git checkout is around {tmp_path / 'model'}: {remedy}"
    assert unborn.problem == f"the checkout {tmp_path / 'empty'} has no commit yet: commit, or {remedy}"
    assert broken.problem is not None
    assert "bad config" in broken.problem
    trust = f"git config --global --add safe.directory '{checkout}'"
    assert foreign.problem == (
        f"git refuses the checkout {checkout}, which belongs to another user. Run {trust}, or {remedy}"
    )
    assert without.problem == f"git is not installed here: install it, or {remedy}"
    assert all(found.code is None for found in (outside, unborn, broken, foreign, without))
    assert unborn.run is not None
