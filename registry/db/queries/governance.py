"""Tenures: which are open, which covered an instant, which a rollback may return to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.base import Rows
from registry.db.models import Account, AliasTenure, AuditEntry, AuditText, Model, Tenure, Version
from registry.domain import stages
from registry.domain.errors import Invalid
from registry.domain.stages import Stage, TransitionKind
from registry.domain.states import VersionState

CLOCK_SKEW = timedelta(minutes=1)


def covering(statement: Rows, table: type[Tenure] | type[AliasTenure], as_of: datetime | None) -> Rows:
    """Narrow *statement* to the latest tenure that is open, or that covered *as_of*: ``[started_at, ended_at)``.

    With *as_of* the statement joins Model: by name, a model's tenures end with its deletion.
    """
    if as_of is None:
        statement = statement.where(table.ended_at.is_(None))
    else:
        statement = statement.where(
            table.started_at <= as_of,
            (table.ended_at.is_(None)) | (table.ended_at > as_of),
            (Model.deleted_at.is_(None)) | (Model.deleted_at > as_of),
        )
    # In lifecycle open several tenures may cover one instant: the latest entrant counts.
    return statement.order_by(table.started_at.desc(), table.id.desc()).limit(1)


_IN_PRODUCTION = covering(
    select(Version)
    .join(Tenure, Tenure.version_id == Version.id)
    .where(Tenure.model_id == bindparam("model"), Tenure.stage == Stage.PRODUCTION.value),
    Tenure,
    None,
)


def require_past(as_of: datetime | None) -> None:
    """Raise Invalid for an instant to come; clocks may differ by a minute."""
    if as_of is not None and as_of > times.now() + CLOCK_SKEW:
        raise Invalid.field("as_of", "is in the future; give a time that has passed")


def production_holder(session: Session, model: Model) -> Version | None:
    """Return the version in production: under lifecycle ``open``, the latest entrant."""
    version: Version | None = session.scalars(_IN_PRODUCTION, {"model": model.id}).first()
    return version


def production_line(session: Session, model: Model) -> Iterator[stages.ProductionTenure]:
    """Yield every production tenure of the model, newest first, read as far as the caller goes on."""
    statement = (
        select(Tenure, Version.number, Version.state, Version.rolled_back)
        .join(Version, Version.id == Tenure.version_id)
        .where(Tenure.model_id == model.id, Tenure.stage == Stage.PRODUCTION.value)
        .order_by(Tenure.started_at.desc(), Tenure.id.desc())
    )
    with session.execute(statement.execution_options(yield_per=100)) as rows:  # its cursor ends with the caller's loop
        for tenure, number, state, rolled_back in rows:
            yield stages.ProductionTenure(
                id=tenure.id,
                number=number,
                origin=tenure.origin_id or tenure.id,
                ended_kind=TransitionKind(tenure.ended_kind) if tenure.ended_kind else None,
                state=VersionState(state),
                rolled_back=rolled_back,
            )


def select_holders() -> Rows:
    """Return the fields of ``HolderRecord``: tenures of stages, with who began them and why."""
    return _select_tenures(Tenure, Tenure.stage, Tenure.started_kind)


def select_aliases() -> Rows:
    """Return the selection of alias tenures, with entries, the version's state and the model's protected aliases."""
    return _select_tenures(AliasTenure, AliasTenure.alias).add_columns(Version.state, Model.protected_aliases)


def _select_tenures(table: type[Tenure] | type[AliasTenure], what: Any, *more: Any) -> Rows:
    digest = func.nullif(Version.manifest_digest, "")
    return (
        select(table.id, Model.name, what, Version.number, digest, table.started_at, table.ended_at,
               table.started_entry, *more,
               Account.name, AuditText.text)
        .select_from(table)
        .join(Model, Model.id == table.model_id)
        .join(Version, Version.id == table.version_id)
        .join(AuditEntry, AuditEntry.uid == table.started_entry)
        .join(Account, Account.id == AuditEntry.actor_id)
        .outerjoin(AuditText, (AuditText.entry_uid == AuditEntry.uid) & (AuditText.field == "reason"))
    )  # fmt: skip


def first_tenure(session: Session, model: str, stage: Stage) -> datetime | None:
    """Return when the stage was first held by any version of any model of that name."""
    statement = select(Tenure.started_at).join(Model, Model.id == Tenure.model_id)
    return session.scalar(
        statement.where(Model.name == model, Tenure.stage == stage.value).order_by(Tenure.started_at).limit(1)
    )
