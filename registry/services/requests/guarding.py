"""Models with what guards them now: the policy in force, the open requests, and the holds on data and base models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select, true

from registry.db import times
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Model, PolicyAssignment, Request, Version
from registry.db.queries import catalog, holds, records
from registry.db.records import ModelRecord
from registry.db.session import look_up
from registry.services.catalog import models
from registry.services.gates import assignments
from registry.services.requests import showing

_MODEL = catalog.model_id(bindparam("model"))
_OPEN = (
    select(func.count().label("number"), func.max(Request.opened_at).label("latest"))
    .select_from(Request)
    .outerjoin(Version, Version.id == Request.version_id)
    .where(Request.model_id == _MODEL, showing.is_open(bindparam("now", type_=Request.expires_at.type)))
    .subquery("open_requests")
)
_GUARDED = FixedStatement(
    records.of_models(records.MODEL_COLUMNS)
    .add_columns(
        PolicyAssignment.id,
        PolicyAssignment.model_id,
        PolicyAssignment.started_at,
        *_OPEN.c,
        holds.upstream_mark(),
    )
    .outerjoin(PolicyAssignment, PolicyAssignment.id == assignments.current_id(_MODEL))
    .join(_OPEN, true())
    .where(Model.id == _MODEL)
)


@dataclass(frozen=True, slots=True)
class GuardedModel:
    """A model with what guards it.

    ``policy_set_at`` is None without a policy, and ``has_default_policy`` is true where the policy is not its own.
    ``facts`` change with the policy, the open requests, and the holds on data and base models: for ETags.
    """

    model: ModelRecord
    policy_set_at: datetime | None = None
    has_default_policy: bool = False
    open_requests: int = 0
    facts: tuple[str, ...] = ()


def show(name: str) -> GuardedModel:
    """Return the model of that name, live or deleted last, by one statement. Raises NotFound."""
    rows = look_up(_GUARDED, model=name, now=times.now())
    if not rows:
        return GuardedModel(models.describe(name))
    *columns, assignment, own, set_at, number, latest, mark = rows[0]
    return GuardedModel(
        records.model_records([columns])[0],
        set_at,
        set_at is not None and own is None,
        number,
        tuple(str(fact) for fact in (assignment, number, latest and latest.timestamp(), mark) if fact is not None),
    )
