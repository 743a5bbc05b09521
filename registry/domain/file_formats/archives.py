"""Archives (zip, tar), as dangerous as their members, and the formats of models that are archives."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress

from registry.domain.file_formats.reading import (
    BLOCK,
    InMemory,
    PartOfFile,
    Reader,
    ReaderFile,
    ReadingBudget,
    Undecidable,
    Unreadable,
)
from registry.domain.file_formats.recognitions import Execution, Recognition, worst

Recognise = Callable[[Reader, str], Recognition]

LARGEST_DIRECTORY = 4 * 1024 * 1024
LARGEST_CHECKED = 32 * 1024 * 1024  # of a member whose checksum is compared
MOST_MEMBERS = 20_000
_END = b"PK\x05\x06"
_END_LENGTH = 22
_LONGEST_COMMENT = 65_535
_LOCAL_HEADER = 30
_ENCRYPTED = 1
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
_ERRORS = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, ValueError,
    KeyError, IndexError, NotImplementedError, RuntimeError, OverflowError, AttributeError, TypeError,
)  # fmt: skip  # zipfile and tarfile raise all these for damaged archives


def ends_as_zip(reader: Reader) -> bool:
    """Return whether readers of zip archives take the file: its directory is at its end, whatever it begins with."""
    length = min(reader.size, _END_LENGTH + _LONGEST_COMMENT)
    tail = reader.read(reader.size - length, length)
    place = tail.rfind(_END)
    while place >= 0:
        if len(tail) - place >= _END_LENGTH:
            comment = int.from_bytes(tail[place + 20 : place + 22], "little")
            if place + _END_LENGTH + comment <= len(tail):
                return True
        place = tail.rfind(_END, 0, place)
    return False


def recognise_zip(reader: Reader, budget: ReadingBudget, recognise: Recognise) -> Recognition:
    """Return the recognition of a zip archive. Raises Unreadable for a damaged, encrypted or unknown member."""
    try:
        with zipfile.ZipFile(ReaderFile(reader, most=LARGEST_DIRECTORY)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MOST_MEMBERS:
                raise Undecidable(f"a zip archive of {len(members)} members")
            names = {member.filename for member in members}
            # Pickles and small files first: the first that executes code decides.
            members.sort(key=lambda member: (not member.filename.endswith(".pkl"), member.file_size))
            return _of_members(
                _zip_kind(names),
                ((one.filename, _zip_member(archive, one, reader, budget)) for one in members),
                recognise,
            )
    except _ERRORS as error:
        raise Unreadable(f"a damaged zip archive, or of an unknown kind ({type(error).__name__})") from error


def recognise_tar(reader: Reader, recognise: Recognise) -> Recognition:
    """Return the recognition of a file that begins as a tar archive. Raises Unreadable for a damaged one."""
    try:
        with tarfile.open(fileobj=ReaderFile(reader, most=LARGEST_DIRECTORY), mode="r:") as archive:
            return _of_members("tar", _tar_members(archive, reader), recognise)
    except _ERRORS as error:
        raise Unreadable(f"a damaged tar archive ({type(error).__name__})") from error


def _of_members(kind: str, members: Iterator[tuple[str, Reader]], recognise: Recognise) -> Recognition:
    recognitions: list[tuple[str, Recognition]] = []  # an archive can have two members of one name
    for name, reader in members:
        recognitions.append((name, recognise(reader, name)))
        if recognitions[-1][1].executes_code is Execution.YES:
            break
    if not recognitions:
        return Recognition.of(kind, Execution.NO, "no members")
    most = worst(one for _, one in recognitions)
    if most.executes_code is Execution.NO:
        if kind == "skops":
            return Recognition.of(kind, Execution.UNKNOWN, "its schema names the classes to import")
        return Recognition.of(
            _data_kind(kind, [one.format for _, one in recognitions]), Execution.NO, f"{len(recognitions)} members"
        )
    name = next(name for name, one in recognitions if one == most)
    return Recognition.of(kind, most.executes_code, f"{name} is {most.format}: {most.detail}")


def _zip_kind(names: set[str]) -> str:
    below = {name.partition("/")[2] for name in names}
    if "data.pkl" in below:
        return "torchscript" if "constants.pkl" in below else "pytorch"
    if {"config.json", "metadata.json"} <= names:
        return "keras"
    if "schema.json" in names:
        return "skops"
    return "npz" if names and all(name.endswith(".npy") for name in names) else "zip"


def _data_kind(kind: str, formats: Collection[str]) -> str:
    """Return the format of an archive of data: one of arrays if all members are."""
    if kind == "npz" and set(formats) != {"npy"}:
        return "zip"
    return "zip" if kind in {"pytorch", "torchscript"} else kind


def _zip_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, reader: Reader, budget: ReadingBudget) -> Reader:
    """Return the content of a member, after comparing its checksum unless it is large."""
    if member.flag_bits & _ENCRYPTED:
        raise Unreadable(f"its member {member.filename} is encrypted")
    with archive.open(member) as stream:
        is_small = member.file_size <= LARGEST_CHECKED and member.file_size <= budget.left
        if is_small or member.compress_type != zipfile.ZIP_STORED:
            content = bytearray()
            while len(content) <= LARGEST_CHECKED and (piece := stream.read(BLOCK)):
                budget.spend(len(piece))
                content += piece
            if not is_small:
                return InMemory(bytes(content), size=max(member.file_size, len(content)))
            if len(content) != member.file_size:
                raise Unreadable(f"its member {member.filename} is cut off")
            return InMemory(bytes(content))
    header = reader.read(member.header_offset, _LOCAL_HEADER)
    name, extra = struct.unpack("<HH", header[26:30])
    return PartOfFile(reader, member.header_offset + _LOCAL_HEADER + name + extra, member.file_size)


def begins_as_tar(reader: Reader) -> bool:
    """Return whether readers of tar archives take the file: the name of the first member can be any bytes."""
    head = reader.read(0, tarfile.BLOCKSIZE)
    if head[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):
        return True
    with suppress(*_ERRORS):
        return bool(tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape").name)
    return False


def _tar_members(archive: tarfile.TarFile, reader: Reader) -> Iterator[tuple[str, Reader]]:
    for count, member in enumerate(archive):
        if count >= MOST_MEMBERS:
            raise Undecidable("a tar archive of too many members")
        if member.issparse():
            raise Unreadable(f"its member {member.name} is sparse")
        if member.isfile():
            yield member.name, PartOfFile(reader, member.offset_data, member.size)
