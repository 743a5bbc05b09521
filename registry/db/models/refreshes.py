"""Unfinished runs that workers look at again until they end."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, UuidKey
from registry.db.models.artifacts import Leased, parked_index
from registry.db.unknown import UnknownText


class RunRefresh(Leased, Base):
    """A run that was unfinished when its version was registered. ``state``: waiting, done or abandoned.

    Its tracking ``server`` is asked when it is ``due_at``; where it is None, all that are configured. ``reason`` is
    what was in the way of its end last. ``finished_at`` is when it ended; of one that waits again, when it was retried.
    ``created_at`` is when the first snapshot was recorded. ``seal`` covers which run is read for which version.
    """

    __tablename__ = "run_refreshes"
    __table_args__ = (
        Index("ix_run_refreshes_waiting", "due_at", sqlite_where=text("state = 'waiting'"),
              postgresql_where=text("state = 'waiting'")),
        parked_index("run_refreshes"),
    )  # fmt: skip

    id: Mapped[UuidKey]
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), unique=True)
    server: Mapped[str | None] = mapped_column(UnknownText)
    run_id: Mapped[str] = mapped_column(String(255))
    logged_model: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    due_at: Mapped[datetime]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    finished_at: Mapped[datetime | None]
    seal: Mapped[str | None] = mapped_column(String(80))
