"""Checks of versions, as CI and people reported them. No row is changed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, SerialKey


class VersionCheck(Base):
    """A report of a check of a version. The latest one of each name counts; a trigger refuses changes.

    ``manifest_digest`` is that of the files that were checked, ``roles`` are those that the reporter had. The URL and
    the summary are texts of the entry ``entry_uid``.
    """

    __tablename__ = "version_checks"
    __table_args__ = (Index("ix_version_checks_latest", "version_id", "name", "id"),)

    id: Mapped[SerialKey]
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"))
    name: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(16))
    manifest_digest: Mapped[str] = mapped_column(String(71))
    roles: Mapped[list[str]]
    reported_at: Mapped[datetime]
    reported_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    entry_uid: Mapped[str] = mapped_column(Uuid(as_uuid=False), unique=True)
