"""The sealed log: the position of each entry in one Merkle tree, the tree's hashes, and its signed checkpoints."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base


class PendingEntry(Base):
    """An entry that has no position yet; a trigger adds it, and the sealer removes it."""

    __tablename__ = "audit_pending"

    entry_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class Leaf(Base):
    """The position of an entry, its index among the leaves of the tree, with the leaf's hash; never changed."""

    __tablename__ = "audit_leaves"
    __table_args__ = (Index("uq_audit_leaves_entry_id", "entry_id", unique=True),)

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[int] = mapped_column(BigInteger)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)


class Tree(Base):
    """The one row of the tree: how far it is, and how to extend it. The sealer locks it.

    ``hashes`` are those of its complete subtrees, largest first. ``origin`` is the name of the log and ``keys`` are the
    public keys, one a line, of the last checkpoint; both are empty before the first one. Entries with ids from
    ``backfill_next`` up to ``backfill_until`` are older than ``audit_pending``, and are sealed first.
    """

    __tablename__ = "audit_tree"

    id: Mapped[int] = mapped_column(primary_key=True)
    origin: Mapped[str] = mapped_column(Text)
    keys: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)
    backfill_next: Mapped[int] = mapped_column(BigInteger)
    backfill_until: Mapped[int] = mapped_column(BigInteger)


class TileRow(Base):
    """Hashes of a tile above level 0, full or not; those of level 0 are the leaves."""

    __tablename__ = "audit_tiles"

    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)


class SignedCheckpoint(Base):
    """A checkpoint that was signed; shown to readers from ``published_at`` on, when the pin has it."""

    __tablename__ = "audit_checkpoints"

    origin: Mapped[str] = mapped_column(Text, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str] = mapped_column(Text)
    signed_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
