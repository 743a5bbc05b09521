"""Formats that are recognised by their frame: images, Parquet, CatBoost, programs."""

from __future__ import annotations

import base64

from registry.domain.file_formats.reading import Cursor, Reader, Undecidable, Unreadable
from registry.domain.file_formats.recognitions import Execution, Recognition

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS = 100_000
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PARQUET = b"PAR1"
_LARGEST_FOOTER = 32 * 1024 * 1024
_CATBOOST = b"CBM1"
_PROGRAMS = {
    b"\x7fELF": "ELF", b"MZ": "Windows", b"\xfe\xed\xfa\xce": "Mach-O", b"\xfe\xed\xfa\xcf": "Mach-O",
    b"\xce\xfa\xed\xfe": "Mach-O", b"\xcf\xfa\xed\xfe": "Mach-O", b"\xca\xfe\xba\xbe": "Mach-O or Java",
    b"\x00asm": "WebAssembly",
}  # fmt: skip
# Old releases of pyarrow unpickle the types of this name; a schema is in the footer as Base64.
_PICKLED_TYPE = b"arrow.py_extension_type"


def recognise(reader: Reader) -> Recognition | None:
    """Return the recognition of one of these formats. Raises Unreadable for one that is cut off."""
    head = reader.read(0, 8)
    if head == _PNG:
        return _recognise_png(reader)
    if head.startswith(_JPEG):
        if reader.read(reader.size - len(_JPEG_END), len(_JPEG_END)) != _JPEG_END:
            raise Unreadable("a JPEG image that does not end as one")
        return Recognition.of("jpeg", Execution.NO, "an image")
    if head.startswith(_PARQUET):
        return _recognise_parquet(reader)
    if head.startswith(_CATBOOST):
        if int.from_bytes(head[4:], "little") > reader.size - len(head):
            raise Unreadable("a CatBoost model that is cut off")
        return Recognition.of("catboost", Execution.NO, "trees")
    for magic, name in _PROGRAMS.items():
        if head.startswith(magic):
            return Recognition.of("executable", Execution.YES, f"a program or library ({name})")
    return None


def _recognise_png(reader: Reader) -> Recognition:
    cursor = Cursor(reader, len(_PNG))
    for _ in range(_MOST_CHUNKS):
        length, kind = cursor.number(">I"), cursor.take(4)
        cursor.skip(length + 4)
        if kind == b"IEND":
            if cursor.left:
                raise Unreadable(f"{cursor.left} bytes follow the end of a PNG image")
            return Recognition.of("png", Execution.NO, "an image")
    raise Undecidable("a PNG image of too many chunks")


def _recognise_parquet(reader: Reader) -> Recognition:
    cursor = Cursor(reader, max(0, reader.size - 8))
    length, end = cursor.number("<I"), cursor.take(4)
    if end != _PARQUET or not 0 < length <= reader.size - 12:
        raise Unreadable("a Parquet table whose end does not fit its beginning")
    if length > _LARGEST_FOOTER:
        raise Undecidable("a Parquet table whose footer is too large to look through")
    footer = reader.read(reader.size - 8 - length, length)
    if any(sign in footer for sign in _SIGNS):
        return Recognition.of("parquet", Execution.YES, "a type that releases of pyarrow before 14.0.1 unpickle")
    return Recognition.of("parquet", Execution.NO, "a table")


def _in_base64(content: bytes) -> set[bytes]:
    """Return what is the same in every Base64 text in which *content* is, whatever precedes and follows it."""
    return {base64.b64encode(b"\0" * shift + content)[4 * (shift > 0) : -4] for shift in range(3)}


_SIGNS = {_PICKLED_TYPE} | _in_base64(_PICKLED_TYPE)
