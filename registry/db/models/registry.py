"""The registry's identity, which the store carries too, and its epochs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base


class Registry(Base):
    """The one row of its table, made by a migration.

    ``epoch`` changes when the database was restored from a backup, ``restored_from`` is the digest of that backup.
    ``first_number`` is where the versions of a new model are numbered from. Until ``unsealed_until`` rows without a
    seal count as sealed: an earlier release, which writes none, may serve at the same time
    (``services.audit.row_seals``).
    ``secret_keys`` has the fingerprints of the secret keys, the newest first; None until a process has recorded one.
    """

    __tablename__ = "registry"
    __table_args__ = (CheckConstraint("key = 1", name="one_row"),)

    key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    id: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    epoch: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    first_number: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    restored_at: Mapped[datetime | None]
    restored_from: Mapped[str | None] = mapped_column(String(64))
    unsealed_until: Mapped[datetime | None]
    secret_keys: Mapped[list[str] | None]
