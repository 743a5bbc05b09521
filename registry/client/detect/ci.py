"""The run and the code of this process, from the variables that CI systems and orchestrators set.

A run is the unit that a system executes again as a whole (a pipeline, not a job). A retried job is still the same run.
Pull requests are built from a merge that exists only inside CI: the commit is the head of the branch.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from registry.client.detect.addresses import public_repository
from registry.rules import lineage_limits

if TYPE_CHECKING:
    from registry.client.types import Code, Run

Environ = Mapping[str, str]
ANY_SYSTEM = ("CI", "JENKINS_URL", "TEAMCITY_VERSION")
_FALSE = frozenset({"", "0", "false", "no"})
_HASH = re.compile(r"[0-9a-f]{7,64}\Z")


@dataclass(frozen=True, slots=True)
class Job:
    """Values of a system's variables.

    ``run`` is what the system executes, ``actor`` the login or name that started it.

    An empty text or None means unknown.
    """

    system: str
    run: str | None
    url: str | None = None
    actor: str | None = None
    repo: str | None = None
    commit: str | None = None
    branch: str | None = None

    def described(self) -> Run | None:
        """Return the run as the API takes it."""
        if not self.run:
            return None
        run: Run = {"system": self.system, "id": _fitting(self.run)}
        if self.url and len(self.url) <= lineage_limits.URI_LENGTH:
            run["url"] = self.url
        if self.actor:
            run["triggered_by"] = self.actor[: lineage_limits.ID_LENGTH]
        return run

    def code(self) -> Code | None:
        """Return the code as the API takes it; None without a repository."""
        address = public_repository(self.repo) if self.repo else ""
        if not 0 < len(address) <= lineage_limits.REPO_LENGTH:
            return None
        code: Code = {"repo": address}
        if self.commit:
            code["commit"] = self.commit
        if self.branch:
            code["branch"] = self.branch[: lineage_limits.ID_LENGTH]
        return code


def job(environ: Environ) -> Job | None:
    """Return the job around this process; None outside of the systems in SYSTEMS."""
    return next((read(environ) for present, read in SYSTEMS if present(environ)), None)


def unattended(environ: Environ) -> bool:
    """Return whether a CI system or an orchestrator runs this process: one of SYSTEMS, or another by ANY_SYSTEM."""
    return any(present(environ) for present, _ in SYSTEMS) or any(
        environ.get(name, "").lower() not in _FALSE for name in ANY_SYSTEM
    )


def _github(environ: Environ) -> Job:
    """GitHub Actions: docs.github.com/actions/reference/workflows-and-actions/variables.

    GITHUB_ACTOR started the first attempt; another person may start a later one.
    """
    repo, run = _github_repository(environ), environ.get("GITHUB_RUN_ID")
    url = f"{repo}/actions/runs/{run}" if repo and run else None
    return _like_github(environ, "github_actions", url)


def _gitea(environ: Environ) -> Job:
    """Return the job of Gitea and Forgejo Actions, which set GitHub's variables too.

    gitea.com/gitea/act_runner, app/run/runner.go (GITEA_ACTIONS), code.forgejo.org/forgejo/runner (FORGEJO_ACTIONS).
    Their pages are found by the run's number.
    """
    repo, number = _github_repository(environ), environ.get("GITHUB_RUN_NUMBER")
    url = f"{repo}/actions/runs/{number}" if repo and number else None
    return _like_github(environ, "forgejo_actions" if environ.get("FORGEJO_ACTIONS") else "gitea_actions", url)


def _like_github(environ: Environ, system: str, url: str | None) -> Job:
    on_branch = environ.get("GITHUB_REF_TYPE", "branch") == "branch"
    return Job(
        system,
        environ.get("GITHUB_RUN_ID"),
        url,
        actor=environ.get("GITHUB_ACTOR"),
        repo=_github_repository(environ),
        commit=_pull_request_head(environ) or environ.get("GITHUB_SHA"),
        branch=environ.get("GITHUB_HEAD_REF") or (environ.get("GITHUB_REF_NAME") if on_branch else None),
    )


def _github_repository(environ: Environ) -> str | None:
    server, repository = environ.get("GITHUB_SERVER_URL", "https://github.com"), environ.get("GITHUB_REPOSITORY")
    return f"{server}/{repository}" if repository else None


def _gitlab(environ: Environ) -> Job:
    """GitLab CI: docs.gitlab.com/ci/variables/predefined_variables."""
    return Job(
        "gitlab_ci",
        environ.get("CI_PIPELINE_ID") or environ.get("CI_JOB_ID"),
        environ.get("CI_JOB_URL") or environ.get("CI_PIPELINE_URL"),
        actor=environ.get("GITLAB_USER_LOGIN"),
        repo=environ.get("CI_PROJECT_URL") or environ.get("CI_REPOSITORY_URL"),
        commit=environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or environ.get("CI_COMMIT_SHA"),
        branch=environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or environ.get("CI_COMMIT_BRANCH"),
    )


def _azure(environ: Environ) -> Job:
    """Azure Pipelines: learn.microsoft.com/azure/devops/pipelines/build/variables; a dot in a name is ``_`` here."""
    collection, project = environ.get("SYSTEM_COLLECTIONURI"), environ.get("SYSTEM_TEAMPROJECT")
    run = environ.get("BUILD_BUILDID")
    url = None
    if collection and project and run:
        url = f"{collection.rstrip('/')}/{quote(project)}/_build/results?buildId={run}"
    return Job(
        "azure_pipelines",
        run,
        url,
        actor=environ.get("BUILD_REQUESTEDFOR"),
        repo=environ.get("BUILD_REPOSITORY_URI"),
        commit=environ.get("SYSTEM_PULLREQUEST_SOURCECOMMITID") or environ.get("BUILD_SOURCEVERSION"),
        branch=_branch(environ.get("SYSTEM_PULLREQUEST_SOURCEBRANCH") or environ.get("BUILD_SOURCEBRANCH")),
    )


def _circleci(environ: Environ) -> Job:
    """Return the job of CircleCI: circleci.com/docs/reference/variables.

    CIRCLE_REPOSITORY_URL and CIRCLE_USERNAME are not set for every version control system.
    """
    return Job(
        "circleci",
        environ.get("CIRCLE_PIPELINE_ID") or environ.get("CIRCLE_WORKFLOW_ID"),
        environ.get("CIRCLE_BUILD_URL"),
        actor=environ.get("CIRCLE_USERNAME"),
        repo=environ.get("CIRCLE_REPOSITORY_URL"),
        commit=environ.get("CIRCLE_SHA1"),
        branch=environ.get("CIRCLE_BRANCH"),
    )


def _buildkite(environ: Environ) -> Job:
    """Buildkite: buildkite.com/docs/pipelines/configure/environment-variables. BUILDKITE_COMMIT may be ``HEAD``."""
    return Job(
        "buildkite",
        environ.get("BUILDKITE_BUILD_ID"),
        environ.get("BUILDKITE_BUILD_URL"),
        actor=environ.get("BUILDKITE_BUILD_CREATOR"),
        repo=environ.get("BUILDKITE_REPO"),
        commit=_commit_hash(environ.get("BUILDKITE_COMMIT")),
        branch=environ.get("BUILDKITE_BRANCH"),
    )


def _bitbucket(environ: Environ) -> Job:
    """Bitbucket Pipelines: support.atlassian.com/bitbucket-cloud/docs/variables-and-secrets.

    The person is known by an id only, BITBUCKET_STEP_TRIGGERER_UUID.
    """
    name, number = environ.get("BITBUCKET_REPO_FULL_NAME"), environ.get("BITBUCKET_BUILD_NUMBER")
    page = f"https://bitbucket.org/{name}/pipelines/results/{number}" if name and number else None
    return Job(
        "bitbucket_pipelines",
        environ.get("BITBUCKET_PIPELINE_UUID") or (f"{name}/{number}" if name and number else None),
        page,
        actor=environ.get("BITBUCKET_STEP_TRIGGERER_UUID"),
        repo=environ.get("BITBUCKET_GIT_HTTP_ORIGIN"),
        commit=environ.get("BITBUCKET_COMMIT"),
        branch=environ.get("BITBUCKET_BRANCH"),
    )


def _codebuild(environ: Environ) -> Job:
    """AWS CodeBuild: docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html.

    The version is a commit for git, an id or an ARN for S3 and CodePipeline; the repository is then no address of git.
    """
    repo = environ.get("CODEBUILD_SOURCE_REPO_URL", "")
    return Job(
        "aws_codebuild",
        environ.get("CODEBUILD_BUILD_ID"),
        environ.get("CODEBUILD_PUBLIC_BUILD_URL") or environ.get("CODEBUILD_BUILD_URL"),
        actor=environ.get("CODEBUILD_INITIATOR"),
        repo=repo if "://" in repo else None,
        commit=_commit_hash(environ.get("CODEBUILD_RESOLVED_SOURCE_VERSION")),
        branch=_branch(environ.get("CODEBUILD_WEBHOOK_HEAD_REF")),
    )


def _jenkins(environ: Environ) -> Job:
    """Return the job of Jenkins, by the variables that ``/env-vars.html`` of a server lists.

    The plugins Git, GitHub Pull Request Builder and Build User Vars (plugins.jenkins.io/build-user-vars-plugin) add
    some of them.
    """
    branch = environ.get("CHANGE_BRANCH") or environ.get("BRANCH_NAME") or environ.get("GIT_LOCAL_BRANCH")
    return Job(
        "jenkins",
        environ.get("BUILD_TAG"),
        environ.get("BUILD_URL"),
        actor=environ.get("BUILD_USER_ID"),
        repo=environ.get("GIT_URL") or environ.get("GIT_URL_1"),
        commit=environ.get("ghprbActualCommit") or environ.get("GITHUB_PR_HEAD_SHA") or environ.get("GIT_COMMIT"),
        branch=branch or environ.get("GIT_BRANCH", "").removeprefix("origin/"),
    )


def _sagemaker(environ: Environ) -> Job:
    """Return the training job of SageMaker.

    *How Amazon SageMaker AI Runs Your Training Image* in docs.aws.amazon.com/sagemaker, and the job_name of
    github.com/aws/sagemaker-training-toolkit, environment.py.
    """
    region = environ.get("TRAINING_JOB_ARN", "").split(":")[3:4] or [""]
    name = environ.get("TRAINING_JOB_NAME")
    page = f"https://{region[0]}.console.aws.amazon.com/sagemaker/home?region={region[0]}#/jobs/{name}"
    return Job("sagemaker", name, page if region[0] else None)


def _airflow(environ: Environ) -> Job:
    """Return the task of Airflow. The id of a run is unique within its DAG only.

    airflow.apache.org/docs/apache-airflow-providers-standard/stable/operators/bash.html and
    airflow/utils/operator_helpers.py.
    """
    dag, run = environ.get("AIRFLOW_CTX_DAG_ID"), environ.get("AIRFLOW_CTX_DAG_RUN_ID")
    return Job("airflow", f"{dag}/{run}" if dag and run else None)


def _kubeflow(environ: Environ) -> Job:
    """Kubeflow Pipelines: github.com/kubeflow/pipelines, backend/src/v2/compiler/argocompiler/common.go (KFP_POD_NAME).

    A pipeline sets KFP_RUN_ID itself, from ``dsl.PIPELINE_JOB_ID_PLACEHOLDER``. Without it the run is named by Argo.
    """
    return Job("kubeflow_pipelines", environ.get("KFP_RUN_ID") or _argo(environ).run or environ.get("KFP_POD_NAME"))


def _argo(environ: Environ) -> Job:
    """Argo Workflows: github.com/argoproj/argo-workflows, common/common.go and controller/workflowpod.go.

    Earlier releases than 4 name only the node, which is one attempt of one step.
    """
    return Job("argo_workflows", environ.get("ARGO_WORKFLOW_NAME") or environ.get("ARGO_NODE_ID"))


def _says(name: str, *values: str) -> Callable[[Environ], bool]:
    """Return whether a variable is set, or to one of *values*."""
    return lambda environ: environ.get(name) in values if values else bool(environ.get(name))


SYSTEMS: tuple[tuple[Callable[[Environ], bool], Callable[[Environ], Job]], ...] = (
    (_says("GITEA_ACTIONS", "true"), _gitea),
    (_says("GITHUB_ACTIONS", "true"), _github),
    (_says("GITLAB_CI", "true"), _gitlab),
    (_says("TF_BUILD", "True", "true"), _azure),
    (_says("CIRCLECI", "true"), _circleci),
    (_says("BUILDKITE", "true"), _buildkite),
    (_says("BITBUCKET_BUILD_NUMBER"), _bitbucket),
    (_says("CODEBUILD_BUILD_ID"), _codebuild),
    (lambda environ: bool(environ.get("JENKINS_URL") and environ.get("BUILD_TAG")), _jenkins),
    (_says("TRAINING_JOB_NAME"), _sagemaker),
    (_says("AIRFLOW_CTX_DAG_RUN_ID"), _airflow),
    (_says("KFP_POD_NAME"), _kubeflow),
    (_says("ARGO_NODE_ID"), _argo),
)


def _commit_hash(text: str | None) -> str | None:
    return text if text and _HASH.match(text) else None


def _branch(ref: str | None) -> str | None:
    """Return the branch of a git reference; None for a tag or a merge of a pull request."""
    if not ref or not ref.startswith("refs/"):
        return ref
    return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None


def _fitting(run: str) -> str:
    """Return an id that the API takes: one that is too long is cut, and its digest keeps it apart from others."""
    if len(run) <= lineage_limits.ID_LENGTH:
        return run
    digest = hashlib.sha256(run.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{run[: lineage_limits.ID_LENGTH - len(digest) - 1]}#{digest}"


def _pull_request_head(environ: Environ) -> str | None:
    """Return the head commit of a GitHub pull request; GITHUB_SHA is a merge that cannot be checked out later."""
    if not environ.get("GITHUB_EVENT_NAME", "").startswith("pull_request"):
        return None
    try:
        event = json.loads(Path(environ.get("GITHUB_EVENT_PATH", "")).read_text(encoding="utf-8"))
        head = event["pull_request"]["head"]["sha"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return head if isinstance(head, str) else None
