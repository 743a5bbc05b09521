"""Digests of data: ``<algorithm>:<lower-case hex>``, and the spellings that people copy.

DVC's digest of a directory is ``md5:<hex>.dir`` (dvc.org/doc/user-guide/project-structure/internal-files). MLflow's are
short texts of many kinds (a hash, a version of a table): ``mlflow:<text>``, kept as it is.
"""

from __future__ import annotations

import re

_DIGEST = re.compile(r"(?:[a-z0-9][a-z0-9+._-]{0,31}:[0-9a-f]{8,128}|md5:[0-9a-f]{32}\.dir|mlflow:[!-~]{1,128})\Z")
_MLFLOW = "mlflow:"
_BY_LENGTH = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
_HEX_DIGITS = {name: length for length, name in _BY_LENGTH.items()}
_OF_DVC = "dvc-md5:"
_BARE = re.compile(r"[0-9a-f]+\Z", re.IGNORECASE)
_BARE_DIRECTORY = re.compile(r"[0-9a-f]{32}\.dir\Z", re.IGNORECASE)
_JOINED = re.compile(r"(md5|sha1|sha256|sha384|sha512)[-=]([0-9a-f]+)\Z", re.IGNORECASE)
_MLFLOWS = re.compile(r"[0-9a-f]{8}\Z")


def problem(text: str) -> str | None:
    """Return why *text* is not a digest in its stored form."""
    if not _DIGEST.match(text):
        return "must be <algorithm>:<lower-case hex>, for example sha256:9f86d0…"
    algorithm, _, rest = text.partition(":")
    expected = _HEX_DIGITS.get(algorithm, len(rest))
    return None if len(rest.removesuffix(".dir")) == expected else f"must have {expected} hex digits after {algorithm}:"


def stored(text: str) -> str:
    """Return the stored form of a digest. Without an algorithm its length decides. Raises ValueError."""
    digest = text.strip()
    if _MLFLOWS.match(digest):
        return _MLFLOW + digest
    if _BARE.match(digest) and len(digest) in _BY_LENGTH:
        return f"{_BY_LENGTH[len(digest)]}:{digest.lower()}"
    if _BARE_DIRECTORY.match(digest):
        return f"md5:{digest.lower()}"
    if joined := _JOINED.match(digest):
        return f"{joined[1]}:{joined[2]}".lower()
    form = without_tool(cased(digest))
    if wrong := problem(form):
        raise ValueError(f"a digest {wrong}, not {text!r}")
    return form


def is_digest(text: str) -> bool:
    """Return whether *text* is a digest in one of its spellings."""
    try:
        stored(text)
    except ValueError:
        return False
    return True


def cased(text: str) -> str:
    """Return the digest in lower case, except for MLflow's own digests of data."""
    algorithm, _, rest = text.partition(":")
    return f"{_MLFLOW}{rest}" if f"{algorithm.lower()}:" == _MLFLOW else text.lower()


def without_tool(text: str) -> str:
    """Return ``md5:…`` for ``dvc-md5:…``, which is the same digest, and any other text as it is."""
    return f"md5:{text.removeprefix(_OF_DVC)}" if text.startswith(_OF_DVC) else text
