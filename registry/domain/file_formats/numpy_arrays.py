"""NumPy arrays (``.npy``): an array of objects is a pickle behind its header."""

from __future__ import annotations

import ast
import re
from math import prod
from typing import Any

from registry.domain.file_formats.reading import Cursor, Reader, Unreadable
from registry.domain.file_formats.recognitions import Execution, Recognition

MAGIC = b"\x93NUMPY"
_LENGTHS = {1: "<H", 2: "<I", 3: "<I"}
_LONGEST_HEADER = 10_000  # NumPy reads no longer one, unless pickles are allowed
_MOST_NESTED = 16
_TYPE = re.compile(r"[<>|=]?(?:\?|b1|(?P<kind>[biufcmMSUVa])(?P<size>[0-9]{1,9})(?:\[[^\]]*\])?)")


class _Objects(Exception):
    """The elements are Python objects."""


def recognise(reader: Reader) -> Recognition | None:
    """Return the recognition of a file with NumPy's magic. Raises Unreadable where header and length disagree."""
    cursor = Cursor(reader)
    if reader.read(0, len(MAGIC)) != MAGIC:
        return None
    cursor.skip(len(MAGIC))
    version, _ = cursor.take(2)
    if version not in _LENGTHS:
        raise Unreadable(f"it claims to be a NumPy array of version {version}")
    length = cursor.number(_LENGTHS[version])
    if length > _LONGEST_HEADER:
        raise Unreadable(f"it has a NumPy header of {length} bytes")
    try:
        expected = _length(_parse_header(cursor.take(length).decode("latin-1")))
    except _Objects:
        return Recognition.of("npy", Execution.YES, "an array of Python objects, which is a pickle")
    if expected != cursor.left:
        raise Unreadable(f"its array needs {expected} bytes and has {cursor.left}")
    return Recognition.of("npy", Execution.NO, "an array without objects")


def _parse_header(header: str) -> Any:
    try:
        return ast.literal_eval(header.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise Unreadable("its NumPy header is no literal") from error


def _length(header: Any) -> int:
    """Return the number of bytes of the array. Raises Unreadable, or _Objects."""
    match header:
        case {"descr": descr, "fortran_order": bool(), "shape": tuple(shape), **others} if not others:
            size = _item_size(descr, 0)
        case _:
            raise Unreadable("its NumPy header has other keys than an array's")
    return _elements(shape) * size


def _item_size(descr: Any, depth: int) -> int:
    if depth > _MOST_NESTED:
        raise Unreadable("its element type is nested too deeply")
    match descr:
        case str():
            return _size_of(descr)
        case [*fields] if isinstance(descr, list) and fields:
            return sum(_field_size(field, depth) for field in fields)
        case (base, tuple(shape)):
            return _item_size(base, depth + 1) * _elements(shape)
    raise Unreadable("its element type is none of NumPy's")


def _field_size(field: Any, depth: int) -> int:
    match field:
        case (str() | (str(), str()), descr):
            return _item_size(descr, depth + 1)
        case (str() | (str(), str()), descr, tuple(shape)):
            return _item_size(descr, depth + 1) * _elements(shape)
    raise Unreadable("a field of its element type has another form than NumPy writes")


def _size_of(descr: str) -> int:
    match = _TYPE.fullmatch(descr)
    if match is None:
        if "O" in descr or "object" in descr:
            raise _Objects
        raise Unreadable(f"its element type {descr[:40]!r} is not one that NumPy writes")
    if match["kind"] is None:
        return 1
    return int(match["size"]) * (4 if match["kind"] == "U" else 1)


def _elements(shape: tuple[Any, ...]) -> int:
    if not all(type(length) is int and length >= 0 for length in shape):
        raise Unreadable("its shape is no shape")
    return prod(shape)
