"""The audit log and the heads of the chains that belong to no model."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, Chained, SerialKey, UuidKey

NOTED = text("action = 'version.noted'")


class AuditEntry(Base):
    """One immutable line of history; triggers refuse every change.

    ``body`` is the truth, exactly as hashed. The other columns repeat it for searching; verification compares them.
    ``issuer_id`` is the account that created the credential, where that is not the actor. ``seal`` is keyed with the
    service's secret; entries of earlier releases have none.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        UniqueConstraint("aggregate", "seq"),
        Index("ix_audit_entries_model", "model_id", "id"),
        Index("ix_audit_entries_of_models", "id", sqlite_where=text("model_id IS NOT NULL"),
              postgresql_where=text("model_id IS NOT NULL")),
        Index("ix_audit_entries_version", "version_id", "id"),
        Index("ix_audit_entries_related_version", "related_version_id", "id"),
        Index("ix_audit_entries_actor", "actor_id", "id"),
        Index("ix_audit_entries_action", "action", "id"),
        Index("ix_audit_entries_at", "at"),
        Index("ix_audit_entries_notes", "version_id", "id", sqlite_where=NOTED, postgresql_where=NOTED),
        Index("ix_audit_entries_noted_by", "actor_id", "at", sqlite_where=NOTED, postgresql_where=NOTED),
        Index("ix_audit_entries_commit_order", "commit_order", "id"),
    )  # fmt: skip

    id: Mapped[SerialKey]
    uid: Mapped[str] = mapped_column(Uuid(as_uuid=False), unique=True)
    aggregate: Mapped[str] = mapped_column(String(64))
    seq: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    action: Mapped[str] = mapped_column(String(64))
    actor_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"))
    version_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"))
    related_version_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"))
    leaf_hash: Mapped[str] = mapped_column(String(64))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    commit_order: Mapped[int] = mapped_column(BigInteger, server_default="0")  # PostgreSQL: a trigger sets it
    issuer_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    seal: Mapped[str | None] = mapped_column(String(80))


class AuditText(Base):
    """A free text that an entry commits to. Kept apart so that it can be erased without breaking the chain."""

    __tablename__ = "audit_texts"

    entry_uid: Mapped[str] = mapped_column(ForeignKey("audit_entries.uid"), primary_key=True)
    field: Mapped[str] = mapped_column(String(32), primary_key=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    text: Mapped[str] = mapped_column(Text)


class Chain(Chained, Base):
    """The head of a chain that belongs to no model.

    These are the chains of accounts and tokens (``auth``), of stored bytes (``storage``), and of the checkpoints of all
    chains (``log``).
    """

    __tablename__ = "audit_chains"

    aggregate: Mapped[str] = mapped_column(String(64), primary_key=True)


class CommitBase(Base):
    """The one row with what is added to transaction ids in ``AuditEntry.commit_order``."""

    __tablename__ = "audit_commit_base"

    id: Mapped[int] = mapped_column(primary_key=True)
    base: Mapped[int] = mapped_column(BigInteger)


class CheckpointedHead(Base):
    """The number of the entry of a model that the latest checkpoint names, to find the chains that grew since.

    Verification does not read this table: it replays the checkpoints.
    """

    __tablename__ = "audit_checkpointed"

    model_id: Mapped[UuidKey]
    seq: Mapped[int] = mapped_column(BigInteger)


class UncertainTime(Base):
    """A span in which entries of a chain bear times that a wrong clock gave them: after ``since``, before ``until``."""

    __tablename__ = "uncertain_times"
    __table_args__ = (
        Index("ix_uncertain_times_aggregate", "aggregate", "until"),
        Index("ix_uncertain_times_model_id", "model_id"),
    )

    id: Mapped[SerialKey]
    aggregate: Mapped[str] = mapped_column(String(64))
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"))
    since: Mapped[datetime]
    until: Mapped[datetime]
