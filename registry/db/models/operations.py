"""Operational state of the service: no history, nothing that a restore would need."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, Document, UuidKey


class Heartbeat(Base):
    """A process that does background work, by the database's clock. ``kind``: worker, or server (which also serves).

    ``doing`` is what it is at, ``failing`` the work that it could not do when it last tried.
    """

    __tablename__ = "worker_heartbeats"

    id: Mapped[UuidKey]
    kind: Mapped[str] = mapped_column(String(16))
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    release: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime]
    beat_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    doing: Mapped[list[str]] = mapped_column(Document)
    failing: Mapped[list[str]] = mapped_column(Document)


class Census(Base):
    """Count that a worker made because it takes too long at each scrape; ``label`` is empty where there is none."""

    __tablename__ = "census"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    label: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)
    counted_at: Mapped[datetime]
