"""Stored bytes, the uploads that bring them, and the files of versions that refer to them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, Bytewise, UuidKey
from registry.db.unknown import UnknownString


class Blob(Base):
    """Verified bytes: this row, not the object's key, proves that the store holds them.

    ``etag`` is the object's ETag at verification. ``damage`` is the latest fault (missing, corrupt, or suspect until
    the scrubber has read it); ``unreferenced_since`` is when the collector first found that no version needs the blob.
    ``seal`` covers size, key and ETag (``audit.row_seals``). ``recognizer`` is the version of the rules by which
    workers recognised its format, 0 before: it only says which blobs they have to read.
    """

    __tablename__ = "blobs"
    __table_args__ = (
        Index("ix_blobs_checked_at", "checked_at"),
        Index("ix_blobs_unreferenced_since", "unreferenced_since"),
        Index("ix_blobs_damage", "damage", sqlite_where=text("damage IS NOT NULL"),
              postgresql_where=text("damage IS NOT NULL")),
        Index("ix_blobs_recognizer", "recognizer"),
    )  # fmt: skip

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str] = mapped_column(String(255), unique=True)
    verified_at: Mapped[datetime]
    etag: Mapped[str | None] = mapped_column(String(255))
    seal: Mapped[str | None] = mapped_column(String(80))
    checked_at: Mapped[datetime | None]
    damage: Mapped[str | None] = mapped_column(String(16))
    unreferenced_since: Mapped[datetime | None]
    recognizer: Mapped[int] = mapped_column(default=0, server_default="0")


class BlobFormat(Base):
    """The format of a blob's content (``domain.file_formats``), by the rules of the version ``recognizer``.

    ``format`` and the columns after it are NULL until the content was recognised. ``attempts`` counts the readings that
    were begun since. ``seal`` covers what answers rest on (``audit.row_seals``).
    """

    __tablename__ = "blob_formats"

    sha256: Mapped[str] = mapped_column(
        String(64), ForeignKey("blobs.sha256", ondelete="CASCADE", name="fk_blob_formats_sha256"), primary_key=True
    )
    recognizer: Mapped[int]
    attempts: Mapped[int]
    attempted_at: Mapped[datetime]
    format: Mapped[str | None] = mapped_column(String(32))
    executes_code: Mapped[str | None] = mapped_column(String(8))
    detail: Mapped[str | None] = mapped_column(String(200))
    seal: Mapped[str | None] = mapped_column(String(80))


class Leased:
    """Work that one of many workers does at a time: the one that has ``lease_id``, until ``leased_until``.

    ``attempts`` counts the attempts that were not given back. A parked job waits for an operator; ``parked_reason`` has
    the reason.
    """

    lease_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    leased_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    parked_at: Mapped[datetime | None]
    parked_reason: Mapped[str | None] = mapped_column(Text)


def parked_index(table: str) -> Index:
    """Return the index that finds the few jobs of *table* that are parked."""
    parked = text("parked_at IS NOT NULL")
    return Index(f"ix_{table}_parked", "parked_at", sqlite_where=parked, postgresql_where=parked)


class Upload(Leased, Base):
    """An announced blob on its way. ``state``: pending, uploaded, verified, failed, expired or aborted.

    One that comes in parts of ``part_size`` bytes has the store's ``handle`` for them. One that was not announced has
    no ``sha256`` until a worker has read it: after pending it is joined, and an ``Artifact`` has its object.
    ``seal`` covers whose bytes these are, and that they arrived (``services.audit.row_seals``).
    """

    __tablename__ = "uploads"
    __table_args__ = (
        Index("ix_uploads_state_expires_at", "state", "expires_at"),
        Index("ix_uploads_sha256", "sha256", "created_by"),
        Index("ix_uploads_waiting", "created_at", sqlite_where=text("state = 'uploaded'"),
              postgresql_where=text("state = 'uploaded'")),
        Index("ix_uploads_open", "created_by", "expires_at", "size", sqlite_where=text("state = 'pending'"),
              postgresql_where=text("state = 'pending'")),
        parked_index("uploads"),
    )  # fmt: skip

    id: Mapped[UuidKey]
    sha256: Mapped[str | None] = mapped_column(UnknownString(64))
    size: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str] = mapped_column(String(255), unique=True)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    part_size: Mapped[int | None] = mapped_column(BigInteger)
    handle: Mapped[str | None] = mapped_column(String(1024))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    expires_at: Mapped[datetime]
    seal: Mapped[str | None] = mapped_column(String(80))

    @property
    def digest(self) -> str:
        """The sha256, where it is known: that of announced bytes always is."""
        assert self.sha256 is not None  # noqa: S101 -- queries for announced uploads select no others
        return self.sha256


class VersionFile(Base):
    """One line of a version's manifest; a trigger refuses changes.

    The blob comes when its bytes are verified, and goes when a deleted version is purged: no foreign key holds it.
    """

    __tablename__ = "version_files"
    __table_args__ = (Index("ix_version_files_sha256", "sha256"),)

    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    path: Mapped[str] = mapped_column(Bytewise, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(255))


class Stray(Base):
    """An object without a row, or with a ``handle`` an unfinished upload without one, and when it was first seen."""

    __tablename__ = "strays"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    handle: Mapped[str] = mapped_column(String(1024), primary_key=True, default="")
    size: Mapped[int] = mapped_column(BigInteger)
    found_at: Mapped[datetime]


class Artifact(Leased, Base):
    """A file under a path that clients may write again: what the path names now. Versions refer to its blob, not to it.

    ``sha256`` is empty until a worker has read the ``object`` that arrived in parts without a digest. ``logged_model``
    is the id of the MLflow logged model that the path belongs to. Until ``registered_at`` the path belongs to
    ``created_by``, who wrote it last.
    """

    __tablename__ = "artifacts"
    __table_args__ = (
        Index("ix_artifacts_logged_model", "logged_model"),
        Index("ix_artifacts_sha256", "sha256"),
        Index("ix_artifacts_unhashed", "created_at", sqlite_where=text("sha256 IS NULL"),
              postgresql_where=text("sha256 IS NULL")),
        parked_index("artifacts"),
    )  # fmt: skip

    path: Mapped[str] = mapped_column(Bytewise, primary_key=True)
    sha256: Mapped[str | None] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(String(255))
    object: Mapped[str | None] = mapped_column(String(255))
    logged_model: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    registered_at: Mapped[datetime | None]
