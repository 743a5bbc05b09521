"""Many versions of a model without the registrations that would make them."""

from __future__ import annotations

import math

from flask import Flask
from sqlalchemy import select

from registry.db.bulk_insert import insert_rows
from registry.db.models import Model, Version, VersionMetric
from registry.db.session import transaction


def repeat_latest_version(app: Flask, model: str, count: int, *, keys: tuple[str, ...] = ("auc", "p99_ms")) -> None:
    """Give the model *count* more versions like its latest one, in no stage, each with a value of each metric."""
    with app.app_context(), transaction() as session:
        owner = session.scalars(select(Model).where(Model.name == model)).one()
        of_model = select(Version.__table__).where(Version.model_id == owner.id)
        latest = dict(session.execute(of_model.order_by(Version.number.desc()).limit(1)).mappings().one())
        first = latest["number"] + 1
        shared = {**latest, "stage": "none", "rolled_back": False}
        del shared["id"]
        insert_rows(session, Version, [{**shared, "number": first + place} for place in range(count)])
        owner.latest_number, owner.next_number = first + count - 1, first + count
        session.flush()
        made = select(Version.id, Version.number).where(Version.model_id == owner.id, Version.number >= first)
        values = [
            {"version_id": version, "key": key, "value": 0.9 + math.sin(number + place) / 50, "step": None,
             "dataset_digest": None, "dataset_name": None, "recorded_at": latest["created_at"],
             "recorded_by": latest["created_by"]}
            for version, number in session.execute(made) for place, key in enumerate(keys)
        ]  # fmt: skip
        insert_rows(session, VersionMetric, values)
