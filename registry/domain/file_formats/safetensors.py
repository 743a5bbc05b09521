"""Safetensors: a header whose offsets cover the data exactly, or nothing."""

from __future__ import annotations

import json
from itertools import pairwise
from math import prod
from typing import Any, NoReturn

from registry.domain.file_formats.reading import Reader, Undecidable, Unreadable
from registry.domain.file_formats.recognitions import Execution, Recognition

LONGEST_HEADER = 100_000_000  # of the format itself
LONGEST_CHECKED = 32 * 1024 * 1024
PREFIX = 8
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


def recognise(reader: Reader) -> Recognition | None:
    """Return the recognition of a file whose ninth byte opens a JSON object. Raises Unreadable for a false header."""
    prefix = reader.read(0, PREFIX + 1)
    if prefix[PREFIX:] != b"{":
        return None
    length = int.from_bytes(prefix[:PREFIX], "little")
    if length > LONGEST_HEADER or length > reader.size - PREFIX:
        raise Unreadable(f"a safetensors header of {length} bytes does not fit into the file")
    if length > LONGEST_CHECKED:
        raise Undecidable(f"a safetensors header of {length} bytes is too long to check")
    tensors = _read_header(reader.read(PREFIX, length))
    _check_offsets(tensors, reader.size - PREFIX - length)
    return Recognition.of("safetensors", Execution.NO, f"{len(tensors)} tensors")


def _read_header(header: bytes) -> list[tuple[str, int, int]]:
    """Return name, begin and end of each tensor."""
    try:
        document = json.loads(header.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable("its safetensors header is not strict JSON") from error
    metadata = document.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise Unreadable("the metadata of its safetensors header are not texts")
    return [(name, *_extent(name, tensor)) for name, tensor in document.items()]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a key is there twice")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _extent(name: str, tensor: Any) -> tuple[int, int]:
    match tensor:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [begin, end], **others} if not others:
            counts = [*shape, begin, end]
        case _:
            raise Unreadable(f"the tensor {name!r} has no dtype, shape and offsets")
    if not all(type(count) is int and count >= 0 for count in counts) or begin > end:
        raise Unreadable(f"the shape or the offsets of the tensor {name!r} are no counts")
    if dtype not in _BITS or prod(shape) * _BITS[dtype] != (end - begin) * 8:
        raise Unreadable(f"the tensor {name!r} has not the length of its shape and dtype")
    return begin, end


def _check_offsets(tensors: list[tuple[str, int, int]], length: int) -> None:
    extents = sorted((begin, end) for _, begin, end in tensors)
    for (_, before), (begin, _) in pairwise([(0, 0), *extents, (length, length)]):
        if begin != before:
            raise Unreadable("its tensors overlap, leave holes or do not end where the file ends")
