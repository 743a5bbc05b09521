"""Rules for the path of a file in a version, and for paths in the same version.

A version is downloaded to machines of every kind. A path is refused if one of them would read it as a place outside of
the directory, as a device or as another file of the version. So is one that configures a program that runs commands.
Paths are refused, never repaired.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from urllib.parse import unquote

from registry.rules.text import unprintable_problem

PATH_BYTES = 1024
COMPONENT_BYTES = 255  # NAME_MAX of Linux and macOS
LEVELS = 32
DECODINGS = 4  # a path that is percent-encoded more often is refused unread: each round costs time
# Git and Mercurial run commands that the configuration in these directories names (core.fsmonitor, hooks).
# On NTFS, git~1 is the short name of .git: see is_ntfs_dotgit in git's path.c. The trailing dots, the spaces and the
# streams (.git::$INDEX_ALLOCATION) that it lists too, and the ignored characters of HFS+, are refused in any component.
_REPOSITORY = re.compile(r"\.(?:git|hg)|(?:git|hg)~[0-9]+")
# Under these names a download keeps what has arrived of a file, next to the file's place.
UNFINISHED_PREFIX, UNFINISHED_RANGES = ".registry-", ".ranges"
UNFINISHED = re.compile(rf"{re.escape(UNFINISHED_PREFIX)}[0-9a-f]{{32}}(?:{re.escape(UNFINISHED_RANGES)})?")
# "Naming Files, Paths, and Namespaces", Microsoft: with any extension, and with superscript digits.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:\.|\Z)")


# Reserved on Windows besides those that are refused: "Naming Files, Paths, and Namespaces", Microsoft.
_UNPORTABLE = frozenset('<>"|?*')


def problem(path: str) -> str | None:
    """Return why *path* cannot be registered as the path of a version's file, or None."""
    if text := containment_problem(path):
        return text
    if text := _harm(path):
        return text
    plain = decoded(path)
    if plain is None:
        return f"must not be percent-encoded more than {DECODINGS} times"
    if plain == path:
        return None
    if plain.count("/") != path.count("/") or "\\" in plain:
        return "must not contain a percent-encoded '/' or backslash"
    if text := containment_problem(plain) or _harm(plain):
        return f"{text}, also not percent-encoded"
    return None


def containment_problem(path: str) -> str | None:
    """Return why no program may write *path* below a directory, or None: the rules that no option lifts.

    Every registered path obeys them, also those of earlier releases, which had no others.
    """
    if not path.isascii() and any("\ud800" <= character <= "\udfff" for character in path):
        return "must be UTF-8"
    if not 1 <= len(path.encode()) <= PATH_BYTES:
        return f"must have 1 to {PATH_BYTES} bytes in UTF-8"
    if text := unprintable_problem(path):
        return text
    if "\\" in path:
        return "must separate its parts with '/', not with a backslash"
    if path.startswith("/"):
        return "must be relative"
    if {"", ".", ".."} & set(path.split("/")):
        return "must not contain an empty part, '.' or '..'"
    return None


def unportable(path: str) -> str | None:
    """Return why Windows cannot hold a file at *path*, or None. Such a path is registered: it harms no machine."""
    characters = sorted(set(path) & _UNPORTABLE)
    return f"has {' '.join(characters)}" if characters else None


def decoded(path: str) -> str | None:
    """Return *path* percent-decoded until nothing is left to decode, or None after DECODINGS rounds."""
    for _ in range(DECODINGS + 1):
        plain = unquote(path)
        if plain == path:
            return path
        path = plain
    return None


def key(path: str) -> str:
    """Return what two paths of one version must not share: a case-blind file system takes them for one file."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def clashes(paths: Sequence[str]) -> dict[int, str]:
    """Return the indices of *paths* that cannot stand next to the others, each with the reason.

    Sorts the paths, so that clashing ones are neighbours: no list of all directories is made.
    """
    keys = _keys(paths)
    order = sorted(range(len(paths)), key=lambda index: (keys[index], index))
    problems: dict[int, str] = {}
    original = None
    for index, following in zip_longest(order, order[1:]):
        if original is None or keys[index] != keys[original]:
            original = index
        else:
            problems[index] = _sameness(paths[index], paths[original])
        if following is not None and keys[following].startswith(keys[index] + _SEPARATOR):
            problems[index] = f"is also a directory, of {paths[following]!r}"
    return dict(sorted(problems.items()))


def repositories(paths: Sequence[str]) -> dict[int, str]:
    """Return the indices of *paths* that make a directory a bare git repository, each with the reason.

    Git takes a directory with HEAD, objects/ and refs/ for one, under any name, and runs the commands that its file
    config names. A file commondir stands for the two directories: see is_git_directory in git's setup.c.
    """
    keys = _keys(paths)
    heads = {index: name[: -len("head")] for index, name in enumerate(keys) if _last(name) == "head"}
    if not heads:
        return {}
    keys.sort()
    reason = "makes its directory a git repository, whose configuration can run commands"
    return {index: reason for index, directory in heads.items() if _is_repository(keys, directory)}


def _sameness(path: str, other: str) -> str:
    """Return the difference between two paths that some file system takes for the same."""
    if unicodedata.normalize("NFC", path) != unicodedata.normalize("NFC", other):
        return f"is the same as {other!r} where case does not count"
    if path == other:
        return f"is listed twice: {other!r}"
    return f"is the same as {other!r} in another Unicode form: {path!a} is not {other!a} byte for byte"


# Sorts before every character that a path can hold: what is below a path comes right after it.
_SEPARATOR = "\0"


def _keys(paths: Sequence[str]) -> list[str]:
    return [key(path).replace("/", _SEPARATOR) for path in paths]


def _last(name: str) -> str:
    return name.rpartition(_SEPARATOR)[2]


def _is_repository(names: Sequence[str], directory: str) -> bool:
    """Return whether the sorted *names* have all that a repository at *directory* consists of, but for HEAD."""

    def holds(name: str) -> bool:
        at = bisect_left(names, directory + name)
        return at < len(names) and names[at].startswith(directory + name)

    below = all(holds(f"{name}{_SEPARATOR}") for name in ("objects", "refs"))
    return below or directory + "commondir" in names[bisect_left(names, directory + "commondir") :][:1]


def _harm(path: str) -> str | None:
    """Return why a machine that downloads a file to *path* could be harmed, or None."""
    if path.count("/") >= LEVELS:
        return f"must have at most {LEVELS} levels"
    return next(_harms(path), None)


def _harms(path: str) -> Iterator[str]:
    for part in path.split("/"):
        if len(part.encode()) > COMPONENT_BYTES:
            yield f"must have parts of at most {COMPONENT_BYTES} bytes"
        if ":" in part:
            yield "must not contain a colon, which names drives and streams on Windows"
        if part[-1:] in {".", " "}:
            yield f"must not have the part {part!r}: Windows drops a dot or space at its end"
        if part[:1] in {"-", "~"}:
            yield f"must not have the part {part!r}: programs read '-' as an option and '~' as a home directory"
        folded = key(part)
        if _REPOSITORY.fullmatch(folded):
            yield f"must not have the part {part!r}: its configuration can run commands"
        if _DEVICE.match(folded):
            yield f"must not have the part {part!r}, which is a device on Windows"
        if UNFINISHED.fullmatch(folded):
            yield f"must not have the part {part!r}, which unfinished downloads use"
