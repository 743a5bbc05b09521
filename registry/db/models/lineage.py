"""The lineage graph: frozen nodes, typed edges, digests that find data again, and what was stated about edges later."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, SerialKey


class LineageNode(Base):
    """A version, or a snapshot of a run, code, an environment, a dataset, an external model or a job. Never changed.

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
    """A relation of ``source`` to ``target`` (``registry.domain.lineage.EdgeKind``)."""

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


class LineageStatement(Base):
    """An audit entry that adds an edge after the registration of its version, retracts it, or reinstates it.

    The latest statement of an edge decides whether answers contain it. An edge without one is from a registration, or
    from a later snapshot of its run.
    """

    __tablename__ = "lineage_statements"
    __table_args__ = (
        UniqueConstraint("edge_id", "entry_uid"),
        Index("ix_lineage_statements_entry_uid", "entry_uid"),
    )

    id: Mapped[SerialKey]
    edge_id: Mapped[int] = mapped_column(ForeignKey("lineage_edges.id"))
    verb: Mapped[str] = mapped_column(String(12))
    entry_uid: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    created_at: Mapped[datetime]


class LineageDigest(Base):
    """Finds the nodes that carry a digest: "which versions were trained on this data?"."""

    __tablename__ = "lineage_digests"
    __table_args__ = (Index("ix_lineage_digests_digest", "digest"),)

    node_id: Mapped[int] = mapped_column(ForeignKey("lineage_nodes.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(160), primary_key=True)
