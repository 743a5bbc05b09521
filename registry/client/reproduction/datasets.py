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
        if not any(map(_is_of_content, one.digests)):
            known = f"only by {listed(list(one.digests))}" if one.digests else "by no digest"
            raise CannotReproduce(
                f"the data {one.name!r} is known {known}: to compare it takes a SHA-256 or MD5 of its content."
            )
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
        if not _is_found(one, checkout, follows_links=True):
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
    if target.resolve() == source.resolve():
        return
    if _leads_out(target, checkout) or (target.is_symlink() and not target.exists()):
        raise CannotReproduce(f"{relative} leaves the directory of the command: a link of the repository leads out.")
    if target.exists():
        if not _has_digest(target, one.digests):
            raise CannotReproduce(f"the repository has other data at {relative} than the version used.")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.symlink_to(source.resolve(), target_is_directory=source.is_dir())
    except OSError:  # Windows without the privilege
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)


def _is_found(one: RecipeData, checkout: Path, *, follows_links: bool = False) -> bool:
    """Return whether the checkout has the data; raises CannotReproduce where only other data has its name.

    Links out of the checkout count with *follows_links* only: a command that ran made them.
    """
    base = PurePosixPath(one.name).name
    others = []
    for path in _named(checkout, base):
        if not follows_links and _leads_out(path, checkout):
            continue
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


def _leads_out(path: Path, checkout: Path) -> bool:
    """Return whether *path* or a link below it leads out of the checkout: anything may be there, also a whole disk."""
    top = checkout.resolve()
    links = (Path(directory, name) for directory, *names in os.walk(path) for name in (*names[0], *names[1]))
    return not all(one.resolve().is_relative_to(top) for one in (path, *filter(Path.is_symlink, links)))


def _is_of_content(digest: str) -> bool:
    return digest.startswith(("sha256:", "md5"))


def _has_digest(path: Path, digests: Sequence[str]) -> bool:
    """Return whether a file or directory has one of the digests; a pointer does not stand for its data."""
    with suppress(UnfitSource):
        if (data.directory_digest(path) if path.is_dir() else f"sha256:{scan.digest(path)}") in digests:
            return True
        return any(checksums.matches(path, one, size=None) for one in digests if one.startswith("md5"))
    return False
