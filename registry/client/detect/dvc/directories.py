"""Directories of data that DVC tracks as a whole, around a file or a directory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from registry.client.detect.dvc import walk
from registry.client.detect.dvc.pipelines import Pipelines
from registry.client.errors import RegistryError
from registry.client.files import pointers, scan

_OF_DIRECTORY = ".dir"


@dataclass(frozen=True, slots=True)
class KnownDirectory:
    """A directory with the digest that a ``.dvc`` file or a lock file names; ``named_by`` is that file."""

    path: Path
    digest: str
    named_by: Path


def around(source: Path) -> list[KnownDirectory]:
    """Return the directories above *source* with the digests that DVC recorded, the nearest first, each digest once.

    Reads ``.dvc`` and lock files up to the root of DVC or git. The directories are not read: the digest may be of
    earlier content. Files that cannot be read name nothing.
    """
    path = walk.absolute(source)
    root = walk.root_of(path)
    if root is None:
        return []
    known = sorted(_known_directories(path, root), key=lambda one: -len(one.path.parts))
    return [*{one.digest: one for one in reversed(known)}.values()][::-1]


def _known_directories(path: Path, root: Path) -> Iterator[KnownDirectory]:
    above = [parent for parent in path.parents if parent.is_relative_to(root) and parent != root]
    for directory in above:
        place = directory.with_name(directory.name + pointers.DVC_SUFFIX)
        if place.is_file() and (digest := _digest_in(place)):
            yield KnownDirectory(directory, digest, place)
    pipelines = Pipelines(root)
    pipelines.making(path, is_directory=path.is_dir())
    for stage in pipelines.known():
        for entry in (*stage.outs, *stage.deps):
            if entry.path in above and entry.digest and entry.digest.endswith(_OF_DIRECTORY):
                yield KnownDirectory(entry.path, entry.digest, stage.lock)


def _digest_in(place: Path) -> str | None:
    try:
        pointer = pointers.of(scan.single(place))
    except RegistryError:
        return None
    return pointer.digest if pointer and pointer.digest.endswith(_OF_DIRECTORY) else None
