"""Requests for approval, and what was done about each of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, SerialKey, UuidKey


class Request(Base):
    """A move or a change of policy that waits for approval. ``state``: open, rejected, withdrawn or applied.

    ``target`` is a stage, ``@`` and an alias, or ``policy``; then ``policy_digest`` is the proposed one, None for the
    removal, and its document is a text of ``opened_entry``. ``issuer_id`` is the account that issued the requester's
    credential ``token_id``; the ``registrar`` is the account that registered the version, and its issuer. The request
    is bound to ``manifest_digest`` and to what was in force when it was opened: the entries ``policy_entry`` of the
    policy and ``holder_entry`` of the holder of the target. When one of them is another now, the request is void
    (``services.gates.approvals``).
    With ``apply_when_ready`` a worker tries to apply it at ``due_at``; ``last_refusal`` is why it could not.
    """

    __tablename__ = "requests"
    __table_args__ = (
        Index("ix_requests_version_id", "version_id", "target", "opened_at"),
        Index("ix_requests_model_id", "model_id", "opened_at"),
        Index("ix_requests_opened_at", "opened_at"),
        Index("ix_requests_open", "expires_at", sqlite_where=text("state = 'open'"),
              postgresql_where=text("state = 'open'")),
        Index("ix_requests_due_at", "due_at", sqlite_where=text("due_at IS NOT NULL"),
              postgresql_where=text("due_at IS NOT NULL")),
    )  # fmt: skip

    id: Mapped[UuidKey]
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"))
    version_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"))
    target: Mapped[str] = mapped_column(String(256))
    policy_digest: Mapped[str | None] = mapped_column(String(71))
    requested_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    issuer_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    token_id: Mapped[str | None] = mapped_column(String(12))
    registrar_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    registrar_issuer_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    manifest_digest: Mapped[str | None] = mapped_column(String(71))
    policy_entry: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    holder_entry: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    apply_when_ready: Mapped[bool]
    opened_at: Mapped[datetime]
    opened_entry: Mapped[str] = mapped_column(Uuid(as_uuid=False), unique=True)
    expires_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))
    closed_at: Mapped[datetime | None]
    closed_entry: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    due_at: Mapped[datetime | None]
    last_refusal: Mapped[str | None] = mapped_column(Text)


class RequestAct(Base):
    """A comment on a request, or a decision about it. A trigger refuses changes. The text is one of ``entry_uid``.

    ``issuer_id`` is the account that issued the credential, ``roles`` are those that the credential had.
    """

    __tablename__ = "request_acts"
    __table_args__ = (Index("ix_request_acts_request_id", "request_id", "id"),)

    id: Mapped[SerialKey]
    request_id: Mapped[str] = mapped_column(ForeignKey("requests.id"))
    kind: Mapped[str] = mapped_column(String(20))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    issuer_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    roles: Mapped[list[str]]
    entry_uid: Mapped[str] = mapped_column(Uuid(as_uuid=False), unique=True)
    at: Mapped[datetime]
