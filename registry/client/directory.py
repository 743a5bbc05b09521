"""A directory to write into that cannot be left: no ``..``, no absolute path, no symbolic link on the way.

Every step is taken from an open directory handle and refuses links, so that nobody who can write there
can lead a file elsewhere between the check and the write.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from registry.client import paths
from registry.client.errors import UnsafePath
from registry.client.partials import PARTIAL, RANGES, Partial

_LEFTOVER = re.compile(rf"{re.escape(PARTIAL)}[0-9a-f]{{32}}({re.escape(RANGES)})?")
_FOLLOW_NOTHING = getattr(os, "O_NOFOLLOW", 0)
_OPEN_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _FOLLOW_NOTHING


class Directory:
    """The directory at *root*, which is made if need be."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def write(self, path: str, fill: Callable[[BinaryIO], None]) -> None:
        """Put a file at *path* when *fill* has written it: whole or not at all. Raises UnsafePath."""
        parents, name = _split(path)
        with self._open(parents, path) as handle:
            partial = f"{PARTIAL}{uuid.uuid4().hex}"
            try:
                with _create(partial, handle) as stream:
                    fill(stream)
                os.replace(partial, name, src_dir_fd=handle, dst_dir_fd=handle)
            except BaseException:
                _remove(partial, handle)
                raise

    def partial(self, path: str, *, sha256: str, size: int, step: int) -> Partial:
        """What an earlier run left of the file at *path*, which is fetched in ranges of *step* bytes; else nothing.

        Raises UnsafePath.
        """
        parents, name = _split(path)
        with self._open(parents, path) as handle:
            return Partial(handle, name, sha256=sha256, size=size, step=step)

    def regular(self, path: str) -> bool:
        """Whether a regular file, no link, is at *path*, without a link on the way."""
        here = self.root
        *parents, name = path.split("/")
        for part in parents:
            here /= part
            if here.is_symlink():
                return False
        try:
            return stat.S_ISREG((here / name).lstat().st_mode)
        except OSError:
            return False

    def sweep(self, keep: Collection[str] = ()) -> None:
        """Remove what interrupted downloads left behind, but for the paths in *keep*."""
        for leftover in self.root.rglob(f"{PARTIAL}{'[0-9a-f]' * 32}*"):
            kept = leftover.relative_to(self.root).as_posix() in keep
            if not kept and _LEFTOVER.fullmatch(leftover.name) and not leftover.is_symlink() and leftover.is_file():
                leftover.unlink(missing_ok=True)

    @contextmanager
    def _open(self, parents: list[str], path: str) -> Iterator[int]:
        """A handle of the directory at *parents* below the root, made if need be."""
        handle = os.open(self.root, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            for part in parents:
                below = _descend(part, handle, path)
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)


def _split(path: str) -> tuple[list[str], str]:
    if problem := paths.problem(path):
        raise UnsafePath(f"{path!r}: {problem}.")
    *parents, name = path.split("/")
    return parents, name


def _descend(part: str, handle: int, path: str) -> int:
    with suppress(FileExistsError):
        os.mkdir(part, dir_fd=handle)
    try:
        return os.open(part, _OPEN_DIRECTORY, dir_fd=handle)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise UnsafePath(
                f"{path!r}: {part!r} is a file or a link, not a directory; nothing was written."
            ) from error
        raise


def _create(name: str, handle: int) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FOLLOW_NOTHING
    return os.fdopen(os.open(name, flags, 0o666, dir_fd=handle), "wb")


def _remove(name: str, handle: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=handle)
