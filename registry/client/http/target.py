"""Resolution of the registry and its token: argument, then environment, user file, project file, default.

A token never follows a URL that it was not given for. Saved tokens are kept by origin; a token from an argument or the
environment is not sent to a URL that a project file names, because the author of that file would receive it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.client.http import certificates, credentials, urls

DEFAULT_URL = "http://127.0.0.1:5000"
USER_FILE = "config.toml"
PROJECT_FILE = ".registry.toml"
_PROJECT_SETTINGS = frozenset({"url"})  # whose author does not decide which certificates this machine trusts
_USER_SETTINGS = frozenset({"url", "ca_file"})


@dataclass(frozen=True, slots=True)
class RegistryTarget:
    """A registry and the token for it.

    ``source`` is where the URL comes from, ``saved`` is set when a login saved the token. ``ca_file`` is trusted in
    place of REGISTRY_CA_FILE.
    """

    url: str
    source: str
    token: str | None = field(default=None, repr=False)
    insecure: bool = False
    saved: bool = False
    ca_file: str | None = None


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
    """Decide the registry and the token. Raises ValueError for a file or a combination that cannot be meant."""
    registry_url, source = locate(url=url, environ=environ, cwd=cwd, home=home)
    try:
        address = urls.normalised(registry_url)
    except ValueError as error:
        raise ValueError(f"The registry's URL (from {source}): {error}.") from error
    credential = token or credentials.environment_token(environ)
    if credential and source.endswith(PROJECT_FILE):
        raise ValueError(
            f"{source} names the registry {address}. A token from a flag or the environment is not sent to an address"
            " from a project file: name the registry with --url or REGISTRY_URL too."
        )
    found_token = credential or credentials.saved(home).get(urls.origin(address))
    saved = not credential and found_token is not None
    trusted = ca_file or ca_file_of(environ, home)
    return RegistryTarget(address, source, found_token, insecure or credentials.insecure(environ), saved, trusted)


def ca_file_of(environ: Mapping[str, str], home: Path | None) -> str | None:
    """Return the file of a private CA that the user's file names, None where REGISTRY_CA_FILE names one.

    Raises ValueError.
    """
    if home is None or environ.get(certificates.VARIABLE) or not os.access(home / USER_FILE, os.R_OK):
        return None  # HOME may be of another user, and the environment name all that is needed
    return _read_config(home / USER_FILE, _USER_SETTINGS).get("ca_file")


def locate(*, url: str | None, environ: Mapping[str, str], cwd: Path, home: Path | None) -> tuple[str, str]:
    """Return the registry's URL and where it comes from. Raises ValueError for a file that cannot be meant."""
    if url:
        return url, "--url"
    if environ.get("REGISTRY_URL"):
        return environ["REGISTRY_URL"], "REGISTRY_URL"
    if home and (named := _read_config(home / USER_FILE, _USER_SETTINGS).get("url")):
        return named, str(home / USER_FILE)
    for directory in (cwd, *cwd.parents):
        if named := _read_config(directory / PROJECT_FILE, _PROJECT_SETTINGS).get("url"):
            return named, str(directory / PROJECT_FILE)
    return DEFAULT_URL, "the default"


def _read_config(path: Path, known: frozenset[str]) -> Mapping[str, str]:
    """Return the settings of a configuration file, empty without a file. Raises ValueError for others than *known*."""
    try:
        text = path.read_text(encoding="utf-8")
        document: Mapping[str, Any] = tomllib.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}.") from error
    if "token" in document or "tokens" in document:
        raise ValueError(f"{path} holds a token. Revoke it, remove it there, and use: registry login")
    if unknown := sorted(document.keys() - known):
        allowed = " and ".join(sorted(known, reverse=True))
        raise ValueError(f"{path}: {', '.join(unknown)} is not a setting; there is only {allowed}.")
    if wrong := [name for name, value in document.items() if not isinstance(value, str)]:
        raise ValueError(f"{path}: {wrong[0]} must be text.")
    return document
