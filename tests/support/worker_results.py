"""What workers and the scrubber bring about, written at once."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import select, update

from registry.db.models import Blob, Model, Version
from registry.db.session import transaction


def change_version(app: Flask, model: str, number: int, **values: Any) -> None:
    """Put a version into a state that a worker would bring about."""
    of_model = Version.model_id == select(Model.id).where(Model.name == model).scalar_subquery()
    with app.app_context(), transaction() as session:
        session.execute(update(Version).where(of_model, Version.number == number).values(**values))


def find_damage(app: Flask, sha256: str, damage: str = "missing") -> None:
    """Let the scrubber have found that stored bytes are missing or corrupt."""
    with app.app_context(), transaction() as session:
        session.execute(update(Blob).where(Blob.sha256 == sha256).values(damage=damage))
