"""The keys that seal audit entries: derived from the service's secrets, never stored in the database."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, current_app

from registry.domain import audit

_EXTENSION = "registry-audit-keys"


def attach(app: Flask, keys: Sequence[bytes]) -> None:
    """Make *app* seal its audit entries with the first of *keys*, and accept the seals of all."""
    app.extensions[_EXTENSION] = {audit.key_id(key): key for key in keys}


def seal(leaf: str) -> str:
    """Return the current app's seal over a leaf hash."""
    return audit.seal(next(iter(_keys().values())), leaf)


def knows_key_of(seal: str) -> bool:
    """Return whether one of the current app's keys made the seal, by the key id that it names."""
    return seal.partition(":")[0] in _keys()


def matches(seal: str, leaf: str) -> bool:
    """Return whether *seal* is that of one of the current app's keys over the leaf hash."""
    key = _keys().get(seal.partition(":")[0])
    return key is not None and seal == audit.seal(key, leaf)


def _keys() -> dict[str, bytes]:
    keys: dict[str, bytes] = current_app.extensions[_EXTENSION]
    return keys
