"""Rows that were written some time ago by the database's clock, which a test cannot set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import inspect, select

from registry.db.models import IdempotencyKey, Import, Model, Refusal, Upload, Version
from registry.db.session import transaction

DATED: dict[type[IdempotencyKey | Import | Model | Refusal | Upload | Version], tuple[str, ...]] = {
    IdempotencyKey: ("created_at",),
    Import: ("created_at",),
    Model: ("deleted_at",),
    Refusal: ("hour",),
    Upload: ("created_at", "expires_at"),
    Version: ("deleted_at",),
}
Dates = dict[tuple[type[Any], Any, str], datetime]


def backdate(app: Flask, by: timedelta) -> Dates:
    """Let all that expires be older *by* so much; return the dates as they are now."""
    changed: Dates = {}
    with app.app_context(), transaction() as session:
        for table, names in DATED.items():
            for row in session.scalars(select(table)):
                identity = inspect(row).identity
                for name in names:
                    if (moment := getattr(row, name)) is not None:
                        setattr(row, name, moment - by)
                        changed[table, identity, name] = moment - by
    return changed


@contextmanager
def backdated(app: Flask, by: timedelta) -> Iterator[None]:
    """As :func:`age`, in the block only. What the block itself dates stays as it is."""
    changed = backdate(app, by)
    try:
        yield
    finally:
        with app.app_context(), transaction() as session:
            for (table, identity, name), moment in changed.items():
                row: Any = session.get(table, identity)
                if row is not None and getattr(row, name) == moment:
                    setattr(row, name, moment + by)
