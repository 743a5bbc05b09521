"""The beginning and the end of tenures; only this module changes the stage of a version."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from registry.db.bulk_insert import insert_rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Model, Tenure, Version
from registry.db.queries import catalog
from registry.db.write_session import writing
from registry.domain.stages import Lifecycle, Stage, TransitionKind
from registry.services.audit import Event

_END = FixedStatement(
    update(Tenure.__table__)  # type: ignore[arg-type]  # a Table
    .where(Tenure.version_id == bindparam("version"), Tenure.ended_at.is_(None))
    .values(ended_at=bindparam("at"), ended_kind=bindparam("kind"), ended_entry=bindparam("entry"))
)


def enter(
    session: Session,
    model: Model,
    version: Version,
    stage: Stage,
    kind: TransitionKind,
    event: Event,
    *,
    origin: int | None = None,
) -> None:
    """End the version's tenure and begin the next; stage none has no tenure."""
    if version.stage != Stage.NONE:
        ended = {"version": version.id, "at": event.at, "kind": kind.value, "entry": event.uid}
        writing(session).write(_END, ended)
    if stage is not Stage.NONE:
        begun = {
            "model_id": model.id,
            "version_id": version.id,
            "stage": stage.value,
            "exclusive": model.lifecycle == Lifecycle.ENFORCED,
            "started_at": event.at,
            "started_kind": kind.value,
            "started_entry": event.uid,
            "origin_id": origin,
        }
        insert_rows(session, Tenure, [begun])
    version.stage = stage.value
    catalog.touch(version, event.at)
    catalog.touch(model, event.at)  # its view shows who holds what


def others_in(session: Session, model: Model, version: Version, stage: Stage) -> Sequence[Version]:
    """Return the model's other versions that hold the stage, by number."""
    statement = select(Version).where(
        Version.model_id == model.id,
        Version.stage == stage.value,
        Version.id != version.id,
        Version.deleted_at.is_(None),
    )
    return session.scalars(statement.order_by(Version.number)).all()
