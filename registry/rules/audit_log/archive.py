"""Archives that are the same bytes for the same files: ZIP, not compressed, without times, names in order.

So an archive can be written again from what it holds, and one that differs in any byte was changed.
"""

from __future__ import annotations

import errno
import struct
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

_PIECE = 1 << 20
_UNIX = 3  # the system that the archive names; it has no influence on how it is read
_MODE = 0o100644 << 16
# What zipfile raises for an archive that is not as it should be.
_DAMAGED = (zipfile.BadZipFile, struct.error, EOFError, LookupError, NotImplementedError, RuntimeError, UnicodeError)


class ArchiveError(ValueError):
    """An archive that this module did not write, or that was changed since."""


def write_archive(file: IO[bytes], members: Mapping[str, Iterable[bytes]]) -> None:
    """Write the members, each in pieces, to a seekable file."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = _UNIX, _MODE
            with archive.open(info, "w", force_zip64=True) as member:
                for piece in members[name]:
                    member.write(piece)


def require_canonical(path: Path) -> None:
    """Write the archive again to a temporary file and compare both. Raises ArchiveError, or OSError."""
    with path.open("rb") as original, tempfile.TemporaryFile() as again:
        try:
            _write_again(original, again)
        except _DAMAGED as error:
            raise ArchiveError(f"the archive is damaged: {error}") from error
        except OSError as error:
            if error.errno != errno.EINVAL:  # an offset outside of the file
                raise
            raise ArchiveError("the archive is damaged: an offset in it is wrong") from error
        original.seek(0)
        again.seek(0)
        while piece := original.read(_PIECE):
            if again.read(len(piece)) != piece:
                raise ArchiveError("the archive was changed: its bytes are not those that its files have")
        if again.read(1):
            raise ArchiveError("the archive was changed: its bytes are not those that its files have")


def _write_again(original: IO[bytes], again: IO[bytes]) -> None:
    with zipfile.ZipFile(original) as archive:
        names = archive.namelist()
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise ArchiveError("a file in the archive is compressed")
        if len(set(names)) < len(names):
            raise ArchiveError("a name is twice in the archive")
        write_archive(again, {name: _pieces(archive, name) for name in names})


def _pieces(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with archive.open(name) as member:
        while piece := member.read(_PIECE):
            yield piece
