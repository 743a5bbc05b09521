"""The header of a safetensors file: the shapes and types of its tensors (github.com/huggingface/safetensors)."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, BinaryIO

from registry.client.files.formats.bounds import Unreadable, count
from registry.client.files.formats.weights import Weights

MOST = 8 * 1024 * 1024  # bytes of a header: about 60,000 tensors
_METADATA = "__metadata__"
_FRAMEWORKS = {"pt": "pytorch", "tf": "tensorflow", "flax": "flax", "mlx": "mlx", "paddle": "paddle"}
_BITS = {
    "BOOL": ("bool", 8),
    "U8": ("uint8", 8),
    "I8": ("int8", 8),
    "F8_E5M2": ("float8_e5m2", 8),
    "F8_E4M3": ("float8_e4m3fn", 8),
    "F8_E8M0": ("float8_e8m0fnu", 8),
    "U16": ("uint16", 16),
    "I16": ("int16", 16),
    "F16": ("float16", 16),
    "BF16": ("bfloat16", 16),
    "U32": ("uint32", 32),
    "I32": ("int32", 32),
    "F32": ("float32", 32),
    "U64": ("uint64", 64),
    "I64": ("int64", 64),
    "F64": ("float64", 64),
    "C64": ("complex64", 64),
}


def read(stream: BinaryIO, size: int) -> Weights:
    """Return the facts of the header of *stream*, a file of *size* bytes. Raises Unreadable."""
    length = int.from_bytes(stream.read(8), "little")
    if size < 8 or length > size - 8:
        raise Unreadable(f"its header has {length} bytes, and the file {size}")
    if length > MOST:
        raise Unreadable(f"its header has {length} bytes, more than {MOST}")
    try:
        header = json.loads(stream.read(length).decode())
    except (ValueError, RecursionError) as error:
        raise Unreadable("its header is not JSON") from error
    if not isinstance(header, dict):
        raise Unreadable("its header is not a JSON object")
    metadata = header.pop(_METADATA, None)
    framework = metadata.get("format") if isinstance(metadata, dict) else None
    dtypes: Counter[str] = Counter()
    spans: list[tuple[int, int]] = []
    for tensor in header.values():
        dtype, elements, span = _tensor(tensor)
        dtypes[dtype] += elements
        spans.append(span)
    _check(spans, size - 8 - length)
    return Weights(dtypes, framework=_FRAMEWORKS.get(framework) if isinstance(framework, str) else None)


def _tensor(described: Any) -> tuple[str, int, tuple[int, int]]:
    """Return the type of a tensor, its number of elements and its place."""
    match described:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            elements = count(shape)
        case _:
            raise Unreadable("a tensor has no dtype, shape or data_offsets")
    name, bits = _BITS.get(dtype, (dtype.lower(), 0))
    if not name.isidentifier() or len(name) > 32:
        raise Unreadable("a tensor has a dtype that is no name")
    if bits and (end - begin) * 8 != elements * bits:
        raise Unreadable(f"a tensor of {elements} elements of {dtype} has {end - begin} bytes")
    return name, elements, (begin, end)


def _check(spans: list[tuple[int, int]], size: int) -> None:
    """Raise Unreadable for tensors that overlap or lie outside of the file."""
    reached = 0
    for begin, end in sorted(spans):
        if begin < reached:
            raise Unreadable("its tensors overlap, or begin before their data")
        if not begin <= end <= size:
            raise Unreadable("a tensor ends after the end of the file: the file is truncated")
        reached = end
