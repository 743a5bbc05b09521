"""A directory against a version: the same files with the same bytes, or what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.client.files import scan, selection
from registry.client.progress import Progress
from registry.client.types import FileView, VersionView


@dataclass(frozen=True, slots=True)
class Verification:
    """The differences, by path; ``changed`` has the kind of each."""

    version: VersionView
    files: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: Mapping[str, str]

    @property
    def ok(self) -> bool:
        return not (self.missing or self.extra or self.changed)


def compare(
    directory: Path,
    version: VersionView,
    files: Sequence[FileView],
    *,
    exclude: Sequence[str] = (),
    follow_links: bool = False,
    jobs: int,
    progress: Progress | None,
) -> Verification:
    """Compare every file of *directory* with the version's list, but for those that match *exclude*."""
    keep = selection.dropping(exclude)
    expected = {file["path"]: file for file in files if keep(file["path"])}
    files_by_path = {file.path: file for file in scan.walk(directory, keep, follow_links=follow_links)}
    changed = {
        path: problem
        for path in expected
        if path in files_by_path and (problem := _obvious(files_by_path[path], expected[path]))
    }
    doubtful = [files_by_path[path] for path in expected if path in files_by_path and path not in changed]
    for file in scan.hashed(doubtful, jobs=jobs, progress=progress, step="verify"):
        if file.sha256 != expected[file.path]["sha256"]:
            changed[file.path] = f"sha256 is {file.sha256}, registered is {expected[file.path]['sha256']}"
    return Verification(
        version=version,
        files=len(expected),
        missing=tuple(sorted(expected.keys() - files_by_path.keys())),
        extra=tuple(sorted(files_by_path.keys() - expected.keys())),
        changed=dict(sorted(changed.items())),
    )


def _obvious(file: scan.Found, expected: FileView) -> str | None:
    """Return a difference that needs no hashing."""
    if file.problem:
        return file.problem
    if file.size != expected["size"]:
        return f"has {file.size} bytes, registered are {expected['size']}"
    return None
