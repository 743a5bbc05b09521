"""Read behind the service's back what its database holds, and judge whether it is whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask

from registry.db.session import db
from registry.services import audit

PRODUCTION_LINE = """
    SELECT versions.number, tenures.started_at, tenures.ended_at, tenures.started_kind, tenures.ended_kind
    FROM tenures JOIN versions ON versions.id = tenures.version_id JOIN models ON models.id = tenures.model_id
    WHERE models.name = :model AND tenures.stage = 'production' ORDER BY tenures.id
"""
ENTRIES = """
    SELECT audit_entries.body FROM audit_entries JOIN models ON models.id = audit_entries.model_id
    WHERE models.name = :model ORDER BY audit_entries.seq
"""
REFERENCED = """
    SELECT DISTINCT blobs.sha256, blobs.key, blobs.size FROM version_files JOIN blobs USING (sha256)
"""


@dataclass(frozen=True)
class Entry:
    """One line of history: *version* came to *stage*, where it took the place of *related*."""

    action: str
    version: int | None
    related: int | None
    stage: str | None


class AuditReader:
    """One database, by plain SQL; *app* runs the registry's own verification over it."""

    def __init__(self, url: str, app: Flask) -> None:
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)
        self.app = app

    def rows(self, query: str, **values: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(query), values))

    def entries(self, model: str) -> list[Entry]:
        """What the model's chain says, in its order."""
        return [_entry(bytes(row.body)) for row in self.rows(ENTRIES, model=model)]

    def count(self, model: str, action: str, *, stage: str | None = None) -> int:
        """How many entries tell of *action*, with *stage* of a move there."""
        return sum(entry.action == action and stage in {None, entry.stage} for entry in self.entries(model))

    def numbers(self, model: str) -> list[int]:
        query = "SELECT number FROM versions JOIN models ON models.id = model_id WHERE name = :model ORDER BY number"
        return [row.number for row in self.rows(query, model=model)]

    def assert_one_line(self, model: str) -> int:
        """One version holds production, and each tenure began when the one before ended; the holder's number."""
        line = self.rows(PRODUCTION_LINE, model=model)
        assert [row.ended_at for row in line].count(None) == 1
        for before, after in pairwise(line):
            assert before.ended_at == after.started_at
            assert before.started_at < before.ended_at
        query = "SELECT number FROM versions JOIN models ON models.id = model_id WHERE name = :model AND stage = :stage"
        held = [row.number for row in self.rows(query, model=model, stage="production")]
        assert held == [line[-1].number]
        return int(held[0])

    def assert_serial(self, model: str) -> None:
        """Each entry that moved production names the holder that the entry before it left behind."""
        holder = None
        for entry in self.entries(model):
            if entry.stage == "production":
                assert entry.related == holder
                holder = entry.version

    def assert_chains(self) -> None:
        """Every audit chain verifies."""
        with self.app.app_context():
            reports = list(audit.verify())
            db.engine.dispose()
        assert [report.problem for report in reports if report.problem] == []
        assert sum(report.entries for report in reports) == self.rows("SELECT count(*) FROM audit_entries")[0][0]

    def assert_bytes(self, store: Path) -> None:
        """Every file of every version is in the store, whole."""
        referenced = self.rows(REFERENCED)
        assert referenced
        for row in referenced:
            content = (store / row.key).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (row.size, row.sha256)


def _entry(body: bytes) -> Entry:
    document = json.loads(body)
    subject = document["subject"]
    return Entry(
        document["action"], subject.get("version"), subject.get("related_version"), document["after"].get("stage")
    )
