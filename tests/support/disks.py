"""Disks of a kind that a test needs: one that is soon full, one that need not be waited for."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 * 1024**3


@contextmanager
def quick(otherwise: Path) -> Iterator[Path]:
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


@contextmanager
def small_disk(home: Path, *, size: str) -> Iterator[Path]:
    """A file system of *size* (as mount has it: ``12m``) at *home*; skips the test where none may be mounted."""
    home.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(home)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield home
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)  # a handle may still be open
