"""One identity for the registries of all tests: their databases are emptied and share one directory of files."""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from sqlalchemy import update

from registry.db.models import Registry
from registry.db.session import transaction
from registry.domain import clock
from registry.domain.ownership import Identity
from registry.storage.keys import IDENTITY, PIN

REGISTRY, EPOCH = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def identify(app: Flask) -> None:
    """Give the database of *app* the identity of all tests."""
    with app.app_context(), transaction() as session:
        session.execute(update(Registry).values(id=REGISTRY, epoch=EPOCH))


def claim(root: Path) -> None:
    """Let the directory belong to the registry of all tests, in whatever state its database is."""
    root.mkdir(exist_ok=True)
    (root / IDENTITY).write_bytes(Identity(REGISTRY, EPOCH, None, clock.now()).dump())
    (root / PIN).unlink(missing_ok=True)
    (root / PIN).with_suffix(".lock").unlink(missing_ok=True)
