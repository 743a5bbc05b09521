"""Addresses of commits at the hosts of repositories whose forms are known.

These are GitHub, GitLab, Bitbucket, Codeberg and Azure DevOps, and hosts whose names begin with ``github.``,
``gitlab.``, ``gitea.`` or ``forgejo.``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

_COMMIT = re.compile(r"[0-9a-f]{7,64}\Z")
_REPOSITORY = re.compile(r"/[\w.-]+(?:/[\w.-]+)+\Z", re.ASCII)
_AZURE = "dev.azure.com"
_HOSTS = {
    "github.com": "github", "gitlab.com": "gitlab", "bitbucket.org": "bitbucket", "codeberg.org": "github",
    _AZURE: "azure",
}  # fmt: skip
_BEGINNINGS = {"github": "github", "gitlab": "gitlab", "gitea": "github", "forgejo": "github"}
_Form = tuple[str, Callable[[str, str], str]]  # what precedes a commit, and the part for two commits
_FORMS: Mapping[str, _Form] = {
    "github": ("commit", lambda first, last: f"compare/{first}...{last}"),  # Gitea and Forgejo have the same
    "gitlab": ("-/commit", lambda first, last: f"-/compare/{first}...{last}"),
    "bitbucket": ("commits", lambda first, last: f"branches/compare/{last}..{first}"),
    "azure": ("commit", lambda first, last: f"branchCompare?baseVersion=GC{first}&targetVersion=GC{last}"),
}


def commits_between(repository: str | None, first: str | None, last: str | None) -> str | None:
    """Return the address of the commits after *first* up to *last*; None for other hosts and other forms."""
    place = _parts_at_host(repository, first, last)
    return place and f"{place[0]}/{place[1][1](str(first), str(last))}"


def commit_at(repository: str | None, commit: str | None) -> str | None:
    """Return the address of a commit; None for other hosts and other forms."""
    place = _parts_at_host(repository, commit)
    return place and f"{place[0]}/{place[1][0]}/{commit}"


def _parts_at_host(repository: str | None, *commits: str | None) -> tuple[str, _Form] | None:
    if not repository or not repository.isprintable():
        return None
    if not all(commit and _COMMIT.match(commit) for commit in commits):
        return None
    try:
        parts = urlsplit(repository)
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    path = parts.path.removesuffix("/").removesuffix(".git")
    kind = _HOSTS.get(host) or _BEGINNINGS.get(host.partition(".")[0] if "." in host else "")
    has_user = parts.username is not None and host != _AZURE  # its addresses to clone from name the organisation
    if parts.scheme not in {"http", "https"} or kind is None or has_user or not _REPOSITORY.match(path):
        return None
    return f"{parts.scheme}://{host}{port}{quote(path)}", _FORMS[kind]


def identity(repository: str) -> str:
    """Return host and path of a repository, the same for its addresses over HTTPS and SSH: ``github.com/org/name``.

    The case of the host, a user, the port, ``.git`` and a ``/`` at the end make no difference.
    """
    address = repository.strip()
    _, scheme, rest = address.partition("://")
    place, _, path = (rest if scheme else address.replace(":", "/", 1)).partition("/")
    host = place.rpartition("@")[2]
    host = host.partition(":")[0] if scheme else host
    return f"{host.lower()}/{path.strip('/').removesuffix('.git').strip('/')}"
