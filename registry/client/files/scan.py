"""The files under a directory, and their digests: what is there, exactly as a version would hold it.

Symbolic links are followed only to places inside the directory; devices, pipes and sockets are no files of a model.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from io import FileIO
from itertools import islice
from pathlib import Path

from registry.client import workers
from registry.client.errors import SourceChanged, UnfitSource
from registry.client.files.selection import EVERYTHING, IGNORE_FILE, Keep, Selection
from registry.client.progress import Meter, Progress
from registry.rules import part_sizes, paths
from registry.rules.listing import listed
from registry.rules.manifest import MOST_FILES

CHUNK = 1 << 20
LEAVES = "it is a symbolic link that leaves the directory"
LEAVE_OUT = f"Rename it, or leave it out (exclude, {IGNORE_FILE})."
FOLLOW = f"Follow such links (--follow-links, follow_links=True), or leave it out (exclude, {IGNORE_FILE})."
AHEAD = 1 << 23
# Files that go in parts are hashed as a whole and in parts at once, on two cores, while the bytes are in the
# processor's cache. A registry with other part sizes than the default costs another pass over the file.
SINGLE, PART = part_sizes.SINGLE_PUT, part_sizes.PART
EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH

Stamp = tuple[int, int, int, int]
"""Device, inode, size and modification time: a file whose stamp is the same has not been written to."""
NOWHERE: Stamp = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of a directory; ``problem`` is why it cannot belong to a version."""

    path: str
    location: Path
    stamp: Stamp = NOWHERE
    problem: str | None = None

    @property
    def size(self) -> int:
        return self.stamp[2]

    @property
    def readable(self) -> bool:
        """True for a file, whose path may be unfit."""
        return self.stamp != NOWHERE


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file with its digest; ``sha256`` is the hex alone, ``parts`` the same of each PART bytes of it, if known."""

    path: str
    location: Path
    stamp: Stamp
    sha256: str
    parts: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return self.stamp[2]


@dataclass(slots=True)
class Noticed:
    """Parts of a directory that a version leaves out.

    ``ignored`` are paths that the default patterns drop, ``empty`` directories without files, and ``executable`` the
    files whose executable bit is lost. Folders end with a slash.
    """

    ignored: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    executable: list[str] = field(default_factory=list)


def exists(path: str | Path) -> bool:
    """Return whether *path* exists, or may exist: opening it then fails for lack of permission.

    A text that is too long for a path, such as a URL, does not.
    """
    try:
        return Path(path).exists()
    except PermissionError:
        return True
    except OSError:
        return False


def scan(
    source: Path, selection: Selection = EVERYTHING, *, follow_links: bool = False, noticed: Noticed | None = None
) -> list[Found]:
    """Return the files to register: the selected ones below a directory, in the order of their paths, or one file.

    With *follow_links* also those that symbolic links out of the directory lead to. What the version will not hold is
    *noticed*. Raises UnfitSource when there is no file, or one that the registry would refuse.
    """
    noticed = noticed or Noticed()
    if source.is_dir():
        files = list(_selected(source, selection, follow_links=follow_links, noticed=noticed))
    else:
        files = [_only(source, selection)]
    if unfit := [file for file in files if file.problem]:
        named = listed([f"{file.path}: {file.problem}" for file in unfit], "; ")
        raise UnfitSource(f"{named}. {FOLLOW if all(file.problem == LEAVES for file in unfit) else LEAVE_OUT}")
    if not files:
        left = f"; left out by default: {', '.join(sorted(noticed.ignored)[:5])}" if noticed.ignored else ""
        raise UnfitSource(f"{source} is empty, or nothing in it is selected{left}: there is nothing to register.")
    if len(files) > MOST_FILES:
        raise UnfitSource(f"{source} holds more than {MOST_FILES} files, which is the most that a version has.")
    names = [file.path for file in files]
    if clashing := paths.clashes(names) or paths.repositories(names):
        named = listed([f"{names[index]!r} {problem}" for index, problem in clashing.items()], "; ")
        raise UnfitSource(f"{named}. {LEAVE_OUT}")
    return files


def walk(
    directory: Path,
    keep: Keep = lambda path: True,
    *,
    follow_links: bool = False,
    noticed: Noticed | None = None,
    most: int | None = None,
) -> Iterator[Found]:
    """Yield everything below *directory* but the directories themselves, sorted, unfit entries with their problem.

    *keep* decides about ``directory/`` before its contents. Ends after *most* entries: a link that is followed may lead
    to a whole disk.
    """
    root = directory.resolve()
    files = islice(_scan_directory(_Walk(root, keep, follow_links, noticed or Noticed()), root, "", (root,)), most)
    return iter(sorted(files, key=lambda file: file.path.encode("utf-8", "surrogateescape")))


def _selected(source: Path, selection: Selection, *, follow_links: bool, noticed: Noticed) -> Iterator[Found]:
    content = _ignore_file(source, follow_links=follow_links) if os.path.lexists(source / IGNORE_FILE) else b""
    keep = selection.rules(content, dropped_by_default=noticed.ignored)
    return walk(source, keep, follow_links=follow_links, noticed=noticed, most=MOST_FILES + 1)


def _ignore_file(source: Path, *, follow_links: bool) -> bytes:
    ignored = next(walk(source, lambda path: path == IGNORE_FILE, follow_links=follow_links))
    if ignored.problem or not ignored.location.is_file():
        raise UnfitSource(f"{IGNORE_FILE}: {ignored.problem or 'it is a directory, not a file'}")
    return ignored.location.read_bytes()


def _only(source: Path, selection: Selection) -> Found:
    if selection.include or selection.exclude:
        raise UnfitSource(f"{source} is a file: there is nothing to include or exclude.")
    return single(source)


def hashed(
    files: Sequence[Found], *, jobs: int, progress: Progress | None, step: str = "hash", parts: bool = False
) -> list[Hashed]:
    """Hash the files, in parallel; the order is kept. With *parts*, also the parts of those that will go in parts.

    Raises SourceChanged for a file that is written to at the same time.
    """
    meter = Meter(step, sum(file.size for file in files), progress)

    def work(file: Found) -> Hashed:
        return _hash_file(file, meter, parts=parts and SINGLE < file.size <= PART * part_sizes.MOST_PARTS)

    return workers.each(work, files, jobs=jobs, meter=meter)


def digest(location: Path) -> str:
    """Return the SHA-256 of one file, as hex."""
    return _hash_file(single(location), Meter("hash", 0, None)).sha256


def opened(file: Found | Hashed) -> FileIO:
    """Open a file that was found. Raises UnfitSource for one that cannot be read, SourceChanged when it is another."""
    try:
        stream = file.location.open("rb", buffering=0)
    except FileNotFoundError as error:
        raise SourceChanged(f"{file.path} is gone. Run this again when nothing writes to the directory.") from error
    except OSError as error:
        raise UnfitSource(f"{file.path}: it cannot be read ({error.strerror}). {LEAVE_OUT}") from error
    try:
        unchanged(file, stream)
    except SourceChanged:
        stream.close()
        raise
    return stream


def unchanged(file: Found | Hashed, stream: FileIO) -> None:
    """Raise SourceChanged when the open file was written to since it was found."""
    if _stamp(os.fstat(stream.fileno())) != file.stamp:
        raise SourceChanged(f"{file.path} changed while it was being read. Run this again when nothing writes to it.")


def content(file: Hashed, most: int | None = None) -> bytes:
    """Return the bytes of a file, the first *most* of them. Raises SourceChanged when it was written to since."""
    with opened(file) as stream:
        found = stream.read(file.size if most is None else min(file.size, most))
        unchanged(file, stream)
    return found


@dataclass(frozen=True, slots=True)
class _Walk:
    root: Path
    keep: Keep
    follow_links: bool
    noticed: Noticed


def _scan_directory(walk: _Walk, directory: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[Found]:
    try:
        entries = os.scandir(directory)
    except OSError as error:
        yield Found(prefix or str(directory), directory, problem=f"it cannot be read ({error.strerror})")
        return
    empty = True
    with entries:
        for entry in entries:
            empty = False
            yield from _scan_entry(walk, entry, directory, prefix + entry.name, above)
    if empty and prefix:
        walk.noticed.empty.append(prefix)


def _scan_entry(
    walk: _Walk, entry: os.DirEntry[str], directory: Path, path: str, above: tuple[Path, ...]
) -> Iterator[Found]:
    location = directory / entry.name
    try:
        # *directory* has no link in it, so that only an entry that is one needs resolving.
        target = location.resolve(strict=True) if entry.is_symlink() else location
        status = target.stat()
    except (OSError, RuntimeError):  # RuntimeError: how Python before 3.13 reports a circle of links
        if walk.keep(path):
            yield Found(path, location, problem="it is a symbolic link that leads nowhere")
        return
    folder = stat.S_ISDIR(status.st_mode)
    if not walk.keep(path + "/" if folder else path):
        return
    if not walk.follow_links and not target.is_relative_to(walk.root):
        yield Found(path, location, problem=LEAVES)
    elif folder and target in above:
        yield Found(path, location, problem="it is a symbolic link to a directory that it is in")
    elif folder:
        yield from _scan_directory(walk, target, path + "/", (*above, target))
    else:
        if status.st_mode & EXECUTABLE:
            walk.noticed.executable.append(path)
        yield _file(path, target, status)


def single(source: Path) -> Found:
    """Return one file, with its problem when a version cannot hold it. Raises UnfitSource when it cannot be read."""
    try:
        target = source.resolve(strict=True)
        return _file(source.name, target, target.stat())
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnfitSource(f"{source} cannot be read ({reason}).") from error


def _file(path: str, location: Path, status: os.stat_result) -> Found:
    if not stat.S_ISREG(status.st_mode):
        return Found(path, location, problem="it is a device, a pipe or a socket, not a file")
    wrong = paths.problem(path)
    return Found(path, location, _stamp(status), wrong and f"its path {wrong}")


def _hash_file(file: Found, meter: Meter, *, parts: bool = False) -> Hashed:
    whole = hashlib.sha256()
    with opened(file) as stream:
        if parts:
            with ThreadPoolExecutor(1) as beside:
                digests = _hash_parts(_read_chunks(file, stream, meter), whole, beside)
        else:
            digests = ()
            for chunk in _read_chunks(file, stream, meter):
                whole.update(chunk)
        unchanged(file, stream)
    return Hashed(file.path, file.location, file.stamp, whole.hexdigest(), digests)


def _hash_parts(chunks: Iterator[memoryview], whole: hashlib._Hash, beside: Executor) -> tuple[str, ...]:
    """Hash the chunks as a whole here and as parts in *beside*. Return the digests of the parts."""
    digests, part, filled = [], hashlib.sha256(), 0
    for chunk in chunks:
        other = beside.submit(part.update, chunk)
        whole.update(chunk)
        other.result()
        filled += len(chunk)
        if filled == PART:  # a multiple of CHUNK
            digests.append(part.hexdigest())
            part, filled = hashlib.sha256(), 0
    return (*digests, part.hexdigest()) if filled else tuple(digests)


def _read_chunks(file: Found, stream: FileIO, meter: Meter) -> Iterator[memoryview]:
    """Yield the file's bytes up to its size, in a buffer that the next chunk overwrites.

    The kernel is advised to read ahead, so that the disk works while the bytes are hashed.
    """
    buffer, left = memoryview(bytearray(min(CHUNK, file.size))), file.size
    while left:
        _read_ahead(stream, file.size - left)
        length, count = min(CHUNK, left), 0
        while count < length and (more := stream.readinto(buffer[count:length])):
            count += more
        if not count:
            return
        yield buffer[:count]
        left -= count
        meter.advance(count)


def _read_ahead(stream: FileIO, position: int) -> None:
    if position % AHEAD == 0 and hasattr(os, "posix_fadvise"):
        os.posix_fadvise(stream.fileno(), position + AHEAD, AHEAD, os.POSIX_FADV_WILLNEED)


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
