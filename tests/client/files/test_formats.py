from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.client.files.formats import hugging_face, signatures
from registry.client.files.formats.bounds import Unreadable
from registry.client.files.formats.weights import Weights
from tests.support.model_bytes import archive, gguf, pickled, safetensors, tensor


class Recorded(io.BytesIO):
    """Bytes that count those that are read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self.count += len(content)
        return content


def read(path: str, content: bytes) -> signatures.Format | None:
    return signatures.read(path, io.BytesIO(content), len(content))


def weights_of(path: str, content: bytes) -> Weights:
    found = read(path, content)
    assert found is not None
    assert found.weights is not None
    return found.weights


def test_a_file_is_of_the_format_and_the_framework_of_its_first_bytes() -> None:
    forest, boosted, plain = ("sklearn.ensemble", "Forest"), ("xgboost.sklearn", "XGB"), ("own.models", "Own")
    files = {
        "forest.pkl": (pickled(forest, boosted), "pickle", "sklearn"),
        "model": (pickled(plain, forest, forest, protocol=2), "pickle", "sklearn"),
        "boosted.joblib": (pickled(boosted) + b"\xff" + bytes(500), "pickle", "xgboost"),  # an array follows
        "forest.z": (zlib.compress(pickled(forest) + bytes(5000)), "pickle", "sklearn"),
        "own.pkl": (pickled(plain, forest, boosted), "pickle", None),
        "c.onnx": (b"\x08\x08\x12\x07pytorch", "onnx", "onnx"),
        "t.pt": (archive("archive/data.pkl", "archive/version"), "pytorch", "pytorch"),
        "ts.pt": (archive("m/data.pkl", "m/constants.pkl", "m/code/x.py"), "torchscript", "pytorch"),
        "k.keras": (archive("metadata.json", "config.json", "model.weights.h5"), "keras", "keras"),
        "k.h5": (b"\x89HDF\r\n\x1a\n" + bytes(500) + b"keras_version", "hdf5", "keras"),
        "sm/saved_model.pb": (b"\x08\x01\x12\x88\x01", "savedmodel", "tensorflow"),
        "x.json": (b'{"learner":{"attributes":{},', "xgboost-json", "xgboost"),
        "x.ubj": (b"{L" + (7).to_bytes(8, "big") + b"learner{", "xgboost-ubjson", "xgboost"),
        "l.txt": (b"tree\nversion=v4\nnum_class=1\n", "lightgbm-text", "lightgbm"),
        "c.cbm": (b"CBM1\x10\x00", "catboost-cbm", "catboost"),
    }
    others = {
        "data.csv.gz": gzip.compress(b"a,b\n1,2\n"),
        "data.h5": b"\x89HDF\r\n\x1a\n" + bytes(500),
        "data.zip.bin": archive("a.csv"),
        "notes.txt": b"tree\n",
        "config.json": b'{"a": 1}',
        "not.onnx": b"text",
        "frozen.pb": b"\x08\x01\x12",
    }

    found = {path: read(path, content) for path, (content, _, _) in files.items()}

    expected = {path: (name, framework, None) for path, (_, name, framework) in files.items()}
    assert {path: one and tuple(one) for path, one in found.items()} == expected
    assert {path: read(path, content) for path, content in others.items()} == dict.fromkeys(others)


def test_headers_of_weights_state_parameters_and_types() -> None:
    tensors = {"a": tensor("BF16", [3, 4], 0, 24), "b": tensor("F32", [], 24, 28), "c": tensor("F4", [0], 28, 28)}
    metadata: dict[str, Any] = {
        "general.architecture": "llama",
        "tokenizer.ggml.tokens": ["a", "b"] * 1000,
        "general.license": "mit",
        "general.base_model.0.repo_url": "https://huggingface.co/org/base",
        "general.file_type": 15,
    }

    torch = weights_of("model.safetensors", safetensors(tensors, data=28, metadata={"format": "pt"}))
    llama = weights_of("model.gguf", gguf(metadata, [[7, 6], [8]]))
    big_endian = weights_of("model.gguf", gguf({}, [[2, 2]], order=">"))

    assert (torch.framework, torch.parameters, torch.dtype) == ("pytorch", 13, "bfloat16")
    assert (llama.parameters, llama.dtype, llama.architecture, llama.license) == (50, "Q4_K_M", "llama", "mit")
    assert llama.base_models == ("https://huggingface.co/org/base",)
    assert (big_endian.parameters, big_endian.dtype) == (4, "float16")


PREFIXES = (
    b"",
    b"GGUF\x03\x00\x00\x00",
    gguf({"general.architecture": "llama"}, [[2]])[:60],
    safetensors({"a": tensor("F32", [1], 0, 4)}, data=4)[:40],
    b"\x80\x04",
    b"\x80\x02c",
    zlib.compress(b"\x80\x04\x8c\x01a")[:6],
    archive("a/data.pkl")[:70],
    b"\x89HDF\r\n\x1a\n",
    b"---\n",
    b'{"architectures":',
)
PATHS = ("a.safetensors", "a.gguf", "a.pkl", "a.pt", "a.h5", "a.onnx", "saved_model.pb", "a")
READERS = (hugging_face.card, hugging_face.config, hugging_face.adapter)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PREFIXES), st.binary(max_size=200), st.sampled_from([b"", b"\n---\n", b"}"]))
@example(archive("a/data.pkl")[:-22], b"PK\x05\x06" + bytes(8) + b"\xff" * 10, b"")
@example(b"---\n", b"a: &a [*a]\nbase_model: *a\nlicense: !!python/object/apply:os.system [x]", b"\n---\n")
@example(b"---\n", b"\xff\xfe", b"\n---\n")
@example(b"\x80\x02", b"S'\\q'\n", b"")
def test_any_bytes_give_facts_or_a_reason(prefix: bytes, content: bytes, end: bytes) -> None:
    whole = prefix + content + end
    for path in PATHS:
        with suppress(Unreadable):
            found = read(path, whole)
            assert found is None or found.name
    for reader in READERS:
        with suppress(Unreadable):
            assert all(len(base.name) <= hugging_face.LONGEST for base in reader(whole).bases)


MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("path", "make", "most"),  # the content is made by the test and not by all that collect it
    [
        ("a.gguf", lambda: b"GGUF" + struct.pack("<IQQ", 3, 2**40, 0), MIB),
        ("a.safetensors", lambda: struct.pack("<Q", 2**60) + b"{}", MIB),
        ("a.pkl", lambda: b"\x80\x04\x8e" + struct.pack("<Q", 2**62), 4 * MIB),  # BINBYTES8 of as many bytes
        ("a.pkl", lambda: zlib.compress(b"\x80\x04" + b"N" * (100 * MIB)), 8 * MIB),
        ("a.pkl", lambda: b"\x80\x04" + b"\x8c\x01a\x94" * 500_000, 16 * MIB),
    ],
)
def test_a_hostile_header_costs_little_memory(path: str, make: Callable[[], bytes], most: int) -> None:
    content = make()
    stream = Recorded(content)
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable) if path != "a.pkl" else nullcontext():
            signatures.read(path, stream, len(content))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < most
    assert stream.count <= 2 * MIB
