"""Look-ups of values that rows have, and of those next to a value in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from registry.db.models import Account, AuditEntry, VersionMetric

_EACH_WAY = 100
Column = InstrumentedAttribute[str] | InstrumentedAttribute[str | None]


def exists(session: Session, column: Column, *values: str, also: ColumnElement[bool] | None = None) -> bool:
    """Return whether a row has one of the *values* in the column, and fulfils *also*."""
    statement = select(column).where(column.in_(values)).limit(1)
    return session.scalars(statement if also is None else statement.where(also)).first() is not None


def dataset_of(session: Session, metric: str, versions: Sequence[int]) -> str | None:
    """Return the digest of the dataset on which the first of the versions that names one has the metric last."""
    measured = select(VersionMetric.version_id, VersionMetric.dataset_digest).order_by(VersionMetric.id)
    measured = measured.where(VersionMetric.version_id.in_(versions), VersionMetric.key == metric)
    rows = session.execute(measured.where(VersionMetric.dataset_digest.is_not(None), VersionMetric.slice == ""))
    latest = {row.version_id: row.dataset_digest for row in rows}
    return next((latest[version] for version in versions if version in latest), None)


def have_changed_models(session: Session, *accounts: str) -> bool:
    """Return whether an entry about a model is by an account with one of these names."""
    entries = select(AuditEntry.id).join(Account, Account.id == AuditEntry.actor_id)
    statement = entries.where(Account.name.in_(accounts), AuditEntry.model_id.is_not(None)).limit(1)
    return session.scalars(statement).first() is not None


def neighbours(session: Session, column: Column, value: str) -> list[str]:
    """Return the distinct values of an indexed column next to *value*, at most 100 on either side.

    Each step is one look-up in the index, however many rows have a value.
    """
    return [*_distinct(session, column, value, ascending=True), *_distinct(session, column, value, ascending=False)]


def _distinct(session: Session, column: Column, value: str, *, ascending: bool) -> list[str]:
    def following(last: Any) -> Any:
        if ascending:
            return select(func.min(column)).where(column > last).scalar_subquery()
        return select(func.max(column)).where(column < last).scalar_subquery()

    steps = select(following(value).label("value"), literal(1).label("step")).cte(recursive=True)
    steps = steps.union_all(
        select(following(steps.c.value), steps.c.step + 1).where(steps.c.value.is_not(None), steps.c.step < _EACH_WAY)
    )
    return list(session.scalars(select(steps.c.value).where(steps.c.value.is_not(None))))
