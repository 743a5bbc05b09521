"""An unfinished download, with a list of its finished ranges, from which a later run continues.

Both lie in the directory where the file will be, under names made from its path, digest and size. The list is appended
to after each range, one short line a range, so that a kill at any moment costs the ranges under way. Nothing in
them is trusted: a run that resumes hashes all of it again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import uuid
from contextlib import suppress
from io import FileIO

from registry.client.errors import UnsafePath
from registry.rules.paths import UNFINISHED_PREFIX, UNFINISHED_RANGES

_FOLLOW_NOTHING = getattr(os, "O_NOFOLLOW", 0)
_OLD = os.O_RDWR | getattr(os, "O_NONBLOCK", 0) | _FOLLOW_NOTHING
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | _FOLLOW_NOTHING
ATTEMPTS = 20
# What flock answers on file systems without locks: Lustre, some mounts of NFS and CIFS, FUSE.
_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL})


def partial_name(path: str, *, sha256: str, size: int, step: int) -> str:
    """Return the name of the unfinished file, in the directory of the finished one."""
    name = path.rpartition("/")[2]
    return UNFINISHED_PREFIX + hashlib.sha256(f"{name}\n{sha256}\n{size}\n{step}".encode()).hexdigest()[:32]


class Partial:
    """The unfinished file *name* in the open directory *handle*; ``finished`` are the ranges that an earlier run left.

    It is locked while it is open: another process that fetches the same file gets another unfinished file.
    """

    def __init__(self, handle: int, name: str, *, sha256: str, size: int, step: int) -> None:
        self._handle, self._name = os.dup(handle), name
        self._partial = partial_name(name, sha256=sha256, size=size, step=step)
        own = _open_own(self._partial, self._handle)
        if own is None:
            self._partial = UNFINISHED_PREFIX + uuid.uuid4().hex
            own = _open_file(self._partial, self._handle)
        self._file = own
        self._list = _open_file(self._partial + UNFINISHED_RANGES, self._handle)
        head = f"{sha256} {size} {step}\n".encode()
        self.finished = _read_numbers(self._list, head) if os.fstat(self._file.fileno()).st_size == size else set()
        if not self.finished:
            self._begin(head, size)

    def write(self, chunk: bytes, offset: int) -> None:
        """Put bytes at their place."""
        view = memoryview(chunk)
        while view:
            written = os.pwrite(self._file.fileno(), view, offset)
            view, offset = view[written:], offset + written

    def read(self, buffer: memoryview, offset: int) -> int:
        """Fill *buffer* with bytes from *offset* on; returns how many there were."""
        return os.preadv(self._file.fileno(), [buffer], offset)

    def note(self, number: int) -> None:
        """Remember that a range is there."""
        # After the range, in one short write: a kill leaves at most a part of the line, which the next run drops.
        os.write(self._list.fileno(), f"{number}\n".encode())

    def publish(self) -> None:
        """Give the file its name, in place of what is there. Raises UnsafePath for one that is not ours any more."""
        if not self._is_named():
            raise UnsafePath(f"{self._name!r}: another program replaced its unfinished download; it was not kept.")
        os.replace(self._partial, self._name, src_dir_fd=self._handle, dst_dir_fd=self._handle)
        self._remove(self._partial + UNFINISHED_RANGES)

    def discard(self) -> None:
        """Keep nothing of it."""
        self._remove(self._partial)
        self._remove(self._partial + UNFINISHED_RANGES)

    def close(self) -> None:
        """Leave what is there to a later run."""
        if not self._file.closed:
            self._file.close()
            self._list.close()
            os.close(self._handle)

    def _begin(self, head: bytes, size: int) -> None:
        os.ftruncate(self._list.fileno(), 0)
        os.ftruncate(self._file.fileno(), 0)  # so that no byte of another file is left in it
        os.ftruncate(self._file.fileno(), size)
        os.lseek(self._list.fileno(), 0, os.SEEK_SET)
        os.write(self._list.fileno(), head)

    def _is_named(self) -> bool:
        try:
            status = os.stat(self._partial, dir_fd=self._handle, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(status, os.fstat(self._file.fileno()))

    def _remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._handle)


def _open_file(name: str, handle: int) -> FileIO:
    """Open a regular file of ours that has no other name, or make it; anything else in its place is removed first.

    Raises UnsafePath when another program keeps putting something there.
    """
    for _ in range(ATTEMPTS):
        if (existing := _open_existing(name, handle)) is not None:
            return existing
        with suppress(FileExistsError):  # made by another program just now
            return FileIO(os.open(name, _NEW, 0o666, dir_fd=handle), "r+")
    raise UnsafePath(f"{name!r}: another program keeps replacing this unfinished download; nothing was kept.")


def _open_existing(name: str, handle: int) -> FileIO | None:
    """Open the file if it is a regular one of ours without another name; else remove it, and return None."""
    try:
        file = FileIO(os.open(name, _OLD, dir_fd=handle), "r+")
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENXIO):
            raise
    else:
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and _is_ours(status, handle):
            return file
        file.close()
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=handle)
    return None


def _is_ours(status: os.stat_result, handle: int) -> bool:
    """Return whether a file has the owner that files of this process get in the directory.

    Azure Files, CIFS, gcsfuse and NFS with root_squash show one owner for all files, who is not this process.
    """
    if status.st_uid == os.geteuid():
        return True
    probe = UNFINISHED_PREFIX + uuid.uuid4().hex
    descriptor = os.open(probe, _NEW, 0o666, dir_fd=handle)
    try:
        return os.fstat(descriptor).st_uid == status.st_uid
    finally:
        os.close(descriptor)
        with suppress(FileNotFoundError):
            os.unlink(probe, dir_fd=handle)


def _open_own(name: str, handle: int) -> FileIO | None:
    """Open a file and lock it; None when another process has it, or where files cannot be locked.

    The caller takes one with another name then, which a later run does not find.

    That process may have finished it between our opening and our locking: then what we hold is no partial any more.
    """
    for _ in range(ATTEMPTS):
        file = _open_file(name, handle)
        try:
            locked = _lock_file(file)
        except OSError as error:
            file.close()
            if error.errno not in _NO_LOCKS:
                raise
            # Without locks two processes must not share a file: one could still write to what the other has verified.
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=handle)
            return None
        if not locked:
            file.close()
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(name, dir_fd=handle, follow_symlinks=False), os.fstat(file.fileno())):
                return file
        file.close()
    return None


def _lock_file(file: FileIO) -> bool:
    """Lock the file; False when another process has it. Raises OSError where files cannot be locked."""
    import fcntl  # only where there are such locks, and directory handles: not on Windows

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_numbers(file: FileIO, head: bytes) -> set[int]:
    """Return the numbers after *head*, one whole line each; nothing when it is another file's list, or no list.

    The next line goes after the last whole one.
    """
    content = file.read()
    if not content.startswith(head):
        return set()
    whole = content[: content.rindex(b"\n") + 1]
    os.ftruncate(file.fileno(), len(whole))
    file.seek(len(whole))
    return {int(line) for line in whole[len(head) :].split() if line.isdigit() and len(line) < 10}
