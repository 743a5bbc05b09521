"""Digests of the rows that an audit entry accounts for; writers record them, verification computes them again.

Each is ``sha256:<hex>`` over one spelling of the rows, so that both databases and every JSON parser agree on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FROZEN = ("framework", "signature", "run_key", "run_id", "run_link", "logged_model")
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
# key, value, step, digest, name and slice of the dataset, account
Measured = tuple[str, float, int | None, str | None, str | None, str, str]
Edge = tuple[str, str, str, str]  # kind and role of the edge, kind and key of its target


def frozen(version: Any) -> str:
    """Return the digest of what registration fixes in a version's own row."""
    return _digest_of([getattr(version, name) for name in FROZEN])


def params(values: Mapping[str, str]) -> str:
    """Return the digest of a version's params."""
    return _digest_of(values)


def metrics(rows: Iterable[Measured]) -> str:
    """Return the digest of measurements that were recorded together, in any order."""
    # Without a name of the dataset, and without a slice, they digest as before there were any.
    return _digest_of(sorted([key, repr(float(value)), "" if step is None else str(step), dataset or "", account,
                           *([name or "", part] if part else [name] if name else [])]
                          for key, value, step, dataset, name, part, account in rows))  # fmt: skip


def edges(rows: Iterable[Edge]) -> str:
    """Return the digest of a version's lineage edges, in any order."""
    return _digest_of(sorted(rows))


def statements(rows: Iterable[Sequence[str]]) -> str:
    """Return the digest of statements about lineage edges, in any order.

    Each has the verb, kind and role of the edge, kind and key of its source, and kind and key of its target.
    """
    return _digest_of(sorted(rows))


def blobs(keys: Mapping[str, str]) -> str:
    """Return the digest of the objects, by sha256, that hold a version's bytes."""
    digest = hashlib.sha256()
    for sha256, key in sorted(keys.items()):
        digest.update(f"{sha256} {key}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def token(hash: str, name: str) -> str:
    """Return the digest of a token's keyed hash and its name."""
    return _digest_of([hash, name])


def document(value: Any) -> str:
    """Return the digest of a JSON document, however a database spells its numbers."""
    return _digest_of(value)


def same(one: Any, other: Any) -> bool:
    """Return whether two documents are equal, however a database spells their numbers."""
    return bool(_canonical_numbers(one) == _canonical_numbers(other))


def _digest_of(value: Any) -> str:
    return "sha256:" + hashlib.sha256(_encode(_canonical_numbers(value)).encode()).hexdigest()


def _canonical_numbers(value: Any) -> Any:
    """Return *value* with one spelling of each number: PostgreSQL gives 1.0 back as 1, and -0.0 as 0."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return repr(_float(value))
    if isinstance(value, Mapping):
        return {str(key): _canonical_numbers(item) for key, item in value.items()}
    return [_canonical_numbers(item) for item in value]


def _float(number: float) -> float:
    try:
        return float(number) + 0.0
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
