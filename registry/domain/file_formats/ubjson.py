"""Universal Binary JSON (draft 12), as XGBoost writes it: data only, from the first byte to the last."""

from __future__ import annotations

from registry.domain.file_formats.reading import Cursor, Reader, Undecidable, Unreadable
from registry.domain.file_formats.recognitions import Execution, Recognition

_LENGTHS = {b"Z": 0, b"T": 0, b"F": 0, b"i": 1, b"U": 1, b"C": 1, b"I": 2, b"l": 4, b"d": 4, b"L": 8, b"D": 8}
_INTEGERS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q"}
_DEEPEST = 64
_MOST_VALUES = 2_000_000


def recognise(reader: Reader) -> Recognition | None:
    """Return the recognition of a file that is one object; None for anything else."""
    cursor = Cursor(reader)
    if reader.read(0, 1) != b"{" or reader.read(1, 1) not in _INTEGERS.keys() | {b"$", b"#", b"}"}:
        return None
    left = [_MOST_VALUES]
    try:
        _skip_value(cursor, cursor.take(1), 0, left)
    except Unreadable:
        return None
    return None if cursor.left else Recognition.of("ubjson", Execution.NO, "one object")


def _skip_value(cursor: Cursor, marker: bytes, depth: int, left: list[int]) -> None:
    left[0] -= 1
    if left[0] < 0 or depth > _DEEPEST:
        raise Undecidable("it has more values than are looked at")
    if marker in _LENGTHS:
        cursor.skip(_LENGTHS[marker])
    elif marker in {b"S", b"H"}:
        cursor.skip(_read_length(cursor, cursor.take(1)))
    elif marker in {b"[", b"{"}:
        _skip_compound(cursor, depth, left, is_object=marker == b"{")
    else:
        raise Unreadable("it has a marker that is none of UBJSON's")


def _skip_compound(cursor: Cursor, depth: int, left: list[int], *, is_object: bool) -> None:
    following = cursor.take(1)
    kind = None
    if following == b"$":
        kind = cursor.take(1)
        following = cursor.take(1)
        if following != b"#":
            raise Unreadable("it has a type without a count")
    if following == b"#":
        count = _read_length(cursor, cursor.take(1))
        if kind in _LENGTHS and not is_object:
            cursor.skip(count * _LENGTHS[kind])
            return
        for _ in range(count):
            if is_object:
                cursor.skip(_read_length(cursor, cursor.take(1)))
            _skip_value(cursor, kind or cursor.take(1), depth + 1, left)
        return
    end = b"}" if is_object else b"]"
    while following != end:
        if is_object:
            cursor.skip(_read_length(cursor, following))
            following = cursor.take(1)
        _skip_value(cursor, following, depth + 1, left)
        following = cursor.take(1)


def _read_length(cursor: Cursor, marker: bytes) -> int:
    if marker not in _INTEGERS:
        raise Unreadable("it has a length that is no integer")
    return cursor.number(_INTEGERS[marker])
