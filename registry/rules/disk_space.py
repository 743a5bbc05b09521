"""The shortage of a full disk as one sentence: the bytes needed and those available."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from registry.rules.units import size

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def shortage(error: BaseException, place: Path, *, needed: int | None = None) -> str | None:
    """Return why nothing more can be written below the directory *place*; None for errors of another kind."""
    if not isinstance(error, OSError) or error.errno not in FULL:
        return None
    parts = [f"{size(needed)} needed"] if needed else []
    with suppress(OSError):
        parts.append(f"{size(shutil.disk_usage(place).free)} available")
    return f"{os.strerror(error.errno)}: {', '.join(parts)}" if parts else os.strerror(error.errno)
