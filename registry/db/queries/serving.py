"""Versions that hold a stage, or held it at an instant, over all models that a filter describes."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, literal_column, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from registry.db import times
from registry.db.base import Rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import (
    Account,
    AuditEntry,
    AuditText,
    Blob,
    FormerName,
    Model,
    Tenure,
    UncertainTime,
    Version,
    VersionFile,
)
from registry.db.queries import holds, json_columns, pages, search_fields, search_terms
from registry.db.queries.search_terms import Column, Related, SearchDialect
from registry.db.session import planned_anew
from registry.domain.filters.terms import EVERYTHING, Key, Term
from registry.domain.stages import Stage

_ACTOR = aliased(Account)  # of the tenure; Account is the creator of the model, which filters name
_LATER, _NOW = aliased(Tenure), aliased(Version)
_DAMAGED: list[Any] = [literal_column("'missing'"), literal_column("'corrupt'")]
_AS_OF = bindparam("as_of", type_=Tenure.started_at.type)


@dataclass(frozen=True, slots=True)
class _Question:
    """A question apart from its values: equal ones have the same statements. The *term* takes no part in it."""

    stage: Stage
    dialect: SearchDialect
    shape: Hashable
    is_past: bool
    goes_on: bool
    term: Term = field(compare=False)


def tenures(
    session: Session, stage: Stage, term: Term, *, as_of: datetime | None, after: tuple[str, int] | None, limit: int
) -> Sequence[Any]:
    """Return a page of tenures of *stage* by the names of their models, then newest first, and one row more.

    They are those that are open, or that covered *as_of*, of live models and of those that were deleted later.
    """
    question, values = _question(session, stage, term, as_of=as_of, goes_on=after is not None)
    values |= {"name": after[0], "tenure": after[1]} if after else {}
    with _planned_for(session, term):
        return pages.rows(session, _page_of_tenures(question), values | {"limit": limit})


def changes(session: Session, stage: Stage, term: Term, *, around: datetime, most: int) -> list[datetime]:
    """Return the instants at which the holders of *stage* changed: *most* up to *around*, and *most* after it.

    They are in their order. An instant counts once, whatever changed then.
    """
    question, values = _question(session, stage, term, as_of=around, goes_on=False)
    with _planned_for(session, term):
        moments = sorted({row.at for row in pages.rows(session, _nearest_changes(question), values | {"limit": most})})
    past = [at for at in moments if at <= around]
    return past[-most:] + moments[len(past) :][:most]


def first(session: Session, stage: Stage) -> datetime | None:
    """Return when the stage was first held by any version."""
    return session.scalar(select(func.min(Tenure.started_at)).where(Tenure.stage == stage.value))


def doubtful(session: Session, as_of: datetime, *, most: int) -> Sequence[str]:
    """Return names of models with entries that a wrong clock dated around *as_of*, *most* at most."""
    statement = (
        select(Model.name)
        .join(UncertainTime, UncertainTime.model_id == Model.id)
        .where(UncertainTime.since < as_of, UncertainTime.until > as_of)
    )
    return session.scalars(statement.order_by(Model.name).limit(most)).all()


def _planned_for(session: Session, term: Term) -> AbstractContextManager[None]:
    """Let PostgreSQL plan for the values of a filter; without one there are few statements."""
    return nullcontext() if term == EVERYTHING else planned_anew(session)


def _question(
    session: Session, stage: Stage, term: Term, *, as_of: datetime | None, goes_on: bool
) -> tuple[_Question, dict[str, Any]]:
    dialect = SearchDialect(session.get_bind().dialect.name)
    shape, values = search_terms.shape(term, search_fields.is_indexed, dialect)
    values |= {"as_of": as_of, "latest": times.now() + times.TOLERANCE}
    return _Question(stage, dialect, shape, as_of is not None, goes_on, term), values


@functools.lru_cache(128)
def _page_of_tenures(question: _Question) -> FixedStatement:
    statement = _asked_tenures(question, _select_tenures(question))
    if question.goes_on:
        name, tenure = bindparam("name", type_=Model.name.type), bindparam("tenure", type_=Tenure.id.type)
        # The name is bounded apart: an index can use it.
        statement = statement.where(Model.name >= name, or_(Model.name > name, Tenure.id < tenure))
    return FixedStatement(statement.order_by(Model.name, Tenure.id.desc()).limit(bindparam("limit") + 1))


def _select_tenures(question: _Question) -> Rows:
    """Return the fields of ``ServingRecord``, joined with what they are read from."""
    columns = [
        Tenure.id, Model.name, _name_then(question), Tenure.stage, Version.number, Version.manifest_digest,
        Tenure.started_at, Tenure.ended_at, Tenure.started_entry, Tenure.started_kind, _ACTOR.name, AuditText.text,
        json_columns.version_break_glass(), holds.of_version(),
        _holder_now(question.stage), _holder_now(Stage.STAGING), _is_damaged(), _is_uncertain(question),
    ]  # fmt: skip
    labels = (f"shown_{place}" for place, _ in enumerate(columns))
    statement: Rows = (
        select(*(column.label(label) for column, label in zip(columns, labels, strict=True)))
        .select_from(Tenure)
        .join(Model, Model.id == Tenure.model_id)
        .join(Version, Version.id == Tenure.version_id)
        .join(AuditEntry, AuditEntry.uid == Tenure.started_entry)
        .join(_ACTOR, _ACTOR.id == AuditEntry.actor_id)
        .outerjoin(AuditText, (AuditText.entry_uid == AuditEntry.uid) & (AuditText.field == "reason"))
    )
    if question.is_past:
        return statement.where(
            Tenure.started_at <= _AS_OF,
            or_(Tenure.ended_at.is_(None), Tenure.ended_at > _AS_OF),
            or_(Model.deleted_at.is_(None), Model.deleted_at > _AS_OF),
        )
    return statement.where(Tenure.ended_at.is_(None), Model.deleted_at.is_(None))


@functools.lru_cache(128)
def _nearest_changes(question: _Question) -> FixedStatement:
    """Select the instants at which tenures began or ended, or their models were deleted, on both sides of ``as_of``."""
    deleted = (Tenure.started_at <= Model.deleted_at) & or_(
        Tenure.ended_at.is_(None), Tenure.ended_at > Model.deleted_at
    )
    kept = or_(Model.deleted_at.is_(None), Model.deleted_at >= Tenure.started_at)
    parts = []
    for column, condition in ((Tenure.started_at, kept), (Tenure.ended_at, kept), (Model.deleted_at, deleted)):
        moments = select(column.label("at")).select_from(Tenure).join(Model, Model.id == Tenure.model_id)
        moments = _asked_tenures(question, moments.where(condition))
        for side, order in ((column <= _AS_OF, column.desc()), (column > _AS_OF, column.asc())):
            nearest = moments.where(side).order_by(order).limit(bindparam("limit") + 1).subquery()
            parts.append(select(nearest.c.at))
    return FixedStatement(union_all(*parts))


def _asked_tenures(question: _Question, statement: Rows) -> Rows:
    """Narrow a statement about tenures and models to the stage and the filter.

    The stage is a literal: a statement whose stage is a parameter could be planned without the indexes over it.
    """
    statement = statement.where(Tenure.stage == literal_column(f"'{question.stage.value}'"))
    if question.term == EVERYTHING:
        return statement

    def find(key: Key) -> Column | Related:
        return search_fields.of_models(key, question.dialect)

    names: Iterator[str] = search_terms.parameter_names()
    statement = statement.join(Account, Account.id == Model.created_by)
    return statement.where(search_terms.where(question.term, find, question.dialect, names))


def _name_then(question: _Question) -> ColumnElement[Any]:
    """Return the name that the model had at the instant."""
    name: ColumnElement[Any] = Model.__table__.c.name
    if not question.is_past:
        return name
    former = (
        select(FormerName.name)
        .where(FormerName.model_id == Model.id, FormerName.ended_at > _AS_OF)
        .order_by(FormerName.ended_at)
        .limit(1)
    )
    return func.coalesce(former.correlate(Model).scalar_subquery(), name, type_=name.type)


def _holder_now(stage: Stage) -> ColumnElement[Any]:
    """Return the number of the version of a live model that entered *stage* last, and holds it."""
    statement = (
        select(_NOW.number)
        .join(_LATER, _LATER.version_id == _NOW.id)
        .where(
            _LATER.model_id == Model.id,
            _LATER.stage == literal_column(f"'{stage.value}'"),
            _LATER.ended_at.is_(None),
            Model.deleted_at.is_(None),
        )
        .order_by(_LATER.started_at.desc(), _LATER.id.desc())
        .limit(1)
    )
    return statement.correlate(Model).scalar_subquery()


def _is_damaged() -> ColumnElement[Any]:
    """Return whether bytes of the version are known to be missing or wrong now."""
    damaged = (
        select(VersionFile.version_id)
        .join(Blob, Blob.sha256 == VersionFile.sha256)
        .where(VersionFile.version_id == Version.id, Blob.damage.in_(_DAMAGED))
    )
    return damaged.correlate(Version).exists()


def _is_uncertain(question: _Question) -> ColumnElement[Any]:
    """Return whether a wrong clock dated entries of the model around the instant, or still does."""
    if not question.is_past:
        return literal_column("false")
    spans = select(UncertainTime.id).where(
        and_(UncertainTime.model_id == Model.id, UncertainTime.since < _AS_OF, UncertainTime.until > _AS_OF)
    )
    return or_(spans.correlate(Model).exists(), Model.clock_at > bindparam("latest", type_=Model.clock_at.type))
