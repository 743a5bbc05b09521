"""A directory in memory, for files that need not survive the test run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 * 1024**3


@contextmanager
def memory_disk(otherwise: Path) -> Iterator[Path]:
    """A directory in memory, where that has room for the whole suite, and else *otherwise*.

    SQLite and the local store wait for the disk at each commit and each file.
    """
    try:
        has_room = shutil.disk_usage(MEMORY).free > ROOM_BYTES and os.access(MEMORY, os.W_OK)
    except OSError:
        has_room = False
    if not has_room:
        yield otherwise
        return
    with tempfile.TemporaryDirectory(prefix="registry-tests-", dir=MEMORY, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
