"""Paths of this process."""

from __future__ import annotations

import os
from pathlib import Path


def working_directory() -> Path:
    """Return the working directory, or the root where it was removed: the environment may name all that is needed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(os.sep)
