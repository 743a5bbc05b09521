"""Tenures: which are open, which covered an instant, which a rollback may return to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.models import Account, AliasTenure, AuditEntry, AuditText, Model, Tenure, Version
from registry.db.records import HolderRecord
from registry.domain import clock, stages
from registry.domain.errors import Invalid
from registry.domain.stages import Kind, Stage, State

CLOCK_SKEW = timedelta(minutes=1)


def covering(statement: Rows, table: type[Tenure] | type[AliasTenure], as_of: datetime | None) -> Rows:
    """Narrow *statement* to the latest tenure that is open, or that covered *as_of*: ``[started_at, ended_at)``.

    With *as_of* the statement joins Model: what a model held ended, to whoever asks by name, when it was deleted.
    """
    if as_of is None:
        statement = statement.where(table.ended_at.is_(None))
    else:
        statement = statement.where(
            table.started_at <= as_of,
            (table.ended_at.is_(None)) | (table.ended_at > as_of),
            (Model.deleted_at.is_(None)) | (Model.deleted_at > as_of),
        )
    return statement.order_by(table.started_at.desc(), table.id.desc()).limit(1)


def require_past(as_of: datetime | None) -> None:
    """Raise Invalid for an instant to come; clocks may differ by a minute."""
    if as_of is not None and as_of > clock.now() + CLOCK_SKEW:
        raise Invalid.field("as_of", "lies in the future; nobody knows what will be then")


def open_tenure(session: Session, version: Version) -> Tenure | None:
    """The stage that the version holds now; None for none."""
    return session.scalars(select(Tenure).where(Tenure.version_id == version.id, Tenure.ended_at.is_(None))).first()


def production_holder(session: Session, held: Model) -> Version | None:
    """The version in production: under lifecycle ``open``, the latest entrant."""
    statement = (
        select(Version)
        .join(Tenure, Tenure.version_id == Version.id)
        .where(Tenure.model_id == held.id, Tenure.stage == Stage.PRODUCTION.value)
    )
    return session.scalars(covering(statement, Tenure, None)).first()


def production_line(session: Session, held: Model) -> Iterator[stages.Tenure]:
    """Every production tenure of the model, newest first, read as far as the caller goes on."""
    statement = (
        select(Tenure, Version.number, Version.state, Version.rolled_back)
        .join(Version, Version.id == Tenure.version_id)
        .where(Tenure.model_id == held.id, Tenure.stage == Stage.PRODUCTION.value)
        .order_by(Tenure.started_at.desc(), Tenure.id.desc())
    )
    with session.execute(statement.execution_options(yield_per=100)) as rows:  # its cursor ends with the caller's loop
        for tenure, number, state, rolled_back in rows:
            yield stages.Tenure(
                id=tenure.id,
                number=number,
                origin=tenure.origin_id or tenure.id,
                ended_kind=Kind(tenure.ended_kind) if tenure.ended_kind else None,
                state=State(state),
                rolled_back=rolled_back,
            )


def select_told(table: type[Tenure] | type[AliasTenure]) -> Rows:
    """Tenures of either kind with model, number, manifest digest, who began them and why."""
    return (
        select(table, Model.name, Version.number, Version.manifest_digest, Account.name, AuditText.text)
        .join(Model, Model.id == table.model_id)
        .join(Version, Version.id == table.version_id)
        .join(AuditEntry, AuditEntry.uid == table.started_entry)
        .join(Account, Account.id == AuditEntry.actor_id)
        .outerjoin(AuditText, (AuditText.entry_uid == AuditEntry.uid) & (AuditText.field == "reason"))
    )


def holder_record(row: Any) -> HolderRecord:
    """One row of :func:`select_told` over Tenure, opened."""
    tenure, model, number, digest, actor, reason = row
    return HolderRecord(
        tenure=tenure.id,
        model=model,
        stage=tenure.stage,
        number=number,
        manifest_digest=digest or None,
        since=tenure.started_at,
        until=tenure.ended_at,
        kind=tenure.started_kind,
        actor=actor,
        reason=reason,
    )


def first_tenure(session: Session, model: str, stage: Stage) -> datetime | None:
    """When the stage was first held by any version of any model of that name."""
    statement = select(Tenure.started_at).join(Model, Model.id == Tenure.model_id)
    return session.scalar(
        statement.where(Model.name == model, Tenure.stage == stage.value).order_by(Tenure.started_at).limit(1)
    )
