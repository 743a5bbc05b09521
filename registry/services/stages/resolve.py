"""Holders of stages, now and at an instant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.db.fixed_statements import FixedStatement
from registry.db.models import Tenure, Version
from registry.db.queries import catalog, governance, holds
from registry.db.records import HolderRecord
from registry.db.session import look_up, reading
from registry.domain import clock
from registry.domain import holds as holding
from registry.domain.errors import NotFound
from registry.domain.stages import Stage
from registry.services import audit

HOLDERS = 400


_HELD = (Tenure.model_id == catalog.model_id(bindparam("model"))) & (Tenure.stage == bindparam("stage"))


_HOLDER = FixedStatement(governance.covering(governance.select_holders().where(_HELD), Tenure, None))


_TENURE = FixedStatement(
    governance.covering(
        select(Tenure.id, Version.broken_glass_entry, holds.of_version())
        .join(Version, Version.id == Tenure.version_id)
        .where(_HELD),
        Tenure,
        None,
    )
)


_HOLDERS = FixedStatement(
    governance.select_holders()
    .where(
        Tenure.model_id == catalog.model_id(bindparam("model")),
        Tenure.ended_at.is_(None),
        Tenure.stage != Stage.ARCHIVED.value,
    )
    .order_by(Tenure.stage, Tenure.started_at.desc(), Tenure.id.desc())  # production first
    .limit(HOLDERS)
)


def holders(model: str) -> dict[str, list[HolderRecord]]:
    """Return the versions in staging and production, latest entrant first, at most ``HOLDERS``. Raises NotFound."""
    holders_by_stage: dict[str, list[HolderRecord]] = {Stage.STAGING.value: [], Stage.PRODUCTION.value: []}
    rows = look_up(_HOLDERS, model=model)
    if not rows:
        with reading() as session:
            catalog.model(session, model)
    for holder in governance.holder_records(rows):
        holders_by_stage[holder.stage].append(holder)
    return holders_by_stage


def holder(model: str, stage: Stage, *, as_of: datetime | None = None) -> HolderRecord:
    """Return the version that holds the stage, or held it *as_of*: its latest entrant.

    The past is also that of deleted models of the name. Raises NotFound, Invalid, or TimeUncertain.
    """
    governance.require_past(as_of)
    if as_of is None:
        rows = look_up(_HOLDER, model=model, stage=stage.value)
    else:
        ever = governance.select_holders().where(catalog.ever_named(model, after=as_of), Tenure.stage == stage.value)
        rows = look_up(governance.covering(ever, Tenure, as_of).add_columns(*audit.doubts(as_of)))
    if rows and (as_of is None or not any(rows[0][-2:])):
        return governance.holder_records([rows[0] if as_of is None else rows[0][:-2]])[0]
    with reading() as session:
        catalog.require_ever_named(session, model)
        if as_of is not None:
            audit.require_certain(session, model, as_of)
        if rows:
            return governance.holder_records([rows[0][:-2]])[0]
        raise NotFound(_nobody(session, model, stage, as_of))


def tenure_of(model: str, stage: Stage) -> tuple[Any, ...]:
    """Return the id of the present tenure of the :func:`holder`, and its facts; ``(None,)`` without one."""
    rows = holds.settled_rows(look_up(_TENURE, model=model, stage=stage.value), 2)
    if not rows:
        return (None,)
    ((tenure, glass, held),) = rows
    return (tenure, *(["glass"] if glass else []), *holding.facts(held))


def _nobody(session: Session, model: str, stage: Stage, as_of: datetime | None) -> str:
    if as_of is None:
        return f"no version of {model!r} holds {stage}"
    first: Any = governance.first_tenure(session, model, stage)
    since = f"; the first to hold it began at {clock.wire(first)}" if first else "; none ever did"
    return f"no version of {model!r} held {stage} at {clock.wire(as_of)}{since}"
