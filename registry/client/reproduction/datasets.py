"""The data of a version in a checkout: found by its digest, or linked from a place that the caller names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from registry.client.detect.dvc import checksums
from registry.client.errors import CannotReproduce, UnfitSource
from registry.client.files import data, scan
from registry.client.reproduction.recipe import RecipeData
from registry.rules.listing import listed


def provide(
    datasets: Sequence[RecipeData], checkout: Path, directory: Path, local: Mapping[str, Path], *, made_by_run: bool
) -> list[RecipeData]:
    """Find the data in the checkout, and link that of *local* into *directory*; return what the run has to make.

    Raises CannotReproduce for data whose digest differs, and unless *made_by_run* for data that is not found.
    """
    unknown = sorted(local.keys() - {one.name for one in datasets})
    if unknown:
        raise CannotReproduce(f"the version used no data named {listed(unknown)} (--data).")
    awaited = []
    for one in datasets:
        if one.name in local:
            _link(one, local[one.name], checkout, directory)
        elif not _is_found(one, checkout):
            if not made_by_run:
                where = f"It was at {one.uri}. " if one.uri else ""
                raise CannotReproduce(
                    f"the data {one.name!r} is not in the repository. {where}Give its local place, --data "
                    f"{one.name}=PATH, or --data-from-run where the command makes it."
                )
            awaited.append(one)
    return awaited


def require_made(datasets: Sequence[RecipeData], checkout: Path) -> None:
    """Raise CannotReproduce unless the run has made this data as the version used it."""
    for one in datasets:
        if not _is_found(one, checkout):
            raise CannotReproduce(f"the command did not make the data {one.name!r}.")


def _link(one: RecipeData, source: Path, checkout: Path, directory: Path) -> None:
    if not source.exists():
        raise CannotReproduce(f"{source} is not here (--data {one.name}=PATH).")
    if not _has_digest(source, one.digests):
        raise CannotReproduce(
            f"{source} is not the data {one.name!r} of the version: its digest is none of {', '.join(one.digests)}."
        )
    relative = PurePosixPath(one.name)
    if relative.is_absolute() or ".." in relative.parts:
        relative = PurePosixPath(relative.name)
    if not (directory / relative.parent).is_dir() and (checkout / relative.parent).is_dir():
        directory = checkout  # names of DVC's data are paths from the root
    target = directory / relative
    if target.exists():
        if not _has_digest(target, one.digests):
            raise CannotReproduce(f"the repository has other data at {relative} than the version used.")
        return
    if not target.parent.resolve().is_relative_to(directory.resolve()):
        raise CannotReproduce(f"{relative} leaves the directory of the command: a link of the repository leads out.")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.symlink_to(source.resolve(), target_is_directory=source.is_dir())
    except OSError:  # Windows without the privilege
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)


def _is_found(one: RecipeData, checkout: Path) -> bool:
    """Return whether the checkout has the data; raises CannotReproduce where only other data has its name."""
    base = PurePosixPath(one.name).name
    others = []
    for path in _named(checkout, base):
        if _has_digest(path, one.digests):
            return True
        others.append(str(path.relative_to(checkout)))
    if others:
        raise CannotReproduce(f"the data {one.name!r} differs in the repository: {listed(others)} has another digest.")
    return False


def _named(checkout: Path, name: str) -> Iterator[Path]:
    for directory, subdirectories, files in os.walk(checkout):
        subdirectories[:] = sorted(one for one in subdirectories if one != ".git")
        if name in files or name in subdirectories:
            yield Path(directory, name)


def _has_digest(path: Path, digests: Sequence[str]) -> bool:
    """Return whether a file or directory has one of the digests; a pointer does not stand for its data."""
    with suppress(UnfitSource):
        if (data.directory_digest(path) if path.is_dir() else f"sha256:{scan.digest(path)}") in digests:
            return True
        return any(checksums.matches(path, one, size=None) for one in digests if one.startswith("md5"))
    return False
