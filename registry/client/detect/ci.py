"""Which run this is and which code it runs, from what CI systems put into the environment.

Pull requests are built from a merge that exists only inside CI; the commit to remember is the head that somebody wrote.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

Environ = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Detected:
    """``run`` and ``code`` as the API takes them; None where nothing is known."""

    run: dict[str, Any] | None = None
    code: dict[str, Any] | None = None


def detect(environ: Environ) -> Detected:
    """The CI run around this process; nothing outside GitHub Actions, GitLab CI and Jenkins."""
    for present, read in SYSTEMS:
        if present(environ):
            return read(environ)
    return Detected()


def public_repository(url: str) -> str:
    """*url* of a repository without user names, passwords, tokens and query.

    ``git@host:team/repo`` keeps its user: that one is part of the address and no secret.
    """
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    user = f"{parts.username}@" if parts.scheme in ("ssh", "git+ssh") and parts.username else ""
    return urlunsplit((parts.scheme, f"{user}{host}{port}", parts.path, "", ""))


def _github(environ: Environ) -> Detected:
    server, repository = environ.get("GITHUB_SERVER_URL", "https://github.com"), environ.get("GITHUB_REPOSITORY")
    run_id = environ.get("GITHUB_RUN_ID")
    repo = f"{server}/{repository}" if repository else None
    url = f"{repo}/actions/runs/{run_id}" if repo and run_id else None
    commit = _pull_request_head(environ) or environ.get("GITHUB_SHA")
    return Detected(_run("github_actions", run_id, url), _code(repo, commit))


def _gitlab(environ: Environ) -> Detected:
    # The pipeline, not the job: a job that is retried gets a new id and is still the same run.
    url = environ.get("CI_JOB_URL") or environ.get("CI_PIPELINE_URL")
    commit = environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or environ.get("CI_COMMIT_SHA")
    repo = environ.get("CI_PROJECT_URL") or environ.get("CI_REPOSITORY_URL")
    run_id = environ.get("CI_PIPELINE_ID") or environ.get("CI_JOB_ID")
    return Detected(_run("gitlab_ci", run_id, url), _code(repo, commit))


def _jenkins(environ: Environ) -> Detected:
    commit = environ.get("ghprbActualCommit") or environ.get("GITHUB_PR_HEAD_SHA") or environ.get("GIT_COMMIT")
    repo = environ.get("GIT_URL") or environ.get("GIT_URL_1")
    return Detected(_run("jenkins", environ.get("BUILD_TAG"), environ.get("BUILD_URL")), _code(repo, commit))


SYSTEMS: tuple[tuple[Callable[[Environ], bool], Callable[[Environ], Detected]], ...] = (
    (lambda environ: environ.get("GITHUB_ACTIONS") == "true", _github),
    (lambda environ: environ.get("GITLAB_CI") == "true", _gitlab),
    (lambda environ: bool(environ.get("JENKINS_URL") and environ.get("BUILD_TAG")), _jenkins),
)


def _run(system: str, run_id: str | None, url: str | None) -> dict[str, Any] | None:
    if not run_id:
        return None
    return {"system": system, "id": run_id, **({"url": url} if url else {})}


def _code(repo: str | None, commit: str | None) -> dict[str, Any] | None:
    address = public_repository(repo) if repo else ""
    if not address:
        return None
    return {"repo": address, **({"commit": commit} if commit else {})}


def _pull_request_head(environ: Environ) -> str | None:
    """The head commit of a GitHub pull request; GITHUB_SHA is a merge that nobody can check out later."""
    if not environ.get("GITHUB_EVENT_NAME", "").startswith("pull_request"):
        return None
    try:
        event = json.loads(Path(environ.get("GITHUB_EVENT_PATH", "")).read_text(encoding="utf-8"))
        head = event["pull_request"]["head"]["sha"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return head if isinstance(head, str) else None
