"""First bytes of model files, as the frameworks write them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any


def safetensors(tensors: Mapping[str, Any], *, data: int = 0, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return a file with these entries in its header, and *data* bytes after it."""
    header = json.dumps({**({"__metadata__": metadata} if metadata else {}), **tensors}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(data)


def tensor(dtype: str, shape: Sequence[int], begin: int, end: int) -> dict[str, Any]:
    """Return the entry of a tensor."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def gguf(
    metadata: Mapping[str, str | int | list[str]],
    shapes: Sequence[Sequence[int]] = (),
    *,
    tensors: int | None = None,
    order: str = "<",
) -> bytes:
    """Return a file with this metadata and float16 tensors of these *shapes*; *tensors* is their number as it states.

    Texts, 32-bit numbers and lists of texts are the values of the metadata.
    """

    def text(value: str) -> bytes:
        return struct.pack(order + "Q", len(value.encode())) + value.encode()

    content = b"GGUF" + struct.pack(order + "IQQ", 3, len(shapes) if tensors is None else tensors, len(metadata))
    for key, value in metadata.items():
        if isinstance(value, str):
            content += text(key) + struct.pack(order + "I", 8) + text(value)
        elif isinstance(value, int):
            content += text(key) + struct.pack(order + "II", 4, value)
        else:
            content += text(key) + struct.pack(order + "IIQ", 9, 8, len(value)) + b"".join(map(text, value))
    for number, shape in enumerate(shapes):
        content += text(f"blk.{number}") + struct.pack(f"{order}I{len(shape)}QIQ", len(shape), *shape, 1, 0)
    return content


def archive(*names: str) -> bytes:
    """Return a ZIP file with files of these names."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name in names:
            file.writestr(name, b"")
    return content.getvalue()


def pickled(*classes: tuple[str, str], protocol: int = 4) -> bytes:
    """Return the beginning of a pickle that names these classes, each by its module and its name."""
    content = bytes([0x80, protocol])
    for module, name in classes:
        if protocol < 4:
            content += f"c{module}\n{name}\n".encode() + b"q\x00"
        else:
            texts = (bytes([0x8C, len(text)]) + text.encode() + b"\x94" for text in (module, name))
            content += b"".join(texts) + b"\x93\x94"
    return content
