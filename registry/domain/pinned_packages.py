"""Packages that a requirements or lock file names, and what differs between two of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from registry.domain.comparison import Change

Form = Callable[[str], Iterator[tuple[str, str]]]
PACKAGES = 500  # that are listed
COMPARED_FILES = 5  # of two versions whose packages are compared with their other facts
FILE_BYTES = 4 * 1024 * 1024  # twice the lock file of a large project; two are read in one request
MOST_NAMED = 20_000  # packages of a file: a bound of memory, some ten times those of a large project
_MOST_LINES = 200_000  # a bound of time: about half a second
_JSON_VALUES = 100_000  # a bound of memory, too: a parsed value takes up to 100 times its text
_LONGEST = 200  # characters of a name, and of versions
_NAME = r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
# Adjacent repetitions are possessive: a line of spaces would take quadratic time otherwise.
_REQUIREMENT = re.compile(rf"{_NAME}\s*+(?:\[[^\]]*\])?\s*+((?:[=<>!~@]|\()[^;#]*+)?(?:[;#].*)?\Z", re.ASCII)
_CONDA = re.compile(rf"\s*-\s*[\"']?(?:[\w.-]+::)?{_NAME}\s*+([=<>!~][^\"'#]*+)?[\"']?\s*+(?:#.*)?\Z", re.ASCII)
_ENTRY = re.compile(r"(name|version)\s*=\s*\"([^\"]*)\"\s*\Z")
_CONDA_ENTRY = re.compile(r"(?:- |  )(name|version):\s*+[\"']?([^\"'\s#]++)[\"']?\s*\Z")
_PYLOCK = re.compile(r"pylock(?:\.[^.]+)?\.toml\Z")  # PEP 751
_SEPARATORS = re.compile(r"[-_.]+")
_HASHES = re.compile(r"\s--hash")


@dataclass(frozen=True, slots=True)
class ComparedPackage:
    """A package whose version differs; None in a file that does not name it."""

    name: str
    first: str | None
    other: str | None
    change: Change


class TooManyPackages(Exception):
    """The file names more packages, or has more lines, than are read."""


def is_named(path: str) -> bool:
    """Return whether a file of this name is a requirements or lock file."""
    return _form(path) is not None


def compare_packages(before: Mapping[str, str], after: Mapping[str, str]) -> list[ComparedPackage]:
    """Return the packages that differ, by name."""
    return [
        ComparedPackage(name, before.get(name), after.get(name), _kind(before.get(name), after.get(name)))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def packages(path: str, text: str) -> dict[str, str]:
    """Return the versions of each package that a requirements or lock file names, in time linear in its length.

    Raises TooManyPackages.
    """
    form = _form(path)
    found: dict[str, str] = {}
    for name, pinned in form(text) if form else ():
        if len(name) > _LONGEST:
            continue
        key, version = _SEPARATORS.sub("-", name).lower(), (pinned.strip() or "any")[:_LONGEST]
        known = found.get(key)
        if known is None:
            found[key] = version
        elif version not in known.split(", "):  # a lock file repeats a package for each platform
            found[key] = f"{known}, {version}"[:_LONGEST]
        if len(found) > MOST_NAMED:
            raise TooManyPackages
    return found


def _kind(first: str | None, other: str | None) -> Change:
    return Change.ADDED if first is None else Change.REMOVED if other is None else Change.CHANGED


def _form(path: str) -> Form | None:
    name = PurePosixPath(path).name.lower()
    if name == "pipfile.lock":
        return _pipfile
    if name in {"uv.lock", "poetry.lock", "pdm.lock"} or _PYLOCK.match(name):
        return _toml_lock
    if name.endswith(("conda-lock.yml", "conda-lock.yaml")):
        return _conda_lock
    if name in {"conda.yaml", "conda.yml", "environment.yaml", "environment.yml", "python_env.yaml"}:
        return _conda
    if name.endswith((".txt", ".in", ".lock")) and "require" in name:
        return _requirements
    return None


def _text_lines(text: str) -> Iterator[str]:
    """Return the lines of a text one by one: a list of short ones takes many times the memory of the text.

    Raises TooManyPackages.
    """
    if text.count("\n") > _MOST_LINES:
        raise TooManyPackages
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start:end].rstrip("\r")
        start = end + 1


def _requirements(text: str) -> Iterator[tuple[str, str]]:
    for line in _text_lines(text):
        requirement = _HASHES.split(line, maxsplit=1)[0].strip().removesuffix("\\").rstrip()
        if match := _REQUIREMENT.match(requirement):
            yield match[1], (match[2] or "").strip().removeprefix("==")


def _conda(text: str) -> Iterator[tuple[str, str]]:
    for line in _text_lines(text):
        if match := _CONDA.match(line):
            yield match[1], (match[2] or "").strip().lstrip("=")


def _toml_lock(text: str) -> Iterator[tuple[str, str]]:
    return _pinned_entries(text, _ENTRY)


def _conda_lock(text: str) -> Iterator[tuple[str, str]]:
    return _pinned_entries(text, _CONDA_ENTRY)


def _pinned_entries(text: str, form: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Return the name and the version of each entry that has them in two lines, one after the other."""
    name = None
    for line in _text_lines(text):
        match = form.match(line)
        if match is None:
            name = None
        elif match[1] == "name":
            name = match[2]
        elif name is not None:
            yield name, match[2]
            name = None


def _pipfile(text: str) -> Iterator[tuple[str, str]]:
    if sum(map(text.count, ",[{")) > _JSON_VALUES:
        raise TooManyPackages
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    for part in ("default", "develop"):
        listed = document.get(part) if isinstance(document, dict) else None
        for name, entry in listed.items() if isinstance(listed, dict) else ():
            version = entry.get("version") if isinstance(entry, dict) else None
            yield name, str(version or "").removeprefix("==")
