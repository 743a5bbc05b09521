"""The files under a directory, and their digests: what is there, exactly as a version would hold it.

Symbolic links are followed only to places inside the directory; devices, pipes and sockets are no files of a model.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from registry.client import paths
from registry.client.errors import SourceChanged, UnfitSource
from registry.client.progress import Meter, Progress, in_parallel

CHUNK = 1 << 20

Stamp = tuple[int, int, int, int]
"""Device, inode, size and modification time: a file whose stamp is the same has not been written to."""


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of a directory; ``problem`` says why it cannot belong to a version."""

    path: str
    location: Path
    stamp: Stamp = (0, 0, 0, 0)
    problem: str | None = None

    @property
    def size(self) -> int:
        return self.stamp[2]


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file with its digest; ``sha256`` is the hex alone."""

    path: str
    location: Path
    stamp: Stamp
    sha256: str

    @property
    def size(self) -> int:
        return self.stamp[2]


def scan(source: Path) -> list[Found]:
    """The files to register: all below a directory, in the order of their paths, or the one file *source*.

    Raises UnfitSource when there is none, or one that the registry would refuse.
    """
    found = list(walk(source)) if source.is_dir() else [_single(source)]
    for file in found:
        if file.problem:
            raise UnfitSource(f"{file.path}: {file.problem}")
    if not found:
        raise UnfitSource(f"{source} is empty: there is nothing to register.")
    if len(found) > paths.MOST_FILES:
        raise UnfitSource(f"{source} holds {len(found)} files; a version has at most {paths.MOST_FILES}.")
    if problem := paths.clash(file.path for file in found):
        raise UnfitSource(f"{problem}.")
    return found


def walk(directory: Path) -> Iterator[Found]:
    """Everything below *directory* but the directories themselves, sorted, unfit entries with their problem."""
    root = directory.resolve()
    return iter(sorted(_below(root, root, "", (root,)), key=lambda file: file.path.encode("utf-8", "surrogateescape")))


def hashed(found: Sequence[Found], *, jobs: int, progress: Progress | None, step: str = "hash") -> list[Hashed]:
    """Hash the files, in parallel; the order is kept. Raises SourceChanged for one written to meanwhile."""
    meter = Meter(step, sum(file.size for file in found), progress)
    done = {file.path: file for file in in_parallel(lambda file: _hash(file, meter), found, jobs=jobs, meter=meter)}
    return [done[file.path] for file in found]


def digest(location: Path) -> str:
    """The SHA-256 of one file, as hex."""
    return _hash(_single(location), Meter("hash", 0, None)).sha256


def opened(file: Found | Hashed) -> BinaryIO:
    """Open a file that was found; raises SourceChanged when it is not the one that was found."""
    try:
        stream = file.location.open("rb")
    except OSError as error:
        raise SourceChanged(f"{file.path}: cannot be read ({error.strerror}).") from error
    try:
        unchanged(file, stream)
    except SourceChanged:
        stream.close()
        raise
    return stream


def unchanged(file: Found | Hashed, stream: BinaryIO) -> None:
    """Raises SourceChanged when the open file was written to since it was found."""
    if _stamp(os.fstat(stream.fileno())) != file.stamp:
        raise SourceChanged(f"{file.path} changed while it was being read. Run this again when nothing writes to it.")


def _below(root: Path, directory: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[Found]:
    with os.scandir(directory) as entries:
        for entry in entries:
            yield from _entry(root, Path(entry.path), prefix + entry.name, above)


def _entry(root: Path, location: Path, path: str, above: tuple[Path, ...]) -> Iterator[Found]:
    try:
        target = location.resolve(strict=True)
        status = target.stat()
    except (OSError, RuntimeError):  # RuntimeError: how Python before 3.13 reports a circle of links
        yield Found(path, location, problem="it is a symbolic link that leads nowhere")
        return
    if not target.is_relative_to(root):
        yield Found(path, location, problem="it is a symbolic link that leaves the directory")
    elif stat.S_ISDIR(status.st_mode) and target in above:
        yield Found(path, location, problem="it is a symbolic link to a directory that it is in")
    elif stat.S_ISDIR(status.st_mode):
        yield from _below(root, target, path + "/", (*above, target))
    else:
        yield _file(path, target, status)


def _single(source: Path) -> Found:
    try:
        target = source.resolve(strict=True)
        return _file(source.name, target, target.stat())
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnfitSource(f"{source} cannot be read ({reason}).") from error


def _file(path: str, location: Path, status: os.stat_result) -> Found:
    if not stat.S_ISREG(status.st_mode):
        return Found(path, location, problem="it is a device, a pipe or a socket, not a file")
    return Found(path, location, _stamp(status), paths.problem(path))


def _hash(file: Found, meter: Meter) -> Hashed:
    sha256, left = hashlib.sha256(), file.size
    with opened(file) as stream:
        while left and (chunk := stream.read(min(CHUNK, left))):  # never past the size: a log that grows has no end
            sha256.update(chunk)
            left -= len(chunk)
            meter.advance(len(chunk))
        unchanged(file, stream)
    return Hashed(file.path, file.location, file.stamp, sha256.hexdigest())


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
