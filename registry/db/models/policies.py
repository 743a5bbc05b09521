"""Policies, the models that they guard, and what each guarded move was decided on. None of these rows is changed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base, SerialKey


class StoredPolicy(Base):
    """A policy's document as RFC 8785 text, under its digest."""

    __tablename__ = "policies"

    digest: Mapped[str] = mapped_column(String(71), primary_key=True)
    document: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class PolicyAssignment(Base):
    """The policy that guards a model, or with ``model_id`` None every model without one, from ``started_at`` on.

    The latest row of a model counts. ``digest`` is None where the policy was removed; ``number`` counts the assignments
    of the model from 1.
    """

    __tablename__ = "policy_assignments"
    __table_args__ = (Index("ix_policy_assignments_model_id", "model_id", "id"),)

    id: Mapped[SerialKey]
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"))
    number: Mapped[int]
    digest: Mapped[str | None] = mapped_column(ForeignKey("policies.digest"))
    started_at: Mapped[datetime]
    started_entry: Mapped[str] = mapped_column(Uuid(as_uuid=False), unique=True)


class GateEvaluation(Base):
    """The facts and verdicts that a guarded move rests on; the move's entry has their digest.

    ``target`` is the stage, or ``@`` and the alias. ``facts`` and ``verdicts`` are RFC 8785 texts.
    """

    __tablename__ = "gate_evaluations"
    __table_args__ = (Index("ix_gate_evaluations_version_id", "version_id", "created_at"),)

    entry_uid: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"))
    target: Mapped[str] = mapped_column(String(256))
    policy_digest: Mapped[str] = mapped_column(ForeignKey("policies.digest"))
    assignment_id: Mapped[int] = mapped_column(ForeignKey("policy_assignments.id"))
    facts: Mapped[str] = mapped_column(Text)
    verdicts: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
