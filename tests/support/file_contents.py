"""Contents of files by their format: harmless ones that would call ``os.getcwd`` when loaded, and plain data.

They are written by hand, byte for byte as far as loaders read them, so that no framework is needed.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from tests.support import model_bytes

HDF5 = b"\x89HDF\r\n\x1a\n"
CALL = b"cos\ngetcwd\n(tR."
DENSE = {"class_name": "Sequential", "config": {"layers": [
    {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}, "registered_name": None}
]}}  # fmt: skip
LAMBDA = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {"function": "4wE="}}]}}
_LAMBDA = json.dumps(LAMBDA).encode()
# Its objects begin with other keys, and letters are escaped.
_TURNED_LAMBDA = r'{"config": {"layers": [{"config": {"function": "4wE="}, "cl\u0061ss_name": "L\u0061mbda"}]}}'
MARK = b"\xef\xbb\xbf"
_TAG_DIRECTIVE = "%TAG ! tag:yaml.org,2002:\n--- !python/object/apply:os.getcwd []\n"
_LONG_TAG = "".join(
    f"%{ord(letter):02x}" for letter in "tag:yaml.org,2002:python/name:multiprocessing.util._exit_function"
)
FOREIGN = {"module": "os", "class_name": "function", "config": "getcwd", "registered_name": "function"}


class Calling:
    """An object that calls a harmless function when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.getcwd, ()


