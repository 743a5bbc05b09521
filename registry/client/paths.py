"""What a file of a version may be called: the registry's rules, checked before anything is sent or written."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

LONGEST = 1024
MOST_FILES = 10_000

# Cc control, Cf format (bidi and zero-width), Cs surrogate, Co private, Cn unassigned, Zl and Zp separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def problem(path: str) -> str | None:
    """Why *path* cannot be a file of a version, or None."""
    if any("\udc80" <= character <= "\udcff" for character in path):
        return "its name is not UTF-8"
    for character in path:
        if unicodedata.category(character) in _INVISIBLE:
            return f"its name holds U+{ord(character):04X}, and control or invisible characters are refused"
    if not 1 <= len(path.encode()) <= LONGEST:
        return f"its path must have 1 to {LONGEST} bytes"
    if "\\" in path:
        return "its name holds a backslash"
    if path.startswith("/"):
        return "its path is not relative"
    if {"", ".", ".."} & set(path.split("/")):
        return "its path has an empty part, '.' or '..'"
    return None


def clash(paths: Iterable[str]) -> str | None:
    """The sentence about two *paths* that a case-blind file system could not hold side by side, or None."""
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.setdefault(_key(path), path)
        if other is not path:
            return f"{path!r} and {other!r} are one file where case does not count"
    for key, path in seen.items():
        for parent in _parents(key):
            if parent in seen:
                return f"{seen[parent]!r} is a file and also the directory of {path!r}"
    return None


def manifest_digest(files: Iterable[Mapping[str, Any]]) -> str:
    """The digest that names a version's files: SHA-256 over the sorted list in RFC 8785 form.

    For text and integers, which is all that a manifest holds, Python's compact JSON with sorted keys is that form.
    """
    ordered = sorted(({key: file[key] for key in _FIELDS} for file in files), key=lambda file: file["path"].encode())
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


_FIELDS: Sequence[str] = ("media_type", "path", "sha256", "size")


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))
