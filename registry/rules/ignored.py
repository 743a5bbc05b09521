"""Files that are left out of versions: those of version control, caches and operating systems.

Patterns as in ``.gitignore``. Sources: github/gitignore (Global/macOS, Windows, Linux; Python), and what
huggingface_hub leaves out of an upload (``.git``, ``.cache/huggingface``).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

VERSION_CONTROL = (".git", ".hg/", ".svn/", ".bzr/", "_darcs/", "CVS/", ".jj/")  # .git is a file in a work tree
CACHES = (
    ".cache/",
    "__pycache__/",
    "*.py[cod]",
    ".ipynb_checkpoints/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
)
OPERATING_SYSTEMS = (
    ".DS_Store",
    "._*",
    ".AppleDouble/",
    ".Spotlight-V100/",
    ".Trashes/",
    ".fseventsd/",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$RECYCLE.BIN/",
    "System Volume Information/",
    ".directory",
    ".Trash-*/",
    ".nfs*",
)
PATTERNS = (*VERSION_CONTROL, *CACHES, *OPERATING_SYSTEMS)


def left_out(path: str) -> str | None:
    """Return the topmost directory above *path*, or *path* itself, that the patterns leave out; None where none does.

    Directories end with a slash, also in *path*.
    """
    patterns = _compiled()
    if not patterns.match_file(path):
        return None
    steps = path.rstrip("/").split("/")
    above = ("/".join(steps[:depth]) + "/" for depth in range(1, len(steps)))
    return next((directory for directory in above if patterns.match_file(directory)), path)


@cache
def _compiled() -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(PATTERNS)
