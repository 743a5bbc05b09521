"""Accounts, their tokens, and the requests that were answered before."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, UuidKey


class Account(Base):
    """Account behind an actor's random id. The name is the only personal data; it can be erased, with ``look``.

    ``look`` is what the name looks like; None in rows of earlier releases, until a worker fills it in.
    """

    __tablename__ = "accounts"
    __table_args__ = (Index("ix_accounts_look", "look"),)

    id: Mapped[UuidKey]
    name: Mapped[str] = mapped_column(String(255), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    look: Mapped[str | None] = mapped_column(String(64))


_SESSION = text("purpose = 'session'")


class Token(Base):
    """An API token or a browser session: its lookup id and a keyed hash, never the token.

    ``purpose`` is a ``TokenPurpose``. A session has the id of the API token that it was made from in ``parent_id``, and
    ends with it. ``key_id`` names the key of the hash; None in rows of releases before 0020.
    """

    __tablename__ = "tokens"
    __table_args__ = (
        Index("ix_tokens_account_id", "account_id"),
        Index("ix_tokens_session_parent", "parent_id", "created_at", sqlite_where=_SESSION, postgresql_where=_SESSION),
        Index("ix_tokens_session_expiry", "expires_at", sqlite_where=_SESSION, postgresql_where=_SESSION),
    )

    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    hash: Mapped[str] = mapped_column(String(64))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str] = mapped_column(String(255))
    roles: Mapped[list[str]]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    expires_at: Mapped[datetime]
    last_used_on: Mapped[date | None] = mapped_column(Date)
    revoked_at: Mapped[datetime | None]
    key_id: Mapped[str | None] = mapped_column(String(16))
    purpose: Mapped[str] = mapped_column(String(8), default="api", server_default="api")
    parent_id: Mapped[str | None] = mapped_column(String(12))


class IdempotencyKey(Base):
    """A write that was done with a key: written in the same transaction as what it did.

    ``reply`` is a JSON document whose ``outcome`` a repetition is answered from (``services.idempotency``). The rest of
    it, and ``status``, are the refusal that the release before this one sends, which reads no outcomes. Rows that such
    a release has written have its reply instead: ``status``, ``reply``, ``etag`` and ``location`` are sent as they are.
    ``permissions`` are those that it exercised, and that a repetition needs; None in rows of releases before 0007.
    ``seal`` covers all of it but the time (``services.audit.row_seals``).
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    principal: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    reply: Mapped[str] = mapped_column(Text)
    etag: Mapped[str | None] = mapped_column(String(128))
    location: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    permissions: Mapped[list[str] | None]
    seal: Mapped[str | None] = mapped_column(String(80))