def zipped(members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    return content.getvalue()


def tarred(members: Mapping[str, bytes], *, begins: bytes = b"") -> bytes:
    """Return a tar archive; with *begins* these are its first bytes, the name of an empty member."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in {**({"begins": b""} if begins else {}), **members}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    whole = bytearray(content.getvalue())
    if begins:
        whole[: len(begins)] = begins
        whole[148:156] = b" " * 8
        whole[148:156] = b"%06o\0 " % sum(whole[:512])
    return bytes(whole)


def npy(descr: str = "'<f4'", shape: str = "(2,)", data: bytes = bytes(8), *, version: int = 1) -> bytes:
    """Return a NumPy array whose header has *descr* and *shape*."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header + data


def safetensors(data: bytes = bytes(8)) -> bytes:
    """Return a safetensors file of one tensor with these bytes."""
    return model_bytes.safetensors({"w": model_bytes.tensor("U8", [len(data)], 0, len(data))}) + data


def message(*fields: tuple[int, int | float | bytes]) -> bytes:
    """Return a Protocol Buffers message of small numbers, floats and bytes."""
    content = b""
    for number, value in fields:
        if isinstance(value, int):
            content += bytes([number << 3, value])
        elif isinstance(value, float):
            content += bytes([number << 3 | 5]) + struct.pack("<f", value)
        else:
            length = len(value)
            content += bytes([number << 3 | 2])
            content += bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
            content += value
    return content


def onnx(operator: bytes = b"MatMul", tensor: bytes | None = None) -> bytes:
    """Return an ONNX model of one node."""
    node = message((1, b"x"), (2, b"y"), (4, operator))
    weights = tensor or message((1, 2), (2, 1), (8, b"w"), (9, bytes(8)))
    graph = message((1, node), (2, b"graph"), (5, weights))
    return message((1, 8), (2, b"tests"), (7, graph), (8, message((2, 21))))


def external(location: bytes) -> bytes:
    """Return a tensor of ONNX whose data are in another file."""
    return message((1, 2), (8, b"w"), (13, message((1, b"location"), (2, location))), (14, 1))


def hdf5(configuration: str | None = None, *, user_block: int = 0) -> bytes:
    """Return the beginning of an HDF5 file, and an attribute with the configuration of a model."""
    attribute = b"" if configuration is None else b"model_config\0\0\0\0" + configuration.encode() + b"\0"
    return bytes(user_block) + HDF5 + bytes(88) + attribute + bytes(64)


def keras(configuration: Any) -> bytes:
    """Return a Keras 3 archive."""
    return zipped({"metadata.json": b"{}", "config.json": json.dumps(configuration).encode(),
                   "model.weights.h5": hdf5()})  # fmt: skip


def torch(data: bytes, **others: bytes) -> dict[str, bytes]:
    """Return the members of a zip of torch.save."""
    return {"archive/data.pkl": data, "archive/data/0": bytes(16), "archive/version": b"3\n",
            **{f"archive/{name}": content for name, content in others.items()}}  # fmt: skip


def png() -> bytes:
    """Return an image of no pixels."""
    chunk = struct.pack(">I4s", 0, b"IEND") + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + chunk


def parquet(footer: bytes = b"\x15\x02\x19") -> bytes:
    """Return a Parquet table without pages."""
    return b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1"


def ubjson() -> bytes:
    """Return what XGBoost writes, in small."""
    return b"{L\0\0\0\0\0\0\0\x07learner{i\x01a[$d#i\x02" + bytes(8) + b"i\x01bSi\x01ci\x01d[TFZ]}}"


def executing() -> dict[str, bytes]:
    """Return contents that execute code when they are loaded, by what they are."""
    pickled = {f"protocol {protocol}": pickle.dumps(Calling(), protocol) for protocol in range(6)}
    plain = pickle.dumps(Calling(), 4)
    zip_of_pickle = zipped({"a/data.pkl": plain})
    old_torch = {"sys_info": b"\x80\x02}.", "pickle": pickled["protocol 2"]}
    named = b"\x8c\x02os\x94\x8c\x06getcwd\x94"
    return {
        **pickled,
        "opcode INST": b"(ios\ngetcwd\n.",
        "opcode OBJ": b"(cos\ngetcwd\no.",
        "opcode NEWOBJ": b"\x80\x02cbuiltins\ndict\n)\x81.",
        "opcode NEWOBJ_EX": b"\x80\x04cbuiltins\ndict\n)}\x92.",
        "opcode BUILD": b"\x80\x02cbuiltins\ndict\n}b.",
        "opcode EXT1": b"\x80\x02\x82\x01)R.",
        "opcode STACK_GLOBAL": b"\x80\x04" + named + b"\x93)R.",
        "names from the memo": b"\x80\x04" + named + b"00h\x00h\x01\x93)R.",
        "an import alone": b"cthis\ns\n.",
        "a call, then no pickle": CALL[:-1] + b"\xff\xff what unpicklers refuse",
        "a call without an end": CALL[:-1],
        "a pickle, then text": CALL + b"\n# a model card\n",
        "a harmless pickle before": b"N.I1\n." + CALL,
        "values dropped before": b"N0}0(1" + CALL,
        "six imports before": b"cos\ngetcwd\n0" * 6 + CALL,
        "a long line before": b"V" + b"a model card " * 30_000 + b"\n0" + CALL,
        "text of pickle in a frame": b"\x80\x04\x95\x20\0\0\0\0\0\0\0" + CALL,
        "torch.save": zipped(torch(plain)),
        "torch.save, deflated": zipped(torch(plain), zipfile.ZIP_DEFLATED),
        "torch.save behind a script": b"#!/bin/sh\necho\n" + zipped(torch(plain)),
        "TorchScript": zipped(torch(plain, **{"constants.pkl": plain, "code/__torch__.py": b"x = 1\n"})),
        "torch.save of old": pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickled["protocol 2"],
        "torch.save as tar": tarred(old_torch),
        "torch.save as tar that begins as GGUF": tarred(old_torch, begins=b"GGUF\x03" + bytes(19)),
        "torch.save as tar that is safetensors": _tar_and_safetensors(old_torch),
        "torch.save as tar that is an image": tarred(old_torch, begins=b"\xff\xd8\xff") + b"\xff\xd9",
        "joblib, zlib": zlib.compress(plain),
        "joblib, gzip": gzip.compress(plain),
        "joblib, bzip2": bz2.compress(plain),
        "joblib, xz": lzma.compress(plain),
        "joblib, lzma": lzma.compress(plain, lzma.FORMAT_ALONE),
        "array of objects": npy("'|O'", "(1,)", plain),
        "array of objects, version 2": npy("'|O'", "(1,)", plain, version=2),
        "structured array of objects": npy("[('a', '<f4'), ('b', [('c', 'O')])]", "(1,)", plain),
        "npz with objects": zipped({"x.npy": npy(), "y.npy": npy("'O'", "(1,)", plain)}),
        "HDF5 with Lambda": hdf5(json.dumps(LAMBDA)),
        "HDF5 with an escaped Lambda": hdf5(json.dumps(LAMBDA).replace("Lambda", "\\u004cambda")),
        "HDF5 with two configurations": hdf5(_TURNED_LAMBDA) + hdf5(json.dumps(DENSE)),
        "HDF5 behind a user block": hdf5(json.dumps(LAMBDA), user_block=1024),
        "HDF5 with a configuration in pieces": hdf5('{"class_na'),
        "Keras with Lambda": keras(LAMBDA),
        "Keras with Lambda behind a byte order mark": zipped({"metadata.json": b"{}", "config.json": MARK + _LAMBDA}),
        "Keras with a foreign module": keras({**DENSE, "build": FOREIGN}),
        "zip in zip": zipped({"a.zip": zipped({"b.bin": zip_of_pickle})}),
        "zip in tar in gzip": gzip.compress(tarred({"weights": zip_of_pickle})),
        "gzip in gzip": gzip.compress(gzip.compress(CALL)),
        "zip with Python source": zipped({"README": b"text", "modeling.py": b"import os\n"}),
        "safetensors and zip": safetensors(zip_of_pickle),
        "image and zip": png() + zip_of_pickle,
        "array and zip": npy("'|S1'", f"({len(zip_of_pickle)},)", zip_of_pickle),
        "safetensors and HDF5": safetensors(bytes(1024 - 8 - 66) + hdf5(json.dumps(LAMBDA), user_block=1024)),
        "YAML with a tag": b"a: !!python/object/apply:os.getcwd []\n",
        "YAML with an encoded tag": b"- !<tag:yaml.org,2002:pyth%6fn/object/apply:os.getcwd> []\n",
        "YAML with a long tag": f"- !<{_LONG_TAG}> []\n".encode(),
        "YAML with a tag directive": MARK + _TAG_DIRECTIVE.encode(),
        "YAML with a tag directive after CR": b"\r" + _TAG_DIRECTIVE.replace("\n", "\r").encode(),
        "jsonpickle": b'{"py/reduce": [{"py/function": "os.getcwd"}]}',
        "JSON of Keras with Lambda": _LAMBDA,
        "code of another repository": b'{"auto_map": {"AutoModel": "someone/else--modeling.Model"}}',
        "SavedModel": message((1, 1), (2, message((1, b"meta")))),
        "graph of TensorFlow": message((1, message((1, b"name"), (2, b"PyFunc"))), (4, message((1, 5)))),
        "ONNX with Python": onnx(b"PyOp"),
        "shared library": b"\x7fELF\x02\x01\x01" + bytes(57),
        "Parquet with a pickled type": parquet(base64.b64encode(b"x" * 7 + b"arrow.py_extension_type" + b"y" * 5)),
    }


def _tar_and_safetensors(members: Mapping[str, bytes]) -> bytes:
    """Return a tar archive whose first name has the header of a tensor, which is all the rest."""
    length = len(tarred(members, begins=b"1"))
    header = model_bytes.safetensors({"w": model_bytes.tensor("U8", [length - 72], 0, length - 72)})
    header = struct.pack("<Q", 64) + header[8:].replace(b" ", b"").ljust(64)
    return tarred(members, begins=header)


def data() -> dict[str, tuple[str, bytes]]:
    """Return contents that execute nothing, with their formats."""
    return {
        "safetensors": ("safetensors", safetensors()),
        "safetensors without tensors": ("safetensors", model_bytes.safetensors({}, metadata={"format": "pt"})),
        "safetensors whose length begins as a pickle": ("safetensors", _padded_safetensors(0x0280)),
        "ONNX": ("onnx", onnx()),
        "ONNX with external data": ("onnx", onnx(tensor=external(b"weights.bin"))),
        "GGUF": ("gguf", model_bytes.gguf({"general.name": "tiny", "tokens": ["a", "b"]})),
        "JSON": ("json", b'{"hidden_size": 8, "rope": [1.5e3, null, true, "\\u00e9"]}\n'),
        "JSON of Keras": ("json", json.dumps(DENSE).encode()),
        "JSON with NaN": ("text", b'{"score": NaN}'),
        "JSON lines": ("text", b'{"a": 1}\n{"a": 2}\n'),
        "Markdown": ("text", "# Modell für Café\n\n.cos is no pickle\n".encode()),
        "text that begins as a pickle": ("text", b"class\nfoo\nRead me.\n"),
        "CSV": ("text", b"c\nx,y\n1,2\n"),
        "YAML": ("text", b"a: !!str 5\nb: [1, 2]\n"),
        "LightGBM": ("text", b"tree\nversion=v4\nnum_class=1\n"),
        "empty": ("text", b""),
        "Parquet": ("parquet", parquet()),
        "array": ("npy", npy()),
        "structured array": ("npy", npy("[('a', '<f4'), ('b', '<i8', (2,))]", "(1,)", bytes(20))),
        "npz": ("npz", zipped({"x.npy": npy(), "y.npy": npy("'<U4'", "()", bytes(16))}, zipfile.ZIP_DEFLATED)),
        "PNG": ("png", png()),
        "JPEG": ("jpeg", b"\xff\xd8\xff\xe0" + bytes(16) + b"\xff\xd9"),
        "CatBoost": ("catboost", b"CBM1" + struct.pack("<I", 8) + bytes(8)),
        "XGBoost": ("ubjson", ubjson()),
        "SentencePiece": ("sentencepiece", message(*[(1, message((1, b"a"), (2, -1.5))) for _ in range(3)])),
        "HDF5 with weights": ("hdf5", hdf5()),
        "HDF5 of Keras": ("hdf5", hdf5(json.dumps(DENSE))),
        "Keras": ("keras", keras(DENSE)),
        "zip of texts": ("zip", zipped({"a/b.txt": b"text", "c.json": b"{}"})),
        "CSV in gzip": ("gzip", gzip.compress(b"a,b\n1,2\n")),
    }


def _padded_safetensors(length: int) -> bytes:
    header = json.dumps({"w": model_bytes.tensor("U8", [8], 0, 8)}).encode().ljust(length)
    return struct.pack("<Q", length) + header + bytes(8)


def contradicting() -> dict[str, bytes]:
    """Return contents that begin as one format and contradict themselves."""
    tensor = model_bytes.tensor
    entries: dict[str, dict[str, Any]] = {
        "too short": {"w": tensor("F32", [3], 0, 8)},
        "beyond the end": {"w": tensor("U8", [9], 0, 9)},
        "holes": {"v": tensor("U8", [2], 0, 2), "w": tensor("U8", [4], 4, 8)},
        "overlap": {"v": tensor("U8", [5], 0, 5), "w": tensor("U8", [4], 4, 8)},
        "unused data": {"w": tensor("U8", [4], 0, 4)},
        "negative": {"w": tensor("U8", [-8], 0, 8)},
        "negative offsets": {"w": tensor("U8", [8], -8, 0)},
        "unknown dtype": {"w": tensor("PICKLE", [8], 0, 8)},
        "booleans as counts": {"w": tensor("U8", [True, 8], 0, 8)},
        "another key": {"w": {**tensor("U8", [8], 0, 8), "code": "x"}},
    }
    contradicting_headers = {name: model_bytes.safetensors(header, data=8) for name, header in entries.items()}
    twice = b'{"w":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"w":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}'
    damaged = bytearray(zipped({"a.txt": b"some text"}))
    damaged[damaged.index(b"some text")] ^= 1
    encrypted = bytearray(zipped({"a.txt": b"some text"}))
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    return {
        **{f"safetensors: {name}": content for name, content in contradicting_headers.items()},
        "safetensors: a key twice": struct.pack("<Q", len(twice)) + twice + bytes(8),
        "safetensors: NaN": struct.pack("<Q", 10) + b'{"a": NaN}' + bytes(8),
        "safetensors: header beyond the end": struct.pack("<Q", 1000) + b"{}",
        "safetensors: header over 100 MB": struct.pack("<Q", 100_000_001) + b"{}",
        "safetensors: nested too deep": struct.pack("<Q", 200_000) + b'{"a":' * 40_000,
        "GGUF: more tensors than there are": model_bytes.gguf({}, tensors=3),
        "GGUF: a tensor beyond the end": model_bytes.gguf({}, [[64]]),
        "zip: wrong checksum": bytes(damaged),
        "zip: encrypted": bytes(encrypted),
        "gzip: cut off": gzip.compress(b"text" * 100)[:-12],
        "array: too short": npy(data=b"\0"),
        "Parquet: cut off": parquet()[:-1],
        "JPEG: cut off": b"\xff\xd8\xff\xe0" + bytes(16),
    }
