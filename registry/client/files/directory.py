"""Writing below a directory without leaving it: no ``..``, no absolute path, no symbolic link on the way.

Every step uses an open directory handle and refuses links. Another user who can write there then cannot redirect a file
between the check and the write.
"""

from __future__ import annotations

import errno
import os
import stat
import uuid
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from registry.client.errors import UnsafePath
from registry.client.files.partial_file import Partial
from registry.rules import paths

_FOLLOW_NOTHING = getattr(os, "O_NOFOLLOW", 0)
_OPEN_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


class Directory:
    """The directory at *root*, which is made if need be and stays open.

    Every path starts at the open directory: one that is put at *root* later is not written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(root, _OPEN_DIRECTORY)
        # A thread that an interrupted download left behind may still use it: closed early, its number would soon be
        # that of another directory.
        weakref.finalize(self, os.close, self._handle)

    def write(self, path: str, fill: Callable[[BinaryIO], None]) -> None:
        """Put a file at *path* when *fill* has written it: whole or not at all. Raises UnsafePath."""
        parents, name = _split(path)
        with self._open(parents, path) as handle:
            # Random, because another pull may write the same file. The prefix lets sweep find what a crash leaves.
            partial = f"{paths.UNFINISHED_PREFIX}{uuid.uuid4().hex}"
            try:
                with _create_unfinished(partial, handle) as stream:
                    fill(stream)
                os.replace(partial, name, src_dir_fd=handle, dst_dir_fd=handle)
            except BaseException:
                _remove(partial, handle)
                raise

    def opened(self, path: str) -> BinaryIO:
        """Open the file at *path* for reading, without following a link. Raises OSError or UnsafePath."""
        parents, name = _split(path)
        with self._open(parents, path, make=False) as handle:
            return os.fdopen(os.open(name, os.O_RDONLY | _FOLLOW_NOTHING, dir_fd=handle), "rb")

    def partial(self, path: str, *, sha256: str, size: int, step: int) -> Partial:
        """Return what an earlier run left of the file at *path*, else an empty one.

        The file is fetched in ranges of *step* bytes.

        Raises UnsafePath.
        """
        parents, name = _split(path)
        with self._open(parents, path) as handle:
            return Partial(handle, name, sha256=sha256, size=size, step=step)

    def regular(self, path: str) -> bool:
        """Return whether a regular file, no link, is at *path*, without a link on the way."""
        *parents, name = path.split("/")
        try:
            with self._open(parents, path, make=False) as handle:
                return _is_regular(name, handle)
        except (OSError, UnsafePath):
            return False

    def sweep(self, keep: Collection[str] = ()) -> None:
        """Remove what interrupted downloads left behind, but for the paths in *keep*. Follows no links."""
        for place, _, names, handle in os.fwalk(dir_fd=self._handle):
            above = place.removeprefix(".").removeprefix("/")
            for name in names:
                path = f"{above}/{name}" if above else name
                if path not in keep and paths.UNFINISHED.fullmatch(name) and _is_regular(name, handle):
                    _remove(name, handle)

    @contextmanager
    def _open(self, parents: list[str], path: str, *, make: bool = True) -> Iterator[int]:
        """Open the directory at *parents* below the root; with *make*, directories are made if need be."""
        handle = os.dup(self._handle)
        try:
            for part in parents:
                below = _descend(part, handle, path, make=make)
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)


def _split(path: str) -> tuple[list[str], str]:
    if problem := paths.containment_problem(path):
        raise UnsafePath(f"{path!r} {problem}.")
    *parents, name = path.split("/")
    return parents, name


def _descend(part: str, handle: int, path: str, *, make: bool) -> int:
    with suppress(FileExistsError):
        if make:
            os.mkdir(part, dir_fd=handle)
    try:
        return os.open(part, _OPEN_DIRECTORY | _FOLLOW_NOTHING, dir_fd=handle)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise UnsafePath(
                f"{path!r}: {part!r} is a file or a link, not a directory; nothing was written."
            ) from error
        raise


def _create_unfinished(name: str, handle: int) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FOLLOW_NOTHING
    return os.fdopen(os.open(name, flags, 0o666, dir_fd=handle), "wb")


def _remove(name: str, handle: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=handle)


def _is_regular(name: str, handle: int) -> bool:
    with suppress(FileNotFoundError):
        return stat.S_ISREG(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode)
    return False
