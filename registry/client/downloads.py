"""A version's files into a directory: only there, only the registered bytes, each file whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import requests

from registry.client import errors, paths, sources, transport
from registry.client.catalog import Versions
from registry.client.directory import Directory
from registry.client.progress import Meter, Progress, in_parallel
from registry.client.transport import Transport
from registry.client.types import FileView, VersionView

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did: files that were written, and files that were there already."""

    version: VersionView
    written: tuple[str, ...]
    present: tuple[str, ...]
    size: int


def manifest(versions: Versions, version: VersionView) -> list[FileView]:
    """A version's files. Raises IntegrityError when the list is not the one that the version's digest names."""
    files = list(versions.files(version["model"], version["number"]))
    if problem := _suspicious(files):
        raise errors.UnsafePath(f"{version['model']}:{version['number']}: {problem}.")
    if paths.manifest_digest(files) != version["manifest_digest"]:
        raise errors.IntegrityError(
            f"{version['model']}:{version['number']}: the list of files is not the registered one."
            f" Its digest should be {version['manifest_digest']}."
        )
    return files


def pull(
    transport: Transport, version: VersionView, target: Path, *, jobs: int, force: bool, progress: Progress | None
) -> Pulled:
    """Write the version's files below *target*.

    Raises TargetOccupied, before anything is written, when *target* holds anything else and *force* is off;
    IntegrityError when other bytes arrive, and then the file in question does not exist.
    """
    files = manifest(Versions(transport), version)
    if target.exists() and not target.is_dir():
        raise errors.TargetOccupied(f"{target} is a file, not a directory.")
    directory = Directory(target)
    directory.sweep()
    present = _present(directory, files, jobs=jobs, progress=progress)
    if not force and (strange := _strange(target, present)):
        raise errors.TargetOccupied(
            f"{target} holds {strange!r}, which is not this version's. Use another directory, or force."
        )
    missing = [file for file in files if file["path"] not in present]
    meter = Meter("download", sum(file["size"] for file in missing), progress)
    fetcher = _Fetcher(transport, version, directory, meter)
    written = sorted(in_parallel(fetcher.fetch, missing, jobs=jobs, meter=meter))
    return Pulled(version, tuple(written), tuple(sorted(present)), sum(file["size"] for file in missing))


class _Fetcher:
    def __init__(self, transport: Transport, version: VersionView, directory: Directory, meter: Meter) -> None:
        self._transport = transport
        self._versions = Versions(transport)
        self._version = version
        self._directory = directory
        self._meter = meter

    def fetch(self, file: FileView) -> str:
        """Download one file; a broken connection is tried again with a freshly signed URL."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._directory.write(file["path"], lambda stream: self._fill(file, stream))
                return file["path"]
            except errors.Unavailable as error:
                if attempt == ATTEMPTS:
                    raise error.about(file["path"]) from error
            except IsADirectoryError as error:
                raise errors.TargetOccupied(f"{file['path']} is a directory in the way of a file.") from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _fill(self, file: FileView, stream: BinaryIO) -> None:
        url = self._versions.file_url(self._version["model"], self._version["number"], file["path"])
        with self._transport.fetch(url) as response:
            _require_bytes(response, file)
            received, sha256 = self._copy(response, file["size"], stream)
        if received != file["size"]:
            self._meter.advance(-received)
            more = "more" if received > file["size"] else f"{received}"
            raise errors.IntegrityError(f"{file['path']}: has {file['size']} bytes, but {more} arrived.")
        if sha256 != file["sha256"]:
            raise errors.IntegrityError(
                f"{file['path']}: the bytes are not the registered ones"
                f" (sha256 {sha256} in place of {file['sha256']}). Nothing was kept of it."
            )

    def _copy(self, response: requests.Response, size: int, stream: BinaryIO) -> tuple[int, str]:
        """Write at most *size* bytes and one chunk; returns how many came, and their digest."""
        sha256, received = hashlib.sha256(), 0
        try:
            for chunk in response.iter_content(sources.CHUNK):
                received += len(chunk)
                self._meter.advance(len(chunk))
                if received > size:
                    break
                sha256.update(chunk)
                stream.write(chunk)
        except requests.RequestException as error:
            self._meter.advance(-received)
            raise transport.unreachable(response.url, error) from error
        return received, sha256.hexdigest()


def _require_bytes(response: requests.Response, file: FileView) -> None:
    status = response.status_code
    if status == 200:
        return
    if status in (403, 410, 429) or status >= 500:  # 403 and 410: the signed URL expired on the way
        raise errors.Unavailable(f"the store answered {status}.", status=status)
    if status in (404, 416):
        raise errors.IntegrityError(f"{file['path']}: its bytes are not in the store ({status}).")
    raise errors.UnexpectedReply(f"{file['path']}: the store answered {status}.", status=status)


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


def _strange(target: Path, present: set[str]) -> str | None:
    """The first file or link in the directory that is not one of *present*."""
    found = (
        path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_symlink() or not path.is_dir()
    )
    return min(set(found) - present, default=None)
