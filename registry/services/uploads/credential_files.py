"""Refusal of files with credentials, in MLflow's artifact proxy and in what the service copies itself."""

from __future__ import annotations

from collections.abc import Mapping

from registry.domain.errors import Invalid
from registry.rules import credentials
from registry.rules.listing import listed

SETTING = "have the registry's operator allow such files (REGISTRY_ALLOW_SECRETS=true)"
OPTION = "allow them for this import (--allow-secrets, allow_secrets)"


def require_none(path: str, content: bytes) -> None:
    """Raise Invalid when the file at *path* holds credentials by its name or by its *content*.

    *content* is all of the file, or any byte of one that is larger than what is searched.
    """
    if kind := credentials.held_by(path, content):
        raise Invalid.whole(
            f"{path!r} holds credentials: {kind}. Every reader of the registry could read it. Leave it out of what is "
            f"logged, or {SETTING}"
        )


def refusal(kinds: Mapping[str, str], *, remedy: str) -> str:
    """Return why a source is not copied that has the files of *kinds*, each with what it holds."""
    return (
        f"these files hold credentials: {listed([f'{path} ({what})' for path, what in kinds.items()])}. "
        f"Every reader of the version could read them. Remove them from the source, or {remedy}"
    )
