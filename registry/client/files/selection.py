"""Selection of a directory's files: include and exclude patterns, and ``.registryignore``.

All of them are patterns as in ``.gitignore``: ``*.tmp`` anywhere, ``/build`` at the root only, ``logs/`` for
directories, ``!keep.tmp`` for exceptions; the last match wins, and files in an ignored directory cannot be included
again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.client.errors import UnfitSource

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".registryignore"

Keep = Callable[[str], bool]
"""Whether a path below the directory counts; directories are asked about with a slash at their end."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Rules that decide which files of a directory are registered.

    A file is registered when an *include* pattern matches it, or there is none. A *default* pattern, an *exclude*
    pattern or a line of ``.registryignore`` drops it. The ignore file itself is never registered.

    ``!name`` in one of the latter brings back what a default pattern drops.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    default: tuple[str, ...] = ()

    def rules(self, ignore_file: bytes = b"", *, dropped_by_default: list[str] | None = None) -> Keep:
        """Return which paths to keep, given the content of the ignore file. Raises UnfitSource for an invalid pattern.

        Paths that a default pattern drops are appended to *dropped_by_default*.
        """
        try:
            lines = ignore_file.decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise UnfitSource(f"{IGNORE_FILE} is not UTF-8.") from error
        if not (lines or self.include or self.exclude or self.default):
            return lambda path: path != IGNORE_FILE
        dropped, included = _patterns([*self.default, *lines, *self.exclude]), _patterns(self.include)

        def keep(path: str) -> bool:
            if path == IGNORE_FILE:
                return False
            match = dropped.check_file(path)
            if match.include:
                if dropped_by_default is not None and match.index is not None and match.index < len(self.default):
                    dropped_by_default.append(path)
                return False
            return not self.include or path.endswith("/") or bool(included.match_file(path))

        return keep


EVERYTHING = Selection()


def dropping(patterns: Sequence[str]) -> Keep:
    """Keep what matches none of the patterns."""
    if not patterns:
        return lambda path: True
    dropped = _patterns(patterns)
    return lambda path: not dropped.match_file(path)


def _patterns(lines: Sequence[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        for line in lines:
            try:
                GitIgnoreSpec.from_lines([line])
            except ValueError as error:
                raise UnfitSource(f"{line!r} is no pattern as in .gitignore: {error}") from error
        raise
