"""Which registry, and with which token: flag, then environment, then user file, then project file, then default.

A token never follows a URL that it was not given for. Saved tokens are kept by origin; a token from a flag or the
environment is not sent to a URL that a project file names, because whoever writes that file would receive it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from registry.cli import credentials

DEFAULT_URL = "http://127.0.0.1:5000"
USER_FILE = "config.toml"
PROJECT_FILE = ".registry.toml"


@dataclass(frozen=True, slots=True)
class Target:
    """A registry and what to show it.

    ``source`` says where the URL comes from, ``saved`` that a login saved the token.
    """

    url: str
    source: str
    token: str | None = field(default=None, repr=False)
    insecure: bool = False
    saved: bool = False


def user_directory() -> Path:
    """Where this user's configuration lives."""
    from registry.client import credentials as shared

    return shared.user_directory()


def resolve(
    *, url: str | None, token: str | None, insecure: bool, environ: Mapping[str, str], cwd: Path, home: Path
) -> Target:
    """Decide the registry and the token. Raises UsageError for a file or a combination that cannot be meant."""
    from registry.client import credentials as shared
    from registry.client import origins

    found, source = locate(url=url, environ=environ, cwd=cwd, home=home)
    try:
        address = origins.normalised(found)
    except ValueError as error:
        raise click.UsageError(f"The registry's URL (from {source}): {error}.") from error
    given = token or credentials.from_environment(environ)
    if given and source.endswith(PROJECT_FILE):
        raise click.UsageError(
            f"{source} names the registry {address}. A token from a flag or the environment is not sent to an address"
            " from a project file: name the registry with --url or REGISTRY_URL too."
        )
    found_token = given or credentials.load(home).get(origins.origin(address))
    saved = not given and found_token is not None
    return Target(address, source, found_token, insecure or shared.insecure(environ), saved)


def locate(*, url: str | None, environ: Mapping[str, str], cwd: Path, home: Path) -> tuple[str, str]:
    """The registry's URL and where it comes from."""
    if url:
        return url, "--url"
    if environ.get("REGISTRY_URL"):
        return environ["REGISTRY_URL"], "REGISTRY_URL"
    if named := _url_in(home / USER_FILE):
        return named, str(home / USER_FILE)
    for directory in (cwd, *cwd.parents):
        if named := _url_in(directory / PROJECT_FILE):
            return named, str(directory / PROJECT_FILE)
    return DEFAULT_URL, "the default"


def remember_url(home: Path, url: str) -> None:
    """Make *url* the user file's registry, leaving its other lines as they are."""
    path = home / USER_FILE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    entry = f"url = {json.dumps(url)}"
    changed, replaced = re.subn(r"(?m)^url\s*=.*$", lambda _: entry, text, count=1)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(changed if replaced else f"{entry}\n{text}", encoding="utf-8")


def _url_in(path: Path) -> str | None:
    """The URL that a configuration file names, or None without a file."""
    try:
        text = path.read_text(encoding="utf-8")
        found: Mapping[str, Any] = tomllib.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.UsageError(f"{path}: {error}.") from error
    if "token" in found or "tokens" in found:
        raise click.UsageError(f"{path} holds a token. Revoke it, remove it there, and use: registry login")
    if unknown := sorted(found.keys() - {"url"}):
        raise click.UsageError(f"{path}: {', '.join(unknown)} is not a setting; there is only url.")
    url = found.get("url")
    if url is not None and not isinstance(url, str):
        raise click.UsageError(f"{path}: url must be text.")
    return url
