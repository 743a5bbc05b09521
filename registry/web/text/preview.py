"""Previews of untrusted files: text, the tensors of a safetensors file, the fields of an ``MLmodel``."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.rules import mlmodel

TEXT_BYTES = 64 * 1024
HEADER_BYTES = 1024 * 1024
FIELDS_BYTES = 16 * 1024  # a longer file is shown as text: YAML takes long to read
ROWS = 500
LONGEST = 500  # characters of a value
_DEPTH = 8
_LARGEST = 2**63 - 1
_BRACKETS = 50  # PyYAML's time grows with the square of them
_LENGTH = 8  # bytes of the length of a safetensors header
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class TextPreview:
    """A text, or its first part."""

    text: str


@dataclass(frozen=True, slots=True)
class Tensor:
    """A row of a safetensors header; ``size`` is None if the entry has none."""

    name: str
    dtype: str
    shape: str
    size: int | None


@dataclass(frozen=True, slots=True)
class TensorsPreview:
    """The first of ``count`` tensors, and the metadata. ``parameters`` is None where a shape is not one."""

    tensors: Sequence[Tensor]
    count: int
    parameters: int | None
    metadata: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class FieldsPreview:
    """The fields of a document in order; ``is_cut`` where it has more."""

    fields: Sequence[tuple[str, str]]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class NoPreview:
    """The reason why there is no preview, as a sentence."""

    reason: str


Preview = TextPreview | TensorsPreview | FieldsPreview | NoPreview
NO_PREVIEW = NoPreview("No preview of this type.")


def wanted(path: str) -> int:
    """Return the number of leading bytes of a file that its preview needs."""
    return HEADER_BYTES + _LENGTH if _is_safetensors(path) else TEXT_BYTES


def preview(path: str, content: bytes, size: int) -> Preview:
    """Return the preview of a file of *size* bytes by its first bytes."""
    if not size:
        return NoPreview("The file is empty.")
    if _is_safetensors(path):
        return _tensors(content, size)
    is_mlmodel = path.rsplit("/", 1)[-1] == mlmodel.NAME and len(content) == size <= FIELDS_BYTES
    if is_mlmodel and _brackets(content) <= _BRACKETS and (document := mlmodel.document(content)):
        return fields(document)
    return _utf8_text(content, is_whole=len(content) == size)


def fields(document: Mapping[Any, Any]) -> FieldsPreview:
    """Return the entries of a document of texts, numbers, lists and mappings, those below an entry indented."""
    rows: list[tuple[str, str]] = []
    for depth, key, value in _walk(document):
        if len(rows) >= ROWS:  # aliases of YAML multiply what a small file has
            return FieldsPreview(rows, is_cut=True)
        rows.append((_INDENT * depth + key, value))
    return FieldsPreview(rows, is_cut=False)


def _brackets(content: bytes) -> int:
    """Return the greatest depth of brackets."""
    deepest = depth = 0
    for byte in content:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _is_safetensors(path: str) -> bool:
    return path.lower().endswith(".safetensors")


def _utf8_text(content: bytes, *, is_whole: bool) -> Preview:
    """Return the text in UTF-8; bytes with a NUL, or in any other encoding, have no preview."""
    if b"\0" in content:
        return NO_PREVIEW
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(content, final=is_whole)
    except UnicodeDecodeError:
        return NO_PREVIEW
    return TextPreview(text.replace("\r\n", "\n"))


def _tensors(content: bytes, size: int) -> Preview:
    length = int.from_bytes(content[:_LENGTH], "little")
    if len(content) < _LENGTH or length > size - _LENGTH:
        return NoPreview("Not a safetensors file: its header would end after the file.")
    if length > len(content) - _LENGTH:
        return NoPreview(f"The header has {length} bytes; a preview shows headers of up to {HEADER_BYTES}.")
    try:
        header = json.loads(content[_LENGTH : _LENGTH + length])
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        return NoPreview("Not a safetensors file: its header is not a JSON object.")
    metadata = header.pop("__metadata__", {})
    named = list(metadata.items()) if isinstance(metadata, dict) else []
    counts = [_elements(entry) for entry in header.values()]
    known = [count for count in counts if count is not None]
    return TensorsPreview(
        [_tensor(name, entry) for name, entry in list(header.items())[:ROWS]],
        len(header),
        sum(known) if len(known) == len(counts) else None,
        [(_cut_short(key), _cut_short(value)) for key, value in named[:ROWS]],
    )


def _tensor(name: str, entry: Any) -> Tensor:
    entry = entry if isinstance(entry, dict) else {}
    dimensions, offsets = _naturals(entry.get("shape")), _naturals(entry.get("data_offsets"))
    shape = "not a shape" if dimensions is None else " × ".join(map(str, dimensions)) or "scalar"
    span = offsets[1] - offsets[0] if offsets is not None and len(offsets) == 2 else None
    return Tensor(
        _cut_short(name), _cut_short(entry.get("dtype", "")), shape, span if span is not None and span >= 0 else None
    )


def _elements(entry: Any) -> int | None:
    dimensions = _naturals(entry.get("shape")) if isinstance(entry, dict) else None
    if dimensions is None or (count := math.prod(dimensions)) > _LARGEST:
        return None
    return count


def _naturals(value: Any) -> list[int] | None:
    """Return a short list of sizes; None for anything else."""
    if not isinstance(value, list) or len(value) > 16:
        return None
    return value if all(type(one) is int and 0 <= one <= _LARGEST for one in value) else None


def _walk(document: Mapping[Any, Any] | list[Any], depth: int = 0) -> Iterator[tuple[int, str, str]]:
    """Yield the depth, key and value of the entries and of those below them, depth first."""
    is_mapping = isinstance(document, Mapping)
    entries = document.items() if isinstance(document, Mapping) else enumerate(document, 1)
    for key, value in entries:
        label = _cut_short(key) if is_mapping else f"{key}."
        if not isinstance(value, Mapping | list):
            yield depth, label, _cut_short(value)
        elif not value:
            yield depth, label, "empty"
        elif depth < _DEPTH:
            yield depth, label, ""
            yield from _walk(value, depth + 1)
        else:
            yield depth, label, "…"


def _cut_short(value: Any) -> str:
    text = value if isinstance(value, str) else "…" if isinstance(value, dict | list) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
