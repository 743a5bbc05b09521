"""Releases that work with the present schema."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base


class CompatibleRelease(Base):
    """A release that works with the schema, named by its newest migration.

    Every migration rewrites all rows, so that a release which is older than the schema can find whether it may run; see
    ``registry.db.compatibility``.
    """

    __tablename__ = "compatible_releases"

    revision: Mapped[str] = mapped_column(String(32), primary_key=True)
