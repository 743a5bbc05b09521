"""Digests as people copy them, in the form in which they are stored: ``<algorithm>:<lower-case hex>``."""

from __future__ import annotations

import re

from registry.domain.lineage import digest_problem

_MLFLOW = "mlflow:"
_BY_LENGTH = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
_BARE = re.compile(r"[0-9a-f]+\Z", re.IGNORECASE)
_JOINED = re.compile(r"(md5|sha1|sha256|sha384|sha512)[-=]([0-9a-f]+)\Z", re.IGNORECASE)
_MLFLOWS = re.compile(r"[0-9a-f]{8}\Z")
_HEAD = re.compile(r"[0-9a-f]{8,}", re.IGNORECASE)


def stored(text: str) -> str:
    """Return the stored form of a digest. Without an algorithm its length tells which. Raises ValueError."""
    found = text.strip()
    if _MLFLOWS.match(found):
        return _MLFLOW + found
    if _BARE.match(found) and len(found) in _BY_LENGTH:
        return f"{_BY_LENGTH[len(found)]}:{found.lower()}"
    if joined := _JOINED.match(found):
        return f"{joined[1]}:{joined[2]}".lower()
    form = _cased(found)
    if problem := digest_problem(form):
        raise ValueError(f"a digest {problem}, not {text!r}")
    return form


def pattern(text: str) -> str:
    """Return the pattern of LIKE for stored digests. Raises ValueError for one that can match none."""
    if (head := _HEAD.match(text)) and not text[head.end() :].startswith(":"):
        raise ValueError(f"a digest begins with its algorithm, as in 'sha256:{head[0].lower()}%'")
    return _cased(text)


def _cased(text: str) -> str:
    """In lower case, but for what MLflow made of its data."""
    algorithm, _, rest = text.partition(":")
    return f"{_MLFLOW}{rest}" if f"{algorithm.lower()}:" == _MLFLOW else text.lower()
