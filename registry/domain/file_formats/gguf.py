"""GGUF: metadata and tensors whose counts and offsets agree with the file."""

from __future__ import annotations

from itertools import pairwise
from math import prod

from registry.domain.file_formats.reading import Cursor, Reader, Undecidable, Unreadable
from registry.domain.file_formats.recognitions import Execution, Recognition

MAGIC = b"GGUF"
_VERSIONS = {2, 3}
_MOST_TENSORS = 100_000
_MOST_VALUES = 3_000_000  # vocabularies are arrays of texts
_LONGEST_NAME = 65_535
_MOST_DIMENSIONS = 4
_LENGTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_UNSIGNED_32, _TEXT, _ARRAY = 4, 8, 9
# Elements and bytes of a block, by ggml's number of the type.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
}  # fmt: skip


def recognise(reader: Reader) -> Recognition | None:
    """Return the recognition of a file with GGUF's magic. Raises Unreadable where it contradicts itself."""
    cursor = Cursor(reader)
    if reader.read(0, len(MAGIC)) != MAGIC:
        return None
    cursor.skip(len(MAGIC))
    if (version := cursor.number("<I")) not in _VERSIONS:
        raise Unreadable(f"it claims to be GGUF of version {version}")
    tensors, values = cursor.number("<Q"), cursor.number("<Q")
    if tensors > _MOST_TENSORS or values > _MOST_VALUES:
        raise Unreadable(f"it claims {tensors} tensors and {values} values")
    alignment = _skip_metadata(cursor, values)
    extents = [_read_extent(cursor) for _ in range(tensors)]
    start = -(-cursor.position // alignment) * alignment
    ends = sorted((start + offset, start + offset + length) for offset, length in extents)
    if any(offset % alignment for offset, _ in extents) or any(
        begin < end for (_, end), (begin, _) in pairwise([*ends, (reader.size, reader.size)])
    ):
        raise Unreadable("its tensors overlap or lie beyond its end")
    return Recognition.of("gguf", Execution.NO, f"version {version}, {tensors} tensors")


def _skip_metadata(cursor: Cursor, count: int) -> int:
    """Skip the metadata; return the alignment of the tensors."""
    alignment, budget = 32, _MOST_VALUES
    for _ in range(count):
        key = _read_name(cursor)
        kind = cursor.number("<I")
        if key == b"general.alignment" and kind == _UNSIGNED_32:
            alignment = cursor.number("<I")
        else:
            budget -= _skip_any(cursor, kind)
        if budget < 0:
            raise Undecidable("its metadata have too many values")
    if not 1 <= alignment <= _LONGEST_NAME or alignment % 8:
        raise Unreadable(f"its tensors are aligned to {alignment} bytes")
    return alignment


def _skip_any(cursor: Cursor, kind: int) -> int:
    """Skip a value; return of how many values it was."""
    if kind in _LENGTHS:
        cursor.skip(_LENGTHS[kind])
        return 1
    if kind == _TEXT:
        cursor.skip(cursor.number("<Q"))
        return 1
    if kind != _ARRAY:
        raise Unreadable(f"a value has the unknown type {kind}")
    element, count = cursor.number("<I"), cursor.number("<Q")
    if element in _LENGTHS:
        cursor.skip(count * _LENGTHS[element])
        return 1
    if element != _TEXT or count > _MOST_VALUES:
        raise Unreadable(f"it has an array of {count} values of the type {element}")
    for _ in range(count):
        cursor.skip(cursor.number("<Q"))
    return count


def _read_name(cursor: Cursor) -> bytes:
    length = cursor.number("<Q")
    if length > _LONGEST_NAME:
        raise Unreadable(f"it has a name of {length} bytes")
    return cursor.take(length)


def _read_extent(cursor: Cursor) -> tuple[int, int]:
    """Return the offset of a tensor in the data and its length: the least, for an unknown type."""
    name = _read_name(cursor)
    dimensions = cursor.number("<I")
    if dimensions > _MOST_DIMENSIONS:
        raise Unreadable(f"the tensor {name!r} has {dimensions} dimensions")
    elements = prod(cursor.number("<Q") for _ in range(dimensions))
    block, length = _BLOCKS.get(cursor.number("<I"), (elements or 1, 1))
    if elements % block:
        raise Unreadable(f"the tensor {name!r} has {elements} elements in blocks of {block}")
    return cursor.number("<Q"), elements // block * length
