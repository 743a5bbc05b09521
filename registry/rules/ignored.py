"""What a directory holds besides a model: the files of version control, caches and operating systems.

Patterns as in ``.gitignore``. Sources: github/gitignore (Global/macOS, Windows, Linux; Python), and what
huggingface_hub leaves out of an upload (``.git``, ``.cache/huggingface``).
"""

from __future__ import annotations

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
