"""A version's files into a directory: only there, only the registered bytes, each file whole or not at all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from registry.client import crew, errors, paths, sources
from registry.client.catalog import Versions
from registry.client.directory import Directory
from registry.client.fetching import Fetching
from registry.client.partials import RANGES, partial_name
from registry.client.progress import Meter, Progress
from registry.client.ranges import SPLIT, STEP, Ranged
from registry.client.transport import Transport
from registry.client.types import FileView, VersionView


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did: files that were written, and files that were there already."""

    version: VersionView
    written: tuple[str, ...]
    present: tuple[str, ...]
    size: int


def manifest(versions: Versions, version: VersionView, *, signed: bool = False) -> list[FileView]:
    """A version's files, with their URLs if *signed*.

    Raises IntegrityError when the list is not the one that the version's digest names.
    """
    files = list(versions.files(version["model"], version["number"], signed=signed))
    if problem := _suspicious(files):
        raise errors.UnsafePath(f"{version['model']}:{version['number']}: {problem}.")
    if paths.manifest_digest(files) != version["manifest_digest"]:
        raise errors.IntegrityError(
            f"{version['model']}:{version['number']}: the list of files is not the registered one."
            f" Its digest should be {version['manifest_digest']}."
        )
    return files


def pull(
    transport: Transport,
    version: VersionView,
    target: Path,
    *,
    only: Sequence[str],
    jobs: int,
    force: bool,
    progress: Progress | None,
) -> Pulled:
    """Write the version's files, or those that *only* names, below *target*; go on from what an interrupted pull left.

    Raises TargetOccupied, before anything is written, when *target* holds anything else and *force* is off;
    IntegrityError when other bytes arrive, and then the file in question does not exist.
    """
    versions = Versions(transport)
    files = _chosen(manifest(versions, version, signed=True), only)
    if target.exists() and not target.is_dir():
        raise errors.TargetOccupied(f"{target} is a file, not a directory.")
    directory = Directory(target)
    unfinished = {name for file in files if file["size"] > SPLIT for name in _partials(file)}
    directory.sweep(keep=unfinished)
    present = _present(directory, files, jobs=jobs, progress=progress)
    if not force and (strange := _strange(target, present | unfinished)):
        raise errors.TargetOccupied(
            f"{target} holds {strange!r}, which is not this version's. Use another directory, or force."
        )
    missing = [file for file in files if file["path"] not in present]
    meter = Meter("download", sum(file["size"] for file in missing), progress)
    fetching = Fetching(transport, version, directory, meter)
    with ExitStack() as open_files:
        crew.run([_task(fetching, file, open_files) for file in missing], jobs=jobs, meter=meter)
    written = tuple(sorted(file["path"] for file in missing))
    return Pulled(version, written, tuple(sorted(present)), sum(file["size"] for file in missing))


def _chosen(files: Sequence[FileView], only: Sequence[str]) -> Sequence[FileView]:
    """The files that have one of the paths, or lie below it. Raises NotFound for a path with none."""
    if not only:
        return files
    chosen = {file["path"]: file for path in only for file in _below(files, path)}
    return list(chosen.values())


def _below(files: Sequence[FileView], path: str) -> list[FileView]:
    found = [file for file in files if file["path"] == path or file["path"].startswith(f"{path}/")]
    if not found:
        raise errors.NotFound(f"the version has no file {path!r}.", status=404)
    return found


def _task(fetching: Fetching, file: FileView, open_files: ExitStack) -> crew.Task:
    """Fetch a small file in one request, a large one in ranges."""
    if file["size"] <= SPLIT:
        return lambda: fetching.whole(file)
    ranged = Ranged(fetching, file)
    open_files.callback(ranged.close)
    return ranged.begin


def _partials(file: FileView) -> tuple[str, str]:
    """The paths of what an interrupted download leaves of a large file."""
    folder, slash, _ = file["path"].rpartition("/")
    name = folder + slash + partial_name(file["path"], sha256=file["sha256"], size=file["size"], step=STEP)
    return name, name + RANGES


def _suspicious(files: Sequence[FileView]) -> str | None:
    for file in files:
        if problem := paths.problem(file["path"]):
            return f"{file['path']!r}: {problem}"
    return paths.clash([file["path"] for file in files])


def _present(directory: Directory, files: Sequence[FileView], *, jobs: int, progress: Progress | None) -> set[str]:
    """The paths whose registered bytes are in the directory already."""
    expected = {file["path"]: file for file in files}
    candidates = [
        found
        for found in sources.walk(directory.root)
        if not found.problem
        and found.path in expected
        and found.size == expected[found.path]["size"]
        and directory.regular(found.path)
    ]
    hashed = sources.hashed(candidates, jobs=jobs, progress=progress if candidates else None, step="verify")
    return {file.path for file in hashed if file.sha256 == expected[file.path]["sha256"]}


def _strange(target: Path, present: Collection[str]) -> str | None:
    """The first file or link in the directory that is not one of *present*."""
    found = (
        path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_symlink() or not path.is_dir()
    )
    return min(set(found) - set(present), default=None)
