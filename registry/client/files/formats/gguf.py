"""The header of a GGUF file: its metadata and the shapes of its tensors (github.com/ggml-org/ggml, docs/gguf.md)."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from registry.client.files.formats.bounds import MOST_DIMENSIONS, Unreadable, count
from registry.client.files.formats.weights import Weights

MAGIC = b"GGUF"
MOST = 32 * 1024 * 1024  # bytes of a header, whose vocabulary takes most of it
_VERSIONS = (2, 3)
MOST_TENSORS, MOST_ENTRIES, MOST_TEXTS = 200_000, 20_000, 1_000_000
_LONGEST_TEXT = 4096  # of those that are kept
_MOST_BASES = 16
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_KEPT = ("general.architecture", "general.file_type", "general.license", "general.base_model.")
# llama_ftype of github.com/ggml-org/llama.cpp, include/llama.h
_FILE_TYPES = {
    0: "float32",
    1: "float16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "bfloat16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4",
}
# ggml_type of github.com/ggml-org/ggml, include/ggml.h: those that are not quantized
_TYPES = {0: "float32", 1: "float16", 24: "int8", 25: "int16", 26: "int32", 27: "int64", 28: "float64", 30: "bfloat16"}
_QUANTIZED = "quantized"


@dataclass(slots=True)
class _Cursor:
    """A position in the first bytes of a file. Each method moves it, and raises Unreadable beyond their end."""

    head: bytes
    whole: bool
    order: str = "<"
    position: int = 0

    def take(self, code: str) -> Any:
        try:
            (value,) = struct.unpack_from(self.order + code, self.head, self.position)
        except struct.error as error:
            raise self._ended() from error
        self.position += struct.calcsize(self.order + code)
        return value

    def skip(self, length: int) -> None:
        if length > len(self.head) - self.position:
            raise self._ended()
        self.position += length

    def text(self) -> bytes:
        length = self.take("Q")
        start = self.position
        self.skip(length)
        return self.head[start : start + min(length, _LONGEST_TEXT)]

    def _ended(self) -> Unreadable:
        return Unreadable("it is truncated" if self.whole else f"its header has more than {MOST} bytes")


def read(stream: BinaryIO, size: int) -> Weights:
    """Return the facts of the header of *stream*, a file of *size* bytes. Raises Unreadable."""
    head = stream.read(min(size, MOST))
    cursor = _Cursor(head, whole=size <= MOST)
    cursor.skip(len(MAGIC))
    if not head.startswith(MAGIC):
        raise Unreadable("it does not begin with GGUF")
    version = cursor.take("I")
    if version not in _VERSIONS and (swapped := int.from_bytes(version.to_bytes(4, "little"), "big")) in _VERSIONS:
        cursor.order, version = ">", swapped  # written on a big-endian machine
    if version not in _VERSIONS:
        raise Unreadable(f"its version is {version}, and versions {_VERSIONS[0]} and {_VERSIONS[1]} are read")
    tensors, entries = cursor.take("Q"), cursor.take("Q")
    if tensors > MOST_TENSORS or entries > MOST_ENTRIES:
        raise Unreadable(f"its header names {tensors} tensors and {entries} entries of metadata")
    metadata = {key: value for _ in range(entries) for key, value in _kept_entry(cursor)}
    file_type = metadata.get("general.file_type")
    return Weights(
        _dtypes(cursor, tensors),
        framework="gguf",
        architecture=_stored_text(metadata, "general.architecture"),
        license=_stored_text(metadata, "general.license"),
        quantization=_FILE_TYPES.get(file_type) if type(file_type) is int else None,
        base_models=tuple(_base_models(metadata)),
    )


def _kept_entry(cursor: _Cursor) -> Iterator[tuple[str, Any]]:
    """Read an entry of the metadata; yield it if it is a fact of the model."""
    key, kind = cursor.text().decode(errors="replace"), cursor.take("I")
    if kind == _STRING:
        value = cursor.text()
        if key.startswith(_KEPT):
            yield key, value
    elif kind in _SCALARS:
        number = cursor.take(_SCALARS[kind])
        if key.startswith(_KEPT):
            yield key, number
    elif kind == _ARRAY:
        _skip_array(cursor)
    else:
        raise Unreadable(f"its metadata has a value of the unknown type {kind}")


def _skip_array(cursor: _Cursor) -> None:
    kind, number = cursor.take("I"), cursor.take("Q")
    if kind == _STRING and number <= MOST_TEXTS:
        for _ in range(number):
            cursor.skip(cursor.take("Q"))
    elif kind in _SCALARS:
        cursor.skip(number * struct.calcsize(cursor.order + _SCALARS[kind]))
    else:
        raise Unreadable(f"its metadata has an array of {number} values of the type {kind}")


def _dtypes(cursor: _Cursor, tensors: int) -> Counter[str]:
    dtypes: Counter[str] = Counter()
    for _ in range(tensors):
        cursor.text()
        dimensions = cursor.take("I")
        elements = count(cursor.take("Q") for _ in range(min(dimensions, MOST_DIMENSIONS + 1)))
        dtypes[_TYPES.get(cursor.take("I"), _QUANTIZED)] += elements
        cursor.skip(8)
    return dtypes


def _stored_text(metadata: dict[str, Any], key: str) -> str | None:
    value = metadata.get(key)
    return value.decode(errors="replace") if isinstance(value, bytes) else None


def _base_models(metadata: dict[str, Any]) -> Iterator[str]:
    for place in range(_MOST_BASES):
        if address := _stored_text(metadata, f"general.base_model.{place}.repo_url"):
            yield address
