"""The classes that a pickle names, from its opcodes; no object is made and nothing is imported."""

from __future__ import annotations

import pickletools
import warnings
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import islice

MOST = 1024 * 1024  # bytes, of which a compressed pickle has no more when it is decompressed
MOST_OPCODES = 100_000
_COMPRESSED = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b")  # zlib, as joblib does; gzip
_ANY_HEADER = 47  # zlib's window bits for a header of zlib or gzip
_PROTOCOL = b"\x80"
_LONGEST_NAME = 300
_FRAMEWORKS = {
    "catboost": "catboost",
    "fastai": "fastai",
    "flax": "flax",
    "keras": "keras",
    "lightgbm": "lightgbm",
    "pmdarima": "pmdarima",
    "prophet": "prophet",
    "sentence_transformers": "sentence_transformers",
    "skl2onnx": "onnx",
    "sklearn": "sklearn",
    "spacy": "spacy",
    "statsmodels": "statsmodels",
    "tensorflow": "tensorflow",
    "torch": "pytorch",
    "transformers": "transformers",
    "xgboost": "xgboost",
}  # the packages, and the names of their flavors in MLflow


def may_be_pickle(head: bytes) -> bool:
    """Return whether a file that begins with *head* may be a pickle of protocol 2 or later, also a compressed one."""
    return head[:2] in _COMPRESSED or _is_pickle(head)


def content(head: bytes) -> bytes | None:
    """Return the first bytes of the pickle that begins with *head*, decompressed; None if it is another file."""
    head = head[:MOST]
    if head[:2] in _COMPRESSED:
        try:
            head = zlib.decompressobj(_ANY_HEADER).decompress(head, MOST)
        except zlib.error:
            return None
    return head if _is_pickle(head) else None


def framework(content: bytes) -> str | None:
    """Return the framework of the objects in a pickle.

    That is the one of the outermost object, or else the only one of all objects; None if there are others.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the escapes in a text
        found = [_FRAMEWORKS.get(module.partition(".")[0]) for module in modules(content)]
    if found and found[0]:
        return found[0]
    known = {name for name in found if name}
    return known.pop() if len(known) == 1 else None


def modules(content: bytes) -> Iterator[str]:
    """Yield the modules of the classes and functions that the first opcodes name, as far as they can be read."""
    texts: list[str] = []  # the last ones: a class is named by the two texts before it
    memo: dict[str, str] = {}
    try:
        for opcode, argument, _ in islice(pickletools.genops(BytesIO(content)), MOST_OPCODES):
            name = opcode.name
            if name == "GLOBAL":
                yield str(argument).partition(" ")[0]
            elif name == "STACK_GLOBAL":
                if len(texts) == 2:
                    yield texts[0]
            elif name in {"MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"}:
                memo[str(len(memo) if name == "MEMOIZE" else argument)] = texts[-1] if texts else ""
            else:
                text = memo.get(str(argument), "") if name in {"BINGET", "LONG_BINGET", "GET"} else argument
                if isinstance(text, str):
                    texts = [*texts[-1:], text[:_LONGEST_NAME]]
    except (ValueError, OverflowError):
        return  # joblib puts the bytes of arrays between the opcodes; and the content may end within one


def _is_pickle(head: bytes) -> bool:
    return head[:1] == _PROTOCOL and len(head) > 1 and 2 <= head[1] <= 5
