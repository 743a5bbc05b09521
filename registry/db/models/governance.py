"""Tenures: which version held a stage or an alias, and when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, Bytewise, SerialKey

_OPEN_PRODUCTION = text("stage = 'production' AND ended_at IS NULL AND exclusive")


class Tenure(Base):
    """The half-open span ``[started_at, ended_at)`` during which a version held a stage.

    ``exclusive`` is false only for production under lifecycle ``open``. ``origin_id`` is the tenure that a rollback
    brought back; it places the tenure in the line of production holders. The entries have the actor and the reason.
    """

    __tablename__ = "tenures"
    __table_args__ = (
        Index("uq_tenures_one_production", "model_id", unique=True,
              sqlite_where=_OPEN_PRODUCTION, postgresql_where=_OPEN_PRODUCTION),
        Index("uq_tenures_one_stage", "version_id", unique=True, sqlite_where=text("ended_at IS NULL"),
              postgresql_where=text("ended_at IS NULL")),
        Index("ix_tenures_version", "version_id", "stage", "started_at"),
        Index("ix_tenures_as_of", "model_id", "stage", "started_at", "id"),
        Index("ix_tenures_open", "stage", "model_id", sqlite_where=text("ended_at IS NULL"),
              postgresql_where=text("ended_at IS NULL")),
        Index("ix_tenures_started_at", "stage", "started_at"),
        Index("ix_tenures_ended_at", "stage", "ended_at", sqlite_where=text("ended_at IS NOT NULL"),
              postgresql_where=text("ended_at IS NOT NULL")),
    )  # fmt: skip

    id: Mapped[SerialKey]
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"))
    stage: Mapped[str] = mapped_column(String(16))
    exclusive: Mapped[bool] = mapped_column(default=True)
    started_at: Mapped[datetime]
    started_kind: Mapped[str] = mapped_column(String(16))
    started_entry: Mapped[str] = mapped_column(ForeignKey("audit_entries.uid", deferrable=True, initially="DEFERRED"))
    ended_at: Mapped[datetime | None]
    ended_kind: Mapped[str | None] = mapped_column(String(16))
    ended_entry: Mapped[str | None] = mapped_column(
        ForeignKey("audit_entries.uid", deferrable=True, initially="DEFERRED")
    )
    origin_id: Mapped[int | None] = mapped_column(ForeignKey("tenures.id"))


class AliasRequest(Base):
    """An alias that was requested at the registration of a version that is not ready yet.

    It is set when the version is ready, unless it moved since: ``tenure_id`` is the tenure that it had then. ``seal``
    covers the other columns: a row that was changed, or that the service did not write, sets nothing.
    """

    __tablename__ = "alias_requests"
    __table_args__ = (Index("ix_alias_requests_version_id", "version_id"),)

    id: Mapped[SerialKey]
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"))
    alias: Mapped[str] = mapped_column(Bytewise)
    tenure_id: Mapped[int | None] = mapped_column(ForeignKey("alias_tenures.id"))
    may_promote: Mapped[bool]
    requested_at: Mapped[datetime]
    requested_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    token_id: Mapped[str | None] = mapped_column(String(12))
    seal: Mapped[str | None] = mapped_column(String(80))


class AliasTenure(Base):
    """The span during which an alias pointed at a version; the open one is where it points now."""

    __tablename__ = "alias_tenures"
    __table_args__ = (
        Index("uq_alias_tenures_current", "model_id", "alias", unique=True, sqlite_where=text("ended_at IS NULL"),
              postgresql_where=text("ended_at IS NULL")),
        Index("ix_alias_tenures_as_of", "model_id", "alias", "started_at", "id"),
        Index("ix_alias_tenures_version_id", "version_id"),
    )  # fmt: skip

    id: Mapped[SerialKey]
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"))
    alias: Mapped[str] = mapped_column(Bytewise)
    started_at: Mapped[datetime]
    started_entry: Mapped[str] = mapped_column(ForeignKey("audit_entries.uid", deferrable=True, initially="DEFERRED"))
    ended_at: Mapped[datetime | None]
    ended_entry: Mapped[str | None] = mapped_column(
        ForeignKey("audit_entries.uid", deferrable=True, initially="DEFERRED")
    )
