"""Which releases work with the schema as it is now."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base


class CompatibleRelease(Base):
    """A release, named by the newest migration that it knows. Every migration writes all of them anew, so that a
    release which is older than the schema can tell whether it may go on; see ``registry.db.compatibility``."""

    __tablename__ = "compatible_releases"

    revision: Mapped[str] = mapped_column(String(32), primary_key=True)
