"""Paths of the artifact area: their rules, what is reserved, and their forms in URLs of MLflow's clients.

A path is compared byte by byte. It is used as it arrived and never decoded again. A path that is dangerous to a reader
that decodes it again is refused, as by MLflow's server.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from registry.domain.errors import Malformed
from registry.rules import paths

VERSIONS = "versions"
ROOT = "/api/2.0/mlflow-artifacts/artifacts"
_DRIVE = re.compile(r"[A-Za-z]:")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_LOGGED_MODEL = re.compile(r"(?:^|/)models/(m-[0-9a-f]{32})/artifacts/")
_RUN_FOLDER = re.compile(r"(?:^|/)[0-9a-f]{32}/artifacts/[^/]+(?=/)")
_LOGGED_SOURCE = re.compile(r"models:/{1,3}(m-[0-9a-f]{32})\Z")
_VERSION = re.compile(
    rf"{VERSIONS}/([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})/([1-9][0-9]{{0,9}})(?:/(.+))?\Z"
)
_LARGEST_NUMBER = 2**31 - 1
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class VersionPath:
    """A place in the view of versions: *path* is that of a file or directory in the manifest, empty for the top."""

    model_id: str
    number: int
    path: str


def problem(path: str) -> str | None:
    """Return why *path* cannot name a file or directory of the area, also one that an earlier release took."""
    if wrong := _problem(path):
        return wrong
    plain = paths.decoded(path)
    if plain is None:
        return f"must not be percent-encoded more than {paths.DECODINGS} times"
    if any(step.partition(";")[0] in {".", ".."} for step in plain.split("/")):
        return "must not contain the steps . or .., also not encoded or with parameters"
    if plain != path and _problem(plain):
        return "must not be one that is refused when it is decoded once more"
    return None


def _problem(path: str) -> str | None:
    if wrong := paths.containment_problem(path):
        return wrong
    if {"#", "?"} & set(path):
        return "must not contain '#' or '?'"
    if "\N{REPLACEMENT CHARACTER}" in path:
        return "must be UTF-8"
    if _DRIVE.match(path) or _SCHEME.match(path):
        return "must not begin with a drive letter or a scheme"
    return None


def require(path: str) -> str:
    """Return *path*. Raises Malformed, whose text begins as MLflow's, when it cannot be a path."""
    if wrong := problem(path):
        raise Malformed(f"Invalid path: it {wrong}")
    return path


def require_writable(path: str) -> str:
    """Return *path*. Raises Malformed for one that no version could have, or that is in the view of versions."""
    if wrong := paths.problem(require_removable(path)):
        raise Malformed(f"Invalid path: it {wrong}")
    return path


def require_removable(path: str) -> str:
    """Return *path*. Raises Malformed for one that cannot be, or is in the view of versions."""
    if require(path).partition("/")[0] == VERSIONS:
        raise Malformed(
            f"Invalid path: {VERSIONS}/… shows the files of registered versions, which never change; "
            "write elsewhere and register a new version from there"
        )
    return path


def parents(path: str) -> list[str]:
    """Return the directories above *path*, the topmost first."""
    steps = path.split("/")
    return ["/".join(steps[:depth]) for depth in range(1, len(steps))]


def below(directory: str) -> tuple[str, str]:
    """Return the bounds of the paths in *directory*, at any depth: from the first text, up to but not the second."""
    return f"{directory}/", f"{directory}0"  # 0 is what comes after a slash


def logged_model(path: str) -> str | None:
    """Return the id of the MLflow logged model of a file at *path*: it is in the path that clients choose."""
    match = _LOGGED_MODEL.search(path)
    return match[1] if match else None


def logged_model_root(path: str) -> str:
    """Return the directory of the logged model whose file *path* is."""
    match = _LOGGED_MODEL.search(path)
    if match is None:
        raise ValueError(f"{path!r} is no logged model's")
    return path[: match.end() - 1]


def run_folder(path: str) -> str | None:
    """Return the top folder of *path* within the artifacts of an MLflow run: what one call of a client logs."""
    match = _RUN_FOLDER.search(path)
    return path[: match.end()] if match else None


def logged_model_named(source: str) -> str | None:
    """Return the id in a source of the form ``models:/m-<32 hex digits>``."""
    match = _LOGGED_SOURCE.match(source)
    return match[1] if match else None


def version_path(path: str) -> VersionPath | None:
    """Read a path in the view of versions; None for one that shows no version."""
    match = _VERSION.match(path)
    if match is None or int(match[2]) > _LARGEST_NUMBER:
        return None
    return VersionPath(match[1], int(match[2]), match[3] or "")


def path_in(source: str, *, hosts: Collection[str]) -> str | None:
    """Return the path of an MLflow source in this area, served at *hosts*; None for other locations.

    *hosts* are ``name`` or ``name:port``, with the path prefix of the service, if any. The empty path is the area
    itself. An address may be percent-encoded or not, because clients differ.
    """
    with suppress(ValueError):
        address = urlsplit(source)
        if {"?", "#"} & set(source):
            return None
        path = _path_of(address, [host.lower() for host in hosts])
        return None if path is None else unquote(path).strip("/")
    return None


def _path_of(address: SplitResult, hosts: Collection[str]) -> str | None:
    place = address.netloc.lower()
    if address.scheme == "mlflow-artifacts":
        return address.path if not place or place in {host.partition("/")[0] for host in hosts} else None
    if address.scheme not in _DEFAULT_PORTS:
        return None
    place = place.removesuffix(_DEFAULT_PORTS[address.scheme])
    for host in hosts:
        name, slash, prefix = host.removesuffix(_DEFAULT_PORTS[address.scheme]).partition("/")
        root = f"{slash}{prefix}{ROOT}"
        if name == place and f"{address.path}/".startswith(f"{root}/"):
            return address.path[len(root) :]
    return None
