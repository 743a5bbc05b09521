"""Copies of the store's objects: made once, read again from time to time, and brought back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import seal

from registry.domain.errors import BlobsMissing, RegistryError
from registry.storage import keys
from registry.storage.checked import Store

CHUNK = 1024 * 1024
UNFINISHED, DAMAGED = ".partial", ".damaged"


class Copier:
    """Copies objects below *root*. A copy's time of modification is when it was last known to be whole.

    What was read and does not have its digest is kept with the suffix ``.damaged``, and is copied again the next time.
    """

    def __init__(self, store: Store, root: Path, *, report: Callable[[str], object]) -> None:
        self.store, self.root, self.report = store, root, report
        self.problems = 0
        self.incoming: dict[str, str] = {}
        self._copied: set[str] = set()

    def copy_new(self) -> int:
        """Copy the objects that have no copy yet; return how many."""
        for found in self.store.objects():
            target = self.root / found.key
            if not (target.exists() and target.stat().st_size == found.size):
                self._copy(found.key)
            if keys.is_incoming(found.key) and target.exists():
                self.incoming[found.key] = seal.sha256(target)
        return len(self._copied)

    def look_again(self, count: int | None) -> int:
        """Read the *count* copies that were not read for longest, and their objects; return how many."""
        old = sorted(
            (path.stat().st_mtime, key)
            for path, key in _copies(self.root)
            if key not in self._copied and not keys.is_incoming(key)
        )
        for _, key in old[:count]:
            self._look(key)
        return len(old[:count])

    def _look(self, key: str) -> None:
        target, expected = self.root / key, keys.digest_of(key)
        try:
            is_whole = self.store.digest(key)[0] == expected
        except BlobsMissing:
            is_whole = None  # deleted since, or lost: registry admin fsck compares the database with the store
        if is_whole is False:
            self._problem(f"{key} does not have its digest in the store: look at registry admin fsck --deep")
        if seal.sha256(target) == expected:
            os.utime(target)
            return
        self._problem(f"the copy of {key} does not have its digest{'' if is_whole else ', and there is no other'}")
        target.replace(target.with_name(target.name + DAMAGED))
        if is_whole:
            self._copy(key)

    def _copy(self, key: str) -> None:
        """Copy an object out of the store, if it has the digest that its key says."""
        target, digest = self.root / key, hashlib.sha256()

        def read() -> Iterator[bytes]:
            for chunk in self.store.read(key):
                digest.update(chunk)
                yield chunk

        try:
            seal.write_durably(target, read())
        except BlobsMissing:
            return  # collected meanwhile: nothing has referred to it for as long as the grace period
        self._copied.add(key)
        if not keys.is_incoming(key) and digest.hexdigest() != keys.digest_of(key):
            target.replace(target.with_name(target.name + DAMAGED))
            self._problem(f"{key} does not have its digest in the store: look at registry admin fsck")

    def _problem(self, text: str) -> None:
        self.problems += 1
        self.report(text)


def bring(root: Path, incoming: Mapping[str, str], store: Store, *, report: Callable[[str], object]) -> int:
    """Write the copies into the store, each only with its digest; return how many were not there yet.

    Of what has no digest in its key, only what the backup names is written.
    """
    written = 0
    for path, key in sorted(_copies(root)):
        if keys.is_incoming(key) and incoming.get(key) != seal.sha256(path):
            if key in incoming:
                report(f"{path} is not what was backed up: its digest differs")
            continue
        written += _write(path, store, key, report)
    return written


def _write(path: Path, store: Store, key: str, report: Callable[[str], object]) -> int:
    size, there = path.stat().st_size, store.stat(key)
    if there is not None and there.size == size:
        return 0
    # Of what nobody had hashed yet the key has no digest, which the store would compare.
    writer = store.driver if keys.is_incoming(key) else store
    try:
        writer.write(key, _chunks(path), size=size)
    except RegistryError as error:
        report(f"{path}: {error}")
        return 0
    return 1


def _copies(root: Path) -> Iterator[tuple[Path, str]]:
    """The finished copies, each with its object's key."""
    for path in root.rglob("*"):
        key = path.relative_to(root).as_posix()
        if keys.is_ours(key) and path.is_file():
            yield path, key


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
