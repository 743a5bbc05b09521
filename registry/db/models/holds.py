"""Holds: which versions are kept out of staging and production, since when and until when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, SerialKey

_ON_VERSION = text("released_at IS NULL AND kind = 'version'")
_UPSTREAM = text("released_at IS NULL AND kind <> 'version'")


class Hold(Base):
    """A hold on a version, or on data or a base model: then every version downstream of it is held.

    ``target`` is a digest as the registry stores it, or the URI of a base model; empty where ``version_id`` is the
    target. The entries have the actors and the reasons.
    """

    __tablename__ = "holds"
    __table_args__ = (
        Index("ix_holds_on_version", "version_id", sqlite_where=_ON_VERSION, postgresql_where=_ON_VERSION),
        Index("ix_holds_upstream", "kind", sqlite_where=_UPSTREAM, postgresql_where=_UPSTREAM),
        Index("ix_holds_version_id", "version_id"),
    )

    id: Mapped[SerialKey]
    kind: Mapped[str] = mapped_column(String(16))
    version_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"))
    target: Mapped[str] = mapped_column(Text)
    placed_at: Mapped[datetime]
    placed_entry: Mapped[str] = mapped_column(Uuid(as_uuid=False), unique=True)
    released_at: Mapped[datetime | None]
    released_entry: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
