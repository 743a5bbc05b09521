"""MD5 digests of files and directories, as DVC computes them.

A directory has the digest of the sorted list of its files (dvc-data, hashfile/tree.py), with the suffix ``.dir``. DVC 2
digests files that look like text with the line ends of Unix (hashfile/hash.py and istextfile.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from registry.client.errors import UnfitSource
from registry.client.files import scan

CHUNK = 1 << 20  # DVC 2 decides for each chunk whether it is text
BLOCK = 512
MOST_BINARY = 0.3
_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"


def matches(path: Path, digest: str, *, size: int | None = None, unix_lines: bool | None = None) -> bool:
    """Return whether the file or directory *path* has the *digest*; one of another *size* is not read.

    *unix_lines* is whether DVC 2 digested the files of a directory: the digest does not tell. None tries both. Raises
    UnfitSource and SourceChanged for what cannot be read.
    """
    if digest.endswith(".dir"):
        ways = (False, True) if unix_lines is None else (unix_lines,)
        return path.is_dir() and any(
            digest == f"md5:{directory(path, unix_lines=way, size=None if way else size)}" for way in ways
        )
    if path.is_dir():
        return False
    file = scan.single(path)
    algorithm, _, md5 = digest.partition(":")
    if algorithm == "md5" and size is not None and size != file.size:
        return False
    return _md5_of_file(file, unix_lines=algorithm != "md5") == md5


def digests(path: Path) -> list[str]:
    """Return the digests that DVC 3 and DVC 2 have for the file or directory. Raises UnfitSource and SourceChanged."""
    if path.is_dir():
        return [*dict.fromkeys(f"md5:{directory(path, unix_lines=unix_lines)}" for unix_lines in (False, True))]
    file = scan.single(path)
    return [f"{name}:{_md5_of_file(file, unix_lines=name != 'md5')}" for name in ("md5", "md5-dos2unix")]


def directory(path: Path, *, unix_lines: bool = False, size: int | None = None) -> str | None:
    """Return ``<md5>.dir`` of a directory; None where its files have another *size* in total.

    Raises UnfitSource and SourceChanged.
    """
    found_files = list(scan.walk(path, follow_links=True))
    if unread := next((file for file in found_files if not file.readable), None):
        raise UnfitSource(f"{path / unread.path}: {unread.problem}.")
    if size is not None and size != sum(file.size for file in found_files):
        return None
    return listing({file.path: _md5_of_file(file, unix_lines=unix_lines) for file in found_files})


def listing(files: Mapping[str, str]) -> str:
    """Return ``<md5>.dir`` of the files that have these MD5, by path."""
    entries = [{"md5": files[path], "relpath": path} for path in sorted(files)]
    return f"{_md5([json.dumps(entries, sort_keys=True).encode()])}.dir"


def _md5_of_file(file: scan.Found, *, unix_lines: bool) -> str:
    with scan.opened(file) as stream:
        chunks = iter(lambda: stream.read(CHUNK), b"")
        md5 = _md5(_with_unix_lines(chunks) if unix_lines else chunks)
        scan.unchanged(file, stream)
    return md5


def _md5(chunks: Iterable[bytes]) -> str:
    whole = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        whole.update(chunk)
    return whole.hexdigest()


def _with_unix_lines(chunks: Iterable[bytes]) -> Iterable[bytes]:
    for chunk in chunks:
        block = chunk[:BLOCK]
        is_text = b"\0" not in block and len(block.translate(None, _TEXT)) <= MOST_BINARY * len(block)
        yield chunk.replace(b"\r\n", b"\n") if is_text else chunk
