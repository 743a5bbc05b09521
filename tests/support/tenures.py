"""Tenures without the moves that would make them."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask
from sqlalchemy import select

from registry.db.bulk_insert import insert_rows
from registry.db.models import Tenure
from registry.db.session import transaction

TICK = timedelta(microseconds=1)


def repeat_latest_tenure(app: Flask, count: int) -> None:
    """Add *count* tenures like the latest one, each of a microsecond, before it; each ended without a successor."""
    with app.app_context(), transaction() as session:
        latest = session.scalars(select(Tenure).order_by(Tenure.id.desc()).limit(1)).one()
        shared = {
            "model_id": latest.model_id,
            "version_id": latest.version_id,
            "stage": latest.stage,
            "exclusive": latest.exclusive,
            "started_kind": latest.started_kind,
            "started_entry": latest.started_entry,
            "ended_kind": "archive",
            "ended_entry": latest.started_entry,
            "origin_id": None,
        }
        begins = [latest.started_at - place * TICK for place in range(count, 0, -1)]
        insert_rows(session, Tenure, [{**shared, "started_at": at, "ended_at": at + TICK} for at in begins])
