"""The format of a model file, and the framework that it belongs to, from its name and its first bytes."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from registry.client.files.formats import archives, gguf, pickles, safetensors
from registry.client.files.formats.weights import Weights

_HEAD, _HDF5_HEAD = 4096, 1024 * 1024
_HDF5 = b"\x89HDF\r\n\x1a\n"
_SAVED_MODEL = "saved_model.pb"
# A ModelProto: ir_version, then any of the other fields in the order of their numbers (onnx/onnx.proto).
_ONNX = re.compile(rb"\x08[\x01-\x7f][\x12\x1a\x22\x28\x32\x3a\x42\x72\xa2]")
_SAVED_MODEL_HEAD = b"\x08\x01\x12"  # a SavedModel: saved_model_schema_version 1, then a MetaGraphDef
_XGBOOST_JSON = re.compile(rb'\s*\{\s*"learner"\s*:\s*\{\s*"attributes"')
_XGBOOST_UBJSON = re.compile(rb"\{L\x00{7}\x07learner\{")
_LIGHTGBM = re.compile(rb"tree\r?\nversion=v\d")
_WITHOUT_SUFFIX = ""
SUFFIXES = {
    *(_WITHOUT_SUFFIX, ".bin", ".bst", ".cbm", ".ckpt", ".gguf", ".gz", ".h5", ".hdf5", ".joblib", ".json", ".keras"),
    *(".lgb", ".model", ".onnx", ".pb", ".pickle", ".pkl", ".pt", ".pth", ".safetensors", ".txt", ".ubj", ".xgb", ".z"),
}


class Format(NamedTuple):
    """``name`` of the format; ``framework`` and ``weights`` are None where the file does not state them."""

    name: str
    framework: str | None = None
    weights: Weights | None = None


def may_be_model(path: str) -> bool:
    """Return whether the name *path* may be that of a model file, which is to be opened."""
    return PurePosixPath(path).suffix.lower() in SUFFIXES


def read(path: str, stream: BinaryIO, size: int) -> Format | None:
    """Return the format of the file *path*, whose *size* bytes *stream* has; None for another file.

    Raises Unreadable for one that is broken.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix == ".safetensors":
        weights = safetensors.read(stream, size)
        return Format("safetensors", weights.framework, weights)
    head = stream.read(min(size, _HEAD))
    if suffix == ".gguf" or head.startswith(gguf.MAGIC):
        stream.seek(0)
        return Format("gguf", "gguf", gguf.read(stream, size))
    if head.startswith(archives.MAGIC):
        archived = archives.kind(stream, size)
        return Format(*archived) if archived else None
    if pickles.may_be_pickle(head):
        pickled = pickles.content(head + stream.read(min(size, pickles.MOST) - len(head)))
        return None if pickled is None else Format("pickle", pickles.framework(pickled))
    if head.startswith(_HDF5):
        head += stream.read(min(size, _HDF5_HEAD) - len(head))
        return Format("hdf5", "keras") if b"keras_version" in head else None
    return _by_head(path, suffix, head)


def _by_head(path: str, suffix: str, head: bytes) -> Format | None:
    if suffix == ".onnx" and _ONNX.match(head):
        return Format("onnx", "onnx")
    if PurePosixPath(path).name == _SAVED_MODEL and head.startswith(_SAVED_MODEL_HEAD):
        return Format("savedmodel", "tensorflow")
    if _XGBOOST_JSON.match(head):
        return Format("xgboost-json", "xgboost")
    if _XGBOOST_UBJSON.match(head):
        return Format("xgboost-ubjson", "xgboost")
    if _LIGHTGBM.match(head):
        return Format("lightgbm-text", "lightgbm")
    return Format("catboost-cbm", "catboost") if head.startswith(b"CBM1") else None
