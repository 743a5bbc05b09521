"""Facts from the tags of an MLflow run, for the service and the client."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from registry.rules import lineage_limits

_REPO, _COMMIT, _NAME = "mlflow.source.git.repoURL", "mlflow.source.git.commit", "mlflow.source.name"


def code(tags: Mapping[str, str]) -> dict[str, str]:
    """Return ``repo``, ``commit`` and ``path`` of the run's source code, as far as the tags name them.

    A script or notebook is a path, also without a repository. Values that are too long are left out. Empty without
    repository and path: a commit alone identifies nothing.
    """
    repo, path = without_password(tags.get(_REPO, "")), without_password(tags.get(_NAME, ""))
    named = {
        "repo": repo if len(repo) <= lineage_limits.REPO_LENGTH else "",
        "commit": commit if len(commit := tags.get(_COMMIT, "")) <= lineage_limits.ID_LENGTH else "",
        "path": path if len(path) <= lineage_limits.PATH_LENGTH else "",
    }
    return {part: text for part, text in named.items() if text} if named["repo"] or named["path"] else {}


def without_password(address: str) -> str:
    """Return *address* without the user that it may name: every reader of the lineage gets it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "" if "://" in address else address
    if not parts.scheme or "@" not in parts.netloc:
        return address
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
