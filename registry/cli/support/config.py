"""The registry and the token of a command line, as ``registry.client.http.target`` decides them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from registry.client.http.target import RegistryTarget


def user_directory() -> Path | None:
    """Return where this user's configuration lives; None for a user without a home."""
    from registry.client.http import credentials as shared

    return shared.user_directory()


def own_directory() -> Path:
    """Return where this user's configuration lives. Raises UsageError for a user without a home."""
    directory = user_directory()
    if directory is None:
        raise click.UsageError(
            "This user has no home directory where a token could be kept. Set HOME or XDG_CONFIG_HOME;"
            " or set REGISTRY_URL and REGISTRY_TOKEN, which need no login."
        )
    return directory


def working_directory() -> Path:
    """Return the working directory, or the root where it was removed."""
    from registry.client.files import paths

    return paths.working_directory()


def resolve(
    *,
    url: str | None,
    token: str | None,
    insecure: bool,
    environ: Mapping[str, str],
    cwd: Path,
    home: Path | None,
    ca_file: str | None = None,
) -> RegistryTarget:
    """Decide the registry and the token. Raises UsageError for a file or a combination that cannot be meant."""
    from registry.client.http import target

    try:
        return target.resolve(
            url=url, token=token, insecure=insecure, environ=environ, cwd=cwd, home=home, ca_file=ca_file
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def locate(*, url: str | None, environ: Mapping[str, str], cwd: Path, home: Path | None) -> tuple[str, str]:
    """Return the registry's URL and where it comes from. Raises UsageError for a file that cannot be meant."""
    from registry.client.http import target

    try:
        return target.locate(url=url, environ=environ, cwd=cwd, home=home)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def ca_file(environ: Mapping[str, str], home: Path | None) -> str | None:
    """Return the file of a private CA that the user's file names, None where REGISTRY_CA_FILE names one.

    Raises UsageError.
    """
    from registry.client.http import target

    try:
        return target.ca_file_of(environ, home)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def remember(home: Path, name: str, value: str) -> None:
    """Set *name* in the user file, leaving its other lines as they are."""
    from registry.client.http.target import USER_FILE

    path = home / USER_FILE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    entry = f"{name} = {json.dumps(value)}"
    changed, replaced = re.subn(rf"(?m)^{name}\s*=.*$", lambda _: entry, text, count=1)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(changed if replaced else f"{entry}\n{text}", encoding="utf-8")
