"""Packages that a requirements or lock file names, and what differs between two of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from registry.domain.comparison import Change

Form = Callable[[str], Iterator[tuple[str, str]]]
PACKAGES = 500  # that are listed
_LONGEST = 200  # characters of a version
_NAME = r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
_REQUIREMENT = re.compile(rf"{_NAME}\s*(?:\[[^\]]*\])?\s*((?:[=<>!~@]|\()[^;#]*)?(?:[;#].*)?\Z", re.ASCII)
_CONDA = re.compile(rf"\s*-\s*[\"']?(?:[\w.-]+::)?{_NAME}\s*([=<>!~][^\"'#]*)?[\"']?\s*(?:#.*)?\Z", re.ASCII)
_ENTRY = re.compile(r"(name|version)\s*=\s*\"([^\"]*)\"\s*\Z")
_SEPARATORS = re.compile(r"[-_.]+")
_HASHES = re.compile(r"\s+--hash.*|\s*\\\Z")


@dataclass(frozen=True, slots=True)
class ComparedPackage:
    """A package whose version differs; None in a file that does not name it."""

    name: str
    first: str | None
    other: str | None
    change: Change


def compare_packages(path: str, first: str, other: str) -> list[ComparedPackage] | None:
    """Return the packages that differ, by name; None for a file of another form, or one that names none."""
    before, after = packages(path, first), packages(path, other)
    if before is None or after is None or not (before or after):
        return None
    return [
        ComparedPackage(name, before.get(name), after.get(name), _kind(before.get(name), after.get(name)))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def packages(path: str, text: str) -> dict[str, str] | None:
    """Return the version of each package that the file names; None for a file of another form."""
    form = _form(path)
    if form is None:
        return None
    found: dict[str, str] = {}
    for name, version in form(text):
        key = _SEPARATORS.sub("-", name).lower()
        versions = [found[key]] if key in found else []
        found[key] = ", ".join([*versions, version.strip() or "any"])[:_LONGEST]
    return found


def _kind(first: str | None, other: str | None) -> Change:
    return Change.ADDED if first is None else Change.REMOVED if other is None else Change.CHANGED


def _form(path: str) -> Form | None:
    name = PurePosixPath(path).name.lower()
    if name == "pipfile.lock":
        return _pipfile
    if name in {"uv.lock", "poetry.lock", "pdm.lock"}:
        return _toml_lock
    if name in {"conda.yaml", "conda.yml", "environment.yaml", "environment.yml", "python_env.yaml"}:
        return _conda
    if name.endswith((".txt", ".in", ".lock")) and "require" in name:
        return _requirements
    return None


def _requirements(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if match := _REQUIREMENT.match(_HASHES.sub("", line.strip())):
            yield match[1], (match[2] or "").strip().removeprefix("==")


def _conda(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if match := _CONDA.match(line):
            yield match[1], (match[2] or "").strip().lstrip("=")


def _toml_lock(text: str) -> Iterator[tuple[str, str]]:
    name = None
    for line in text.splitlines():
        match = _ENTRY.match(line)
        if match is None:
            name = None
        elif match[1] == "name":
            name = match[2]
        elif name is not None:
            yield name, match[2]
            name = None


def _pipfile(text: str) -> Iterator[tuple[str, str]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    for part in ("default", "develop"):
        listed = document.get(part) if isinstance(document, dict) else None
        for name, entry in listed.items() if isinstance(listed, dict) else ():
            version = entry.get("version") if isinstance(entry, dict) else None
            yield name, str(version or "").removeprefix("==")
