"""The token that this machine has for a registry: in the environment, or saved by ``registry login``.

Saved tokens are kept by origin, in one file that only its owner can read.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

FILE = "credentials.json"

_TRUE = frozenset({"1", "true", "yes", "on"})


def user_directory() -> Path | None:
    """Return where this user's configuration lives; None for a user without a home, as in some containers."""
    import platformdirs

    try:
        directory = Path(platformdirs.user_config_dir("model-registry", appauthor=False))
    except RuntimeError:
        return None
    return directory if directory.is_absolute() else None  # ~ stays as it is in earlier releases of platformdirs


def environment_token(environ: Mapping[str, str]) -> str | None:
    """REGISTRY_TOKEN, or what the file REGISTRY_TOKEN_FILE holds. Raises ValueError."""
    token, path = environ.get("REGISTRY_TOKEN"), environ.get("REGISTRY_TOKEN_FILE")
    if token and path:
        raise ValueError("REGISTRY_TOKEN and REGISTRY_TOKEN_FILE are both set; keep one.")
    if not path:
        return token.strip() if token else None
    try:
        return Path(path).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise ValueError(f"REGISTRY_TOKEN_FILE: {path}: {reason}.") from error


def insecure(environ: Mapping[str, str]) -> bool:
    """Return whether the environment lets a token travel over plain http."""
    return flag(environ, "REGISTRY_INSECURE")


def flag(environ: Mapping[str, str], name: str) -> bool:
    """Return whether the variable *name* is set to 1, true, yes or on."""
    return environ.get(name, "").lower() in _TRUE


def saved(directory: Path | None) -> dict[str, str]:
    """Return tokens by origin, none without a *directory*.

    Raises ValueError when others can read the file, or it is malformed.
    """
    if directory is None:
        return {}
    path = directory / FILE
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
                raise ValueError(f"{path} can be read by others. chmod 600 it, and revoke its tokens if they did.")
            document = _parse_json(path, file.read())
    except FileNotFoundError:
        return {}
    if not isinstance(document, dict) or not all(isinstance(token, str) for token in document.values()):
        raise ValueError(f"{path} does not map origins to tokens. Remove it and log in again.")
    return document


def _parse_json(path: Path, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} is not readable as JSON. Remove it and log in again.") from error
