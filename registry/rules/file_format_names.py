"""Names of the file formats that the registry recognises by content: stable, as policies name them."""

from __future__ import annotations

from collections.abc import Mapping

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
UNDECIDED = ("skops", "zstd", "lz4", "unknown", "unreadable")
NAMES = (*DATA, *CONTAINERS, *CODE, *UNDECIDED)

DESCRIPTIONS: Mapping[str, str] = {
    "safetensors": "tensors whose header is consistent with the file",
    "onnx": "an ONNX model; the files of its external data are judged each for itself",
    "gguf": "a GGUF model",
    "json": "strict JSON, an object or an array",
    "text": "UTF-8 text without control characters: also CSV, TSV, YAML, Markdown, LightGBM models",
    "parquet": "a Parquet table",
    "npy": "a NumPy array",
    "npz": "a zip of NumPy arrays",
    "png": "a PNG image",
    "jpeg": "a JPEG image",
    "catboost": "a CatBoost model (cbm)",
    "ubjson": "Universal Binary JSON, as XGBoost writes it",
    "sentencepiece": "a SentencePiece tokenizer",
    "hdf5": "HDF5; executes code with a Lambda layer in its configuration",
    "keras": "a Keras 3 archive; executes code with a Lambda layer or a class of a foreign module",
    "zip": "a zip archive, as dangerous as its members",
    "tar": "a tar archive, as dangerous as its members",
    "gzip": "compressed data, as dangerous as its content",
    "bzip2": "compressed data, as dangerous as its content",
    "xz": "compressed data, as dangerous as its content",
    "lzma": "compressed data, as dangerous as its content",
    "zlib": "compressed data, as dangerous as its content",
    "pickle": "a Python pickle, as joblib and torch.save write it too",
    "pytorch": "a zip of torch.save",
    "torchscript": "a TorchScript program",
    "savedmodel": "a TensorFlow SavedModel",
    "tensorflow_graph": "a TensorFlow graph",
    "python": "text in a file named *.py, which loaders import",
    "executable": "a program or a shared library",
    "skops": "a skops archive: its schema names classes to import",
    "zstd": "compressed data, not looked into",
    "lz4": "compressed data, not looked into",
    "unknown": "none of these, or too large to decide",
    "unreadable": "begins as one of these and contradicts itself: a false header, an encrypted or damaged member",
}
