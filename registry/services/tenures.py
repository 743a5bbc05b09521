"""Begin and end tenures: the one place where a version changes its stage."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.models import Model, Tenure, Version
from registry.db.queries import catalog, governance
from registry.domain.stages import Kind, Lifecycle, Stage
from registry.services.audit import Event


def enter(
    session: Session,
    held: Model,
    version: Version,
    stage: Stage,
    kind: Kind,
    event: Event,
    *,
    origin: int | None = None,
) -> None:
    """End the version's tenure and begin the next; stage none has no tenure."""
    if current := governance.open_tenure(session, version):
        current.ended_at, current.ended_kind, current.ended_entry = event.at, kind.value, event.uid
        session.flush()  # the unique indexes allow one open tenure at a time
    if stage is not Stage.NONE:
        session.add(
            Tenure(
                model_id=held.id,
                version_id=version.id,
                stage=stage.value,
                exclusive=held.lifecycle == Lifecycle.ENFORCED,
                started_at=event.at,
                started_kind=kind.value,
                started_entry=event.uid,
                origin_id=origin,
            )
        )
    version.stage = stage.value
    catalog.touch(version, event.at)
    catalog.touch(held, event.at)  # its view shows who holds what


def others_in(session: Session, held: Model, version: Version, stage: Stage) -> Sequence[Version]:
    """The model's other versions that hold the stage, by number."""
    statement = select(Version).where(
        Version.model_id == held.id,
        Version.stage == stage.value,
        Version.id != version.id,
        Version.deleted_at.is_(None),
    )
    return session.scalars(statement.order_by(Version.number)).all()
