"""A version's files into a directory: only there, only the registered bytes, each file whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.client import errors, workers
from registry.client.api.versions import Versions
from registry.client.files import scan, selection
from registry.client.files.directory import Directory
from registry.client.files.partial_file import partial_name
from registry.client.http.transport import Transport
from registry.client.progress import Meter, Progress
from registry.client.transfer.download_cache import DownloadCache
from registry.client.transfer.download_request import Fetching
from registry.client.transfer.ranges import SPLIT, STEP, Ranged
from registry.client.types import FileView, VersionView
from registry.rules import paths
from registry.rules.manifest import LARGEST_FILE, digest

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ADVICE = (
    "Versions of earlier releases may hold such paths: if you trust this one, allow unsafe paths"
    " (pull --allow-unsafe-paths, allow_unsafe_paths=True)."
)


@dataclass(frozen=True, slots=True)
class Pulled:
    """Result of a pull: files that were written, and files that were there already.

    ``cached`` are those of the written files that came from the cache, ``size`` the bytes of the written files.
    """

    version: VersionView
    written: tuple[str, ...]
    present: tuple[str, ...]
    size: int
    cached: tuple[str, ...] = ()


def manifest(
    versions: Versions, version: VersionView, *, signed: bool = False, allow_unsafe_paths: bool = False
) -> list[FileView]:
    """Return a version's files, with their URLs if *signed*.

    Raises UnsafePath for a path that could harm this machine, with *allow_unsafe_paths* only for one that leaves a
    directory or clashes with another; IntegrityError when the list is not the one that the version's digest names.
    """
    files = list(versions.files(version["model"], version["number"], signed=signed))
    if not all(map(_is_file, files)):
        raise errors.UnexpectedReply(
            f"{version['model']}:{version['number']}: the list of files holds one that is none."
        )
    names = [file["path"] for file in files]
    if problem := _escaping(names):
        raise errors.UnsafePath(f"{version['model']}:{version['number']}: {problem}. Nothing was written.")
    if not allow_unsafe_paths and (problem := _harmful(names)):
        raise errors.UnsafePath(f"{version['model']}:{version['number']}: {problem}. Nothing was written. {_ADVICE}")
    if digest(files) != version["manifest_digest"]:
        raise errors.IntegrityError(
            f"{version['model']}:{version['number']}: the list of files is not the registered one."
            f" Its digest should be {version['manifest_digest']}."
        )
    return files


def pull(  # noqa: PLR0913 -- options of one command, all of them named
    transport: Transport,
    version: VersionView,
    target: Path,
    *,
    only: Sequence[str],
    exclude: Sequence[str],
    cache: DownloadCache | None,
    jobs: int,
    force: bool,
    allow_unsafe_paths: bool,
    progress: Progress | None,
) -> Pulled:
    """Write the version's files, or those that *only* and *exclude* leave of them, below *target*.

    Goes on from what an interrupted pull left. Files that another pull of this version wrote may be there.
    Raises NotFound, before anything is written, for an entry of *only* that no file matches.
    Raises TargetOccupied, before anything is written, when *target* holds anything else and *force* is off;
    IntegrityError when other bytes arrive, and then the file in question does not exist.
    """
    versions = Versions(transport)
    files = manifest(versions, version, signed=True, allow_unsafe_paths=allow_unsafe_paths)
    chosen = _chosen(files, only, exclude)
    if target.exists() and not target.is_dir():
        raise errors.TargetOccupied(f"{target} is a file, not a directory.")
    directory = Directory(target)
    unfinished = {name for file in files if file["size"] > SPLIT for name in _partials(file)}
    # Before the check for other files: what an interrupted pull left must not count as a user's file.
    directory.sweep(keep=unfinished)
    present = _present(directory, files, jobs=jobs, progress=progress)
    if not force and (strange := _strange(target, present | unfinished)):
        raise errors.TargetOccupied(
            f"{target} holds {strange!r}, which is not this version's. Use another directory, or overwrite with "
            "--force (force=True in Python)."
        )
    missing = [file for file in chosen if file["path"] not in present]
    meter = Meter("download", sum(file["size"] for file in missing), progress)
    fetching = Fetching(transport, version, directory, meter)
    cached = set[str]()
    with ExitStack() as open_files:
        tasks = [_fetch_task(fetching, file, open_files) for file in missing]
        if cache is not None:
            tasks = [_cached(cache, fetching, file, task, cached) for file, task in zip(missing, tasks, strict=True)]
        workers.run(tasks, jobs=jobs, meter=meter)
    if cache is not None:
        fetched = [file for file in missing if file["path"] not in cached]
        workers.run([_keeping(cache, file, directory) for file in fetched], jobs=jobs, meter=meter)
    return Pulled(
        version,
        tuple(sorted(file["path"] for file in missing)),
        tuple(sorted(present & {file["path"] for file in chosen})),
        sum(file["size"] for file in missing),
        tuple(sorted(cached)),
    )


def _chosen(files: Sequence[FileView], only: Sequence[str], exclude: Sequence[str]) -> Sequence[FileView]:
    """Return the files that *only* names, all by default, without those that an *exclude* pattern drops.

    Raises NotFound when an entry of *only* matches none, or when none is left.
    """
    chosen = {file["path"]: file for entry in only for file in _matching(files, entry)} if only else None
    kept = selection.dropping(exclude)
    left = [file for file in (files if chosen is None else chosen.values()) if kept(file["path"])]
    if files and not left:
        raise errors.NotFound("exclude leaves none of the version's files.", status=404)
    return left


def _matching(files: Sequence[FileView], entry: str) -> list[FileView]:
    """Return the file with the path *entry*, or the files below it.

    Without any, return those that match it as a ``.gitignore`` pattern.
    """
    folder = entry.rstrip("/") + "/"
    matching = [file for file in files if file["path"] == entry or file["path"].startswith(folder)]
    if not matching:
        missed = selection.dropping([entry])
        matching = [file for file in files if not missed(file["path"])]
    if not matching:
        raise errors.NotFound(f"the version has no file {entry!r}, and none that matches it as a pattern.", status=404)
    return matching


def _cached(
    cache: DownloadCache, fetching: Fetching, file: FileView, task: workers.Task, cached: set[str]
) -> workers.Task:
    """Take the file from the cache, or do *task*, which fetches it."""

    def supply() -> None:
        if cache.supply(file, fetching.directory, fetching.meter.advance):
            cached.add(file["path"])

    def once() -> Iterable[workers.Task]:
        fetching.persist(file, supply)
        return [] if file["path"] in cached else [task]

    return once


def _keeping(cache: DownloadCache, file: FileView, directory: Directory) -> workers.Task:
    def keep() -> Iterable[workers.Task]:
        cache.keep(file, directory)
        return []

    return keep


def _fetch_task(fetching: Fetching, file: FileView, open_files: ExitStack) -> workers.Task:
    """Fetch a small file in one request, a large one in ranges."""
    if file["size"] <= SPLIT:
        return lambda: fetching.whole(file)
    ranged = Ranged(fetching, file)
    open_files.callback(ranged.close)
    return ranged.begin


def _partials(file: FileView) -> tuple[str, str]:
    """Return the paths of what an interrupted download leaves of a large file."""
    folder, slash, _ = file["path"].rpartition("/")
    name = folder + slash + partial_name(file["path"], sha256=file["sha256"], size=file["size"], step=STEP)
    return name, name + paths.UNFINISHED_RANGES


def _is_file(file: Any) -> bool:
    """Return whether an item of the list has every field of a file. Its digest names a place in the cache, too."""
    return (
        isinstance(file, dict)
        and all(isinstance(file.get(name), str) for name in ("path", "sha256", "media_type"))
        and _SHA256.fullmatch(file["sha256"]) is not None
        and isinstance(file.get("url", ""), str)
        and type(file.get("size")) is int
        and 0 <= file["size"] <= LARGEST_FILE
    )


def _escaping(names: Sequence[str]) -> str | None:
    """Return the first path that no option allows: it leaves the directory, or two files would be written to it."""
    for name in names:
        if problem := paths.containment_problem(name):
            return f"{name!r} {problem}"
    return next((f"{names[index]!r} {problem}" for index, problem in paths.clashes(names).items()), None)


def _harmful(names: Sequence[str]) -> str | None:
    """Return the first path that could harm the machine that it is downloaded to."""
    for name in names:
        if problem := paths.problem(name):
            return f"{name!r} {problem}"
    return next((f"{names[index]!r} {problem}" for index, problem in paths.repositories(names).items()), None)


def _present(directory: Directory, files: Sequence[FileView], *, jobs: int, progress: Progress | None) -> set[str]:
    """Return the paths whose registered bytes are in the directory already."""
    expected = {file["path"]: file for file in files}
    candidates = [
        present
        for present in scan.walk(directory.root)
        if not present.problem
        and present.path in expected
        and present.size == expected[present.path]["size"]
        and directory.regular(present.path)
    ]
    hashed = scan.hashed(candidates, jobs=jobs, progress=progress if candidates else None, step="verify")
    return {file.path for file in hashed if file.sha256 == expected[file.path]["sha256"]}


def _strange(target: Path, present: Collection[str]) -> str | None:
    """Return the first file or link in the directory that is not one of *present*."""
    unexpected = (
        path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_symlink() or not path.is_dir()
    )
    return min(set(unexpected) - set(present), default=None)
