"""The lineage graph: frozen nodes, typed edges, and the digests by which data is found again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, SerialKey


class LineageNode(Base):
    """A version, or a snapshot of a run, of code, of an environment or of a dataset. Never changed, never deleted.

    ``key`` is the digest of the snapshot's content (a version's is its id), so equal snapshots are one node.
    """

    __tablename__ = "lineage_nodes"
    __table_args__ = (UniqueConstraint("kind", "key"), Index("ix_lineage_nodes_name", "kind", "name"))

    id: Mapped[SerialKey]
    kind: Mapped[str] = mapped_column(String(16))
    key: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(Text)
    attributes: Mapped[dict[str, Any]]
    version_id: Mapped[int | None] = mapped_column(ForeignKey("versions.id"), unique=True)
    created_at: Mapped[datetime]


class LineageEdge(Base):
    """``source`` was produced by, built from, run in, derived from or used ``target``."""

    __tablename__ = "lineage_edges"
    __table_args__ = (
        UniqueConstraint("source_id", "kind", "role", "target_id"),
        Index("ix_lineage_edges_target_id", "target_id", "kind"),
    )

    id: Mapped[SerialKey]
    source_id: Mapped[int] = mapped_column(ForeignKey("lineage_nodes.id"))
    target_id: Mapped[int] = mapped_column(ForeignKey("lineage_nodes.id"))
    kind: Mapped[str] = mapped_column(String(16))
    role: Mapped[str] = mapped_column(String(16), default="")
    created_at: Mapped[datetime]


class LineageDigest(Base):
    """Finds the nodes that carry a digest: "which versions were trained on this data?"."""

    __tablename__ = "lineage_digests"
    __table_args__ = (Index("ix_lineage_digests_digest", "digest"),)

    node_id: Mapped[int] = mapped_column(ForeignKey("lineage_nodes.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(160), primary_key=True)
