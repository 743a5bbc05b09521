"""Pointers that git-lfs and DVC leave where data belongs.

For data they are understood: they hold the digest of what they point at. In a model they stand where the file is
missing, and are refused. Forms: github.com/git-lfs/git-lfs, docs/spec.md, and dvc.org/doc/user-guide/project-structure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.client.errors import UnfitSource
from registry.client.files import scan
from registry.client.files.scan import Found
from registry.client.files.selection import IGNORE_FILE

LFS_BYTES = 1024  # a pointer of git-lfs is shorter
DVC_BYTES = 1 << 20
DVC_SUFFIX = ".dvc"
LISTED = 10
_LFS = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,19})\n"
)
_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?\Z")


@dataclass(frozen=True, slots=True)
class Pointer:
    """The contents of a pointer: the digest, for git-lfs the size, for DVC the path and the remote."""

    digest: str
    size: int | None = None
    path: str | None = None
    uri: str | None = None


def lfs(content: bytes) -> Pointer | None:
    """Read a pointer of git-lfs; None for any other file."""
    match = _LFS.match(content)
    return Pointer("sha256:" + match[1].decode(), size=int(match[2])) if match else None


def dvc(content: bytes, name: str) -> Pointer | None:
    """Read the ``.dvc`` file *name*; None for another document. Raises UnfitSource without one MD5."""
    from registry.rules import yaml_documents  # the parser is slow to import

    try:
        document = yaml_documents.load_texts(content)  # an MD5 of digits alone stays a text
    except ValueError:
        return None
    outs = document.get("outs") if isinstance(document, dict) else None
    if not isinstance(outs, list) or not all(isinstance(out, dict) for out in outs):
        return None
    digest = dvc_digest(outs[0]) if len(outs) == 1 else None
    if digest is None:
        raise UnfitSource(f"{name} names not exactly one MD5. Give the digest itself: NAME=md5:…")
    path = outs[0].get("path")
    return Pointer(
        digest,
        path=path if isinstance(path, str) and path else None,
        uri=_imported_from(document),
    )


def dvc_digest(entry: Mapping[Any, Any]) -> str | None:
    """Return the digest of an output or a dependency in a ``.dvc`` file or ``dvc.lock``; None without an MD5."""
    md5 = entry.get("md5")
    if not isinstance(md5, str) or not _MD5.match(md5):
        return None
    # Without a hash, the file is of DVC 2: it digests text with the line ends of Unix.
    plain = entry.get("hash") == "md5" or md5.endswith(".dir")
    return f"{'md5' if plain else 'md5-dos2unix'}:{md5}"


def of(file: Found) -> Pointer | None:
    """Return what *file* points at, or None. Raises UnfitSource for a ``.dvc`` file without one MD5."""
    if file.path.endswith(DVC_SUFFIX) and 0 < file.size <= DVC_BYTES:
        with scan.opened(file) as stream:
            return dvc(stream.readall(), file.path)
    if 0 < file.size < LFS_BYTES:
        with scan.opened(file) as stream:
            return lfs(stream.readall())
    return None


def refuse(files: Sequence[Found]) -> None:
    """Raise UnfitSource, which names the files, for pointers in place of files of a model.

    A ``.dvc`` file next to what it points at is no such pointer.
    """
    dangling = list(_dangling(files))
    if not dangling:
        return
    listed = ", ".join(f"{path} ({tool})" for path, tool in dangling[:LISTED])
    listed += f" and {len(dangling) - LISTED} more" if len(dangling) > LISTED else ""
    raise UnfitSource(
        f"these files point at data that is not here: {listed}. Fetch it first (git lfs pull, dvc pull), or leave them "
        f"out (exclude, {IGNORE_FILE}).",
        extras={"files": dict(dangling)},
    )


def _dangling(files: Sequence[Found]) -> Iterator[tuple[str, str]]:
    present: set[str] = set()
    for file in files:
        present.add(file.path)
        present.update(str(parent) for parent in Path(file.path).parents)
    for file in files:
        try:
            pointer = of(file)
        except UnfitSource:  # a .dvc file without one MD5 does not identify its data either
            yield file.path, "DVC"
            continue
        if pointer is None:
            continue
        if not file.path.endswith(DVC_SUFFIX):
            yield file.path, "git-lfs"
        elif pointer.path is None or (Path(file.path).parent / pointer.path).as_posix() not in present:
            yield file.path, "DVC"


def _imported_from(document: Mapping[str, Any]) -> str | None:
    """Return the address that ``dvc import-url`` read the data from."""
    deps = document.get("deps")
    if not isinstance(deps, list) or len(deps) != 1 or not isinstance(deps[0], dict):
        return None
    path = deps[0].get("path")
    return path if isinstance(path, str) and "://" in path else None
