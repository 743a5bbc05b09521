"""Files that appear whole or not at all, and that a power cut does not take away."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from registry.domain.errors import UploadMismatch
from registry.storage.driver import CHUNK


@contextmanager
def temporary(directory: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Lend a new private file in *directory*, which is made if need be; the file is gone after the block."""
    directory.mkdir(mode=0o700, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=directory)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file, Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def link(arriving: Path, path: Path, *, root: Path) -> None:
    """Give verified bytes their name below *root*. Where the name exists already it has the same, and keeps them."""
    parents = path.parents[: len(path.relative_to(root).parts)]
    for parent in reversed(parents[:-1]):
        parent.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileExistsError):
        # A hard link fails if the name exists; a rename would replace an object that readers rely on.
        os.link(arriving, path)
    # All of them, also those that another request made a moment ago and may not have synced yet.
    for parent in parents:
        sync_directory(parent)


def replace_file(path: Path, content: bytes, *, drafts: Path) -> None:
    """Give a file below the directory of *drafts* other bytes: after a crash it has the old or the new ones."""
    with temporary(drafts) as (file, draft):
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        spare = draft.with_suffix(f".{path.name}")
        os.link(draft, spare)  # the file that was lent is removed by its lender
        spare.replace(path)
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make what was created, renamed and removed in a directory outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy(stream: IO[bytes], file: IO[bytes], *, size: int, sha256: str) -> None:
    """Copy exactly *size* bytes. Raises UploadMismatch when they are fewer, or do not have the *sha256*."""
    digest, left = hashlib.sha256(), size
    while left and (chunk := stream.read(min(left, CHUNK))):
        file.write(chunk)
        digest.update(chunk)
        left -= len(chunk)
    if left:
        raise UploadMismatch(f"{size} bytes were announced, {size - left} arrived")
    if digest.hexdigest() != sha256:
        raise UploadMismatch(f"sha256:{sha256} was announced, sha256:{digest.hexdigest()} arrived")


def written_before(path: Path, instant: datetime) -> bool:
    """Return whether a file or directory was last written before *instant*; one that is gone was not."""
    try:
        return path.stat().st_mtime < instant.timestamp()
    except FileNotFoundError:
        return False  # its request has ended, or another worker swept it
