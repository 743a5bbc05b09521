"""Tenures: which are open, which covered an instant, which a rollback may return to."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select, tuple_, union_all
from sqlalchemy.orm import Session, aliased

from registry.db import times
from registry.db.base import Rows
from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Account, AliasTenure, AuditEntry, AuditText, Model, Tenure, Version
from registry.db.queries import catalog, holds, json_columns
from registry.db.records import AliasRecord, HolderRecord, TenureRecord
from registry.db.write_session import writing
from registry.domain import stages
from registry.domain.errors import Invalid
from registry.domain.stages import Stage, TransitionKind
from registry.domain.states import VersionState
from registry.rules import names
from registry.rules.dataclass_fields import field_names

_RULES = 0x67617465  # the advisory lock of the rules that several models share
_SHARE_RULES = FixedStatement(select(func.pg_advisory_xact_lock_shared(_RULES)))
_CHANGE_RULES = FixedStatement(select(func.pg_advisory_xact_lock(_RULES)))
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


def _select_holder(model_id: Any) -> FixedStatement:
    """Return the selection of the version in production: under lifecycle ``open``, of the latest entrant."""
    holding = select(Version.__table__).join(Tenure, Tenure.version_id == Version.id)
    holding = holding.where(Tenure.model_id == model_id, Tenure.stage == Stage.PRODUCTION.value)
    return FixedStatement(covering(holding, Tenure, None))


_HOLDER = _select_holder(bindparam("model"))
_HOLDER_BY_NAME = _select_holder(catalog.live_id(bindparam("model")))


def require_past(as_of: datetime | None) -> None:
    """Raise Invalid for an instant to come; clocks may differ by a minute."""
    if as_of is not None and as_of > times.now() + CLOCK_SKEW:
        raise Invalid.field("as_of", "is in the future; give a time that has passed")


def production_holder(session: Session, model: Model) -> Version | None:
    """Return the version in production: under lifecycle ``open``, the latest entrant."""
    query = Query(_HOLDER, model=model.id)
    writing(session).ask(query)
    return holder_of(session, query)


def share_rules(session: Session) -> list[Query]:
    """Return the queries that keep the default policy and the holds on data as they are until the transaction ends.

    To be executed with the lock of the model, before what they protect is read. SQLite has one writer at a time.
    """
    return [Query(_SHARE_RULES)] if session.get_bind().dialect.name == "postgresql" else []


def change_rules(session: Session) -> list[Query]:
    """Return the queries that wait for all moves under way and let none begin until the transaction ends.

    For changes of the default policy and of holds on data. A transaction that locks a model, too, does so first.
    """
    return [Query(_CHANGE_RULES)] if session.get_bind().dialect.name == "postgresql" else []


def ask_for_holder(model: str) -> Query:
    """Return the query of :func:`production_holder` for the live model of that name, to be executed with its lock."""
    return Query(_HOLDER_BY_NAME, model=model)


def holder_of(session: Session, query: Query) -> Version | None:
    """Return the version in production, by a query of it that was executed."""
    return writing(session).adopt(Version, query.rows[0]) if query.rows else None


def production_line(session: Session, model: Model) -> Iterator[stages.ProductionTenure]:
    """Yield every production tenure of the model, newest first, read as far as the caller goes on."""
    query = Query(_LINE, model=model.id)
    while True:
        writing(session).ask(query)
        for row in query.rows:
            yield stages.ProductionTenure(
                id=row.id,
                number=row.number,
                origin=row.origin_id or row.id,
                ended_kind=TransitionKind(row.ended_kind) if row.ended_kind else None,
                state=VersionState(row.state),
                rolled_back=row.rolled_back,
            )
        if len(query.rows) < _LINE_PAGE:
            return
        last = query.rows[-1]
        query = Query(_LINE_ON, model=model.id, started_at=last.started_at, id=last.id)


_LINE_PAGE = 20  # a rollback goes back to one of the latest holders, as a rule
_TENURES_OF_PRODUCTION = (
    select(
        Tenure.id,
        Tenure.origin_id,
        Tenure.ended_kind,
        Tenure.started_at,
        Version.number,
        Version.state,
        Version.rolled_back,
    )
    .join(Version, Version.id == Tenure.version_id)
    .where(Tenure.model_id == bindparam("model"), Tenure.stage == Stage.PRODUCTION.value)
    .order_by(Tenure.started_at.desc(), Tenure.id.desc())
    .limit(_LINE_PAGE)
)
_LINE = FixedStatement(_TENURES_OF_PRODUCTION)
_LINE_ON = FixedStatement(
    _TENURES_OF_PRODUCTION.where(
        tuple_(Tenure.started_at, Tenure.id)
        < tuple_(bindparam("started_at", type_=Tenure.started_at.type), bindparam("id", type_=Tenure.id.type))
    )
)


def select_holders() -> Rows:
    """Return the fields of ``HolderRecord``: tenures of stages, with who began them and why."""
    return _select_tenures(Tenure, Tenure.stage, Tenure.started_kind)


def select_aliases() -> Rows:
    """Return the selection of alias tenures, with the version's state and the model's protected aliases."""
    return _select_tenures(AliasTenure, AliasTenure.alias).add_columns(Version.state, Model.protected_aliases)


_END, _ENDER, _END_REASON, _SUCCESSOR = aliased(AuditEntry), aliased(Account), aliased(AuditText), aliased(Version)


_NUMBERED = (
    select(Version.id)
    .where(Version.model_id == catalog.model_id(bindparam("model")), Version.number == bindparam("number"))
    .scalar_subquery()
)


@functools.cache
def tenures_of(*, one_stage: bool, goes_on: bool, one_version: bool = False) -> FixedStatement:
    """Return the selection of the fields of ``TenureRecord`` for the model named ``model``, newest first.

    They are the first ``most`` of the ``stage``, or without *one_stage* of all of them; with *one_version* those of the
    version ``number``. When it *goes_on*, they are those after the tenure with the id ``after_id``, which began at
    ``after``. They are found before their details are joined: PostgreSQL would join so many tables in the order in
    which they are written.
    """
    own = select(Tenure.__table__).where(Tenure.model_id == catalog.model_id(bindparam("model")))
    if goes_on:
        place = tuple_(bindparam("after", type_=Tenure.started_at.type), bindparam("after_id", type_=Tenure.id.type))
        own = own.where(tuple_(Tenure.started_at, Tenure.id) < place)
    if one_version:
        own = own.where(Tenure.version_id == _NUMBERED)
    if one_stage:
        found = _first_tenures(own, bindparam("stage"))
    else:  # the index has no order of all stages
        stages_held = [stage.value for stage in Stage if stage is not Stage.NONE]
        each = (select(_first_tenures(own, stage).subquery()) for stage in stages_held)
        merged = union_all(*each).subquery()
        found = select(merged).order_by(merged.c.started_at.desc(), merged.c.id.desc()).limit(bindparam("most"))
    picked = aliased(Tenure, found.subquery("picked"))
    return FixedStatement(
        _select_tenures(picked, picked.stage, picked.started_kind)
        .add_columns(picked.ended_kind, picked.ended_entry, _ENDER.name, _END_REASON.text, _SUCCESSOR.number,
                     Version.state, Version.rolled_back, picked.origin_id)
        .outerjoin(_END, _END.uid == picked.ended_entry)
        .outerjoin(_ENDER, _ENDER.id == _END.actor_id)
        .outerjoin(_END_REASON, (_END_REASON.entry_uid == _END.uid) & (_END_REASON.field == "reason"))
        .outerjoin(_SUCCESSOR, (_SUCCESSOR.id == _END.version_id) & (_SUCCESSOR.id != picked.version_id))
        .order_by(picked.started_at.desc(), picked.id.desc())
    )  # fmt: skip


def _first_tenures(own: Rows, stage: Any) -> Rows:
    """Select the first ``most`` of them in the stage, in the order of the index ix_tenures_as_of."""
    newest = (Tenure.started_at.desc(), Tenure.id.desc())
    return own.where(Tenure.stage == stage).order_by(*newest).limit(bindparam("most"))


def _select_tenures(table: type[Tenure] | type[AliasTenure], what: Any, *more: Any) -> Rows:
    return (
        select(table.id, Model.name, what, Version.number, Version.manifest_digest, table.started_at, table.ended_at,
               table.started_entry, *more,
               Account.name, AuditText.text, json_columns.version_break_glass(), holds.of_version())
        .select_from(table)
        .join(Model, Model.id == table.model_id)
        .join(Version, Version.id == table.version_id)
        .join(AuditEntry, AuditEntry.uid == table.started_entry)
        .join(Account, Account.id == AuditEntry.actor_id)
        .outerjoin(AuditText, (AuditText.entry_uid == AuditEntry.uid) & (AuditText.field == "reason"))
    )  # fmt: skip


def holder_records(rows: Sequence[Any]) -> list[HolderRecord]:
    """Return the records of rows of :func:`select_holders`."""
    return [HolderRecord(*row) for row in _with_holds(rows, HolderRecord)]


def tenure_records(rows: Sequence[Any]) -> list[TenureRecord]:
    """Return the records of rows of :func:`tenures_of`."""
    return [TenureRecord(*row) for row in _with_holds(rows, TenureRecord)]


def alias_records(rows: Sequence[Any], protected: Collection[str]) -> list[AliasRecord]:
    """Return the records of rows of :func:`select_aliases`; *protected* aliases are so in every model."""
    records: list[AliasRecord] = []
    for row in _with_holds(rows, AliasRecord):
        fields = [*row[:-1], names.lists_alias(row[2], row[-1], protected)]
        records.append(AliasRecord(*fields))
    return records


def _with_holds(rows: Sequence[Any], record: Any) -> list[tuple[Any, ...]]:
    return holds.settled_rows(rows, field_names(record).index("holds"))


def first_tenure(session: Session, model: str, stage: Stage) -> datetime | None:
    """Return when the stage was first held by any version of any model of that name."""
    statement = select(Tenure.started_at).join(Model, Model.id == Tenure.model_id)
    return session.scalar(
        statement.where(Model.name == model, Tenure.stage == stage.value).order_by(Tenure.started_at).limit(1)
    )
