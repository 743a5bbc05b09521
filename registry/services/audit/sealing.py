"""The key that seals audit entries: derived from the service's secret, never stored in the database."""

from __future__ import annotations

from flask import Flask, current_app

from registry.domain import audit

_EXTENSION = "registry-audit-key"


def attach(app: Flask, key: bytes) -> None:
    """Make *app* seal its audit entries with *key*."""
    app.extensions[_EXTENSION] = key


def seal(leaf: str) -> str:
    """Return the current app's seal over a leaf hash."""
    return audit.seal(current_app.extensions[_EXTENSION], leaf)


def key_id() -> str:
    """Return the id of the current app's key."""
    return audit.key_id(current_app.extensions[_EXTENSION])
