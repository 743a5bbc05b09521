"""Models, versions and their metadata."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Double, ForeignKey, Index, String, Text, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, Bytewise, Chained, SerialKey, UuidKey
from registry.db.unknown import UnknownString


class Model(Chained, Base):
    """A name with versions. Transactions that change the model or anything under it lock the row.

    ``look`` is the skeleton of the name (``domain.confusables``); None in rows of earlier releases, until a worker
    fills it in. ``protected_aliases`` move with ``version:promote`` only; None and empty mean the same.
    ``revised_at`` is the latest change of anything but tags and aliases; ``claimed`` has the facts of the registry that
    the model was imported from (times, users), which this service has not verified.
    """

    __tablename__ = "models"
    __table_args__ = (
        Index("uq_models_live_name", "name_key", unique=True, sqlite_where=text("deleted_at IS NULL"),
              postgresql_where=text("deleted_at IS NULL")),
        Index("ix_models_name_key", "name_key"),
        Index("ix_models_name", "name"),
        Index("ix_models_look", "look"),
        Index("ix_models_deleted_at", "deleted_at", sqlite_where=text("deleted_at IS NOT NULL"),
              postgresql_where=text("deleted_at IS NOT NULL")),
    )  # fmt: skip

    id: Mapped[UuidKey]
    name: Mapped[str] = mapped_column(Bytewise)
    name_key: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, default="")
    lifecycle: Mapped[str] = mapped_column(String(16))
    next_number: Mapped[int] = mapped_column(default=1)
    latest_number: Mapped[int | None]
    row_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    updated_at: Mapped[datetime]
    revised_at: Mapped[datetime | None]
    claimed: Mapped[dict[str, Any] | None]
    deleted_at: Mapped[datetime | None]
    protected_aliases: Mapped[list[str] | None]
    look: Mapped[str | None] = mapped_column(String(64))


class FormerName(Base):
    """A name that a model had until it was renamed; ``next_number`` is where numbering under it goes on."""

    __tablename__ = "former_names"
    __table_args__ = (
        Index("ix_former_names_name_key", "name_key"),
        Index("ix_former_names_name", "name"),
        Index("ix_former_names_model_id", "model_id"),
    )

    id: Mapped[SerialKey]
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    name: Mapped[str] = mapped_column(Bytewise)
    name_key: Mapped[str] = mapped_column(Text)
    next_number: Mapped[int]
    ended_at: Mapped[datetime]


class ModelTag(Base):
    __tablename__ = "model_tags"
    __table_args__ = (Index("ix_model_tags_key", "key"),)

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(250), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Version(Base):
    """An immutable numbered snapshot of a model. ``stage`` repeats the open tenure, for reading without a join.

    ``manifest_digest`` is None while the files are unknown: those of an unverified version are elsewhere, those of
    one that an import fills are not fetched yet. ``source``, ``run_link`` and ``logged_model`` are texts of an MLflow
    client, kept as received and never opened; ``location`` is where such a client finds those files.
    ``run_id`` repeats the run of the lineage. ``run_state`` is a ``RunState``; None where the run is not read again.
    ``revised_at`` and ``claimed`` are as a model's. ``broken_glass_entry`` is the entry of the latest move past the
    gates; None without one, and when an approver has acknowledged it.
    """

    __tablename__ = "versions"
    __table_args__ = (
        UniqueConstraint("model_id", "number"),
        Index("ix_versions_natural_key", "model_id", "manifest_digest", "run_key"),
        Index("ix_versions_stage", "model_id", "stage", "number"),
        Index("ix_versions_run_id", "run_id"),
        Index("ix_versions_created_at", "created_at", "id"),
        Index("ix_versions_pending", "id", sqlite_where=text("state = 'pending'"),
              postgresql_where=text("state = 'pending'")),
        Index("ix_versions_failed", "id", sqlite_where=text("state = 'failed'"),
              postgresql_where=text("state = 'failed'")),
        Index("ix_versions_broken_glass", "id", sqlite_where=text("broken_glass_entry IS NOT NULL"),
              postgresql_where=text("broken_glass_entry IS NOT NULL")),
    )  # fmt: skip

    id: Mapped[SerialKey]
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    state_reason: Mapped[str | None] = mapped_column(Text)
    stage: Mapped[str] = mapped_column(String(16), default="none")
    rolled_back: Mapped[bool] = mapped_column(default=False)
    broken_glass_entry: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    manifest_digest: Mapped[str | None] = mapped_column(UnknownString(71))
    run_key: Mapped[str] = mapped_column(String(71))
    lineage_digest: Mapped[str] = mapped_column(String(71))
    file_count: Mapped[int]
    size: Mapped[int] = mapped_column(BigInteger)
    description: Mapped[str] = mapped_column(Text, default="")
    framework: Mapped[str | None] = mapped_column(String(64))
    signature: Mapped[dict[str, Any] | None]
    source: Mapped[str | None] = mapped_column(Text)
    location: Mapped[str | None] = mapped_column(Text)
    run_id: Mapped[str | None] = mapped_column(String(255))
    run_link: Mapped[str | None] = mapped_column(Text)
    logged_model: Mapped[str | None] = mapped_column(String(64))
    run_state: Mapped[str | None] = mapped_column(String(16))
    row_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    updated_at: Mapped[datetime]
    revised_at: Mapped[datetime | None]
    claimed: Mapped[dict[str, Any] | None]
    deleted_at: Mapped[datetime | None]
    purged_at: Mapped[datetime | None]


class VersionTag(Base):
    __tablename__ = "version_tags"
    __table_args__ = (Index("ix_version_tags_key", "key"),)

    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(250), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class VersionParam(Base):
    """Never changed: a trigger refuses it. Those that an unfinished run logs later are added when it has ended."""

    __tablename__ = "version_params"
    __table_args__ = (Index("ix_version_params_key", "key"),)

    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(250), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class VersionMetric(Base):
    """One measurement. Append-only: a later evaluation is a new row, and a trigger refuses changes.

    ``dataset_digest`` identifies the data that it was measured on; None where it is unknown. ``slice`` is the part of
    that data (``rules.slices``); empty for the whole data.
    """

    __tablename__ = "version_metrics"
    __table_args__ = (
        Index("ix_version_metrics_latest", "version_id", "key", "id"),
        Index("ix_version_metrics_key_value", "key", "value"),
        Index("ix_version_metrics_slice", "dataset_digest", "key", "slice", "value",
              sqlite_where=text("dataset_digest IS NOT NULL"), postgresql_where=text("dataset_digest IS NOT NULL")),
    )  # fmt: skip

    id: Mapped[SerialKey]
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"))
    key: Mapped[str] = mapped_column(String(250))
    value: Mapped[float] = mapped_column(Double)
    step: Mapped[int | None] = mapped_column(BigInteger)
    dataset_digest: Mapped[str | None] = mapped_column(String(160))
    dataset_name: Mapped[str | None] = mapped_column(String(500))
    slice: Mapped[str] = mapped_column(String(200), server_default="")
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
