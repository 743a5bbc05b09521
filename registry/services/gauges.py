"""What a monitor watches, counted in the database: the same numbers whichever replica answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import func, select

from registry.db.models import Blob, Import, Upload, Version
from registry.db.session import reading
from registry.services.damage import CORRUPT, MISSING, SUSPECT


@dataclass(frozen=True, slots=True)
class Gauge:
    """``values`` by the value of the label, or one under the empty text where there is no label."""

    name: str
    help: str
    label: str | None = None
    values: Mapping[str, int] = field(default_factory=dict)


def read() -> list[Gauge]:
    """Look at everything once."""
    with reading() as session:
        damaged = dict(session.execute(select(Blob.damage, func.count()).group_by(Blob.damage)).all())
        uploads = dict(session.execute(select(Upload.state, func.count()).group_by(Upload.state)).all())
        versions = dict(session.execute(select(Version.state, func.count()).group_by(Version.state)).all())
        imports = dict(session.execute(select(Import.state, func.count()).group_by(Import.state)).all())
        stored = session.scalars(select(func.coalesce(func.sum(Blob.size), 0))).one()
    return [
        Gauge("registry_blobs_damaged", "Stored files that are missing, corrupt, or suspected to be.", "damage",
              {damage: damaged.get(damage, 0) for damage in (MISSING, CORRUPT, SUSPECT)}),
        Gauge("registry_blobs", "Stored files.", None, {"": sum(damaged.values())}),
        Gauge("registry_blob_bytes", "Bytes of all stored files.", None, {"": int(stored)}),
        Gauge("registry_uploads_waiting", "Uploads that wait for a worker to verify them.", None,
              {"": uploads.get("uploaded", 0)}),
        Gauge("registry_versions", "Versions.", "state",
              {state: versions.get(state, 0) for state in ("pending", "ready", "failed", "deleted")}),
        Gauge("registry_imports", "Imports.", "state",
              {state: imports.get(state, 0) for state in ("pending", "running", "done", "failed")}),
    ]  # fmt: skip
