"""Versions whose bytes the registry fetches itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, UuidKey
from registry.db.models.artifacts import Leased, parked_index


class Import(Leased, Base):
    """A version to be made from a location. ``state``: pending, running, done or failed.

    ``facts`` is the document of the request (``domain.import_documents``, or ``kind`` and what it needs where a version
    waits for its files), ``files`` and ``bytes`` how much was fetched so far, ``number`` the version.
    ``permissions`` are those that the request exercised: the worker acts with them and no others.
    ``token_id`` is the token that asked; once it is revoked the import fails. ``seal`` covers what is asked for and in
    whose name, until it is done (``services.audit.row_seals``). ``ignored`` has the first paths that were left out, and
    how many were.
    With a ``version_id`` that pending version has its number already and is filled; else one is registered at the end.
    """

    __tablename__ = "imports"
    __table_args__ = (
        Index("ix_imports_state", "state", "created_at"),
        Index("ix_imports_version_id", "version_id"),
        parked_index("imports"),
    )

    id: Mapped[UuidKey]
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    source: Mapped[str] = mapped_column(Text)
    facts: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    files: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    number: Mapped[int | None]
    ignored: Mapped[dict[str, Any] | None]
    version_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    finished_at: Mapped[datetime | None]
    permissions: Mapped[list[str] | None]
    token_id: Mapped[str | None] = mapped_column(String(12))
    seal: Mapped[str | None] = mapped_column(String(80))
