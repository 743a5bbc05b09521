"""Names of the file formats that the registry recognises by content: stable, as policies name them."""

from __future__ import annotations

# Loaded as data, unless the content shows otherwise: an array of objects, a Lambda layer.
DATA = (
    "safetensors", "onnx", "gguf", "json", "text", "parquet", "npy", "npz", "png", "jpeg", "catboost", "ubjson",
    "sentencepiece", "hdf5", "keras",
)  # fmt: skip
# As dangerous as their members or their content.
CONTAINERS = ("zip", "tar", "gzip", "bzip2", "xz", "lzma", "zlib")
# Loading one can execute code, or is to execute it.
CODE = ("pickle", "pytorch", "torchscript", "savedmodel", "tensorflow_graph", "python", "executable")
# What it executes cannot be decided from the content.
UNREADABLE = "unreadable"
UNDECIDED = ("skops", "zstd", "lz4", "unknown", UNREADABLE)
NAMES = (*DATA, *CONTAINERS, *CODE, *UNDECIDED)
