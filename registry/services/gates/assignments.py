"""Queries for the policy that guards a model: its own, else the default one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, func, select, union_all
from sqlalchemy.orm import Session, aliased

from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import FormerName, Model, PolicyAssignment
from registry.db.queries import catalog
from registry.db.write_session import writing
from registry.domain.errors import NotFound


def latest(model_id: Any) -> Any:
    """Return the selection of the latest assignment of the model with that id; None: of the default policy."""
    own = aliased(PolicyAssignment)
    guarded = own.model_id.is_(None) if model_id is None else own.model_id == model_id
    return select(own).where(guarded).order_by(own.id.desc()).limit(1).correlate(None)


def _in_force(model_id: Any) -> ColumnElement[int]:
    newest = latest(model_id).subquery()
    # A row of the history that ends in a removal is not one before it.
    in_force: ColumnElement[int] = select(newest.c.id).where(newest.c.digest.is_not(None)).scalar_subquery()
    return in_force


def current_id(model_id: Any) -> ColumnElement[int]:
    """Return the id of the assignment that guards the model with that id, as a part of another statement, or NULL."""
    return _in_force(None) if model_id is None else func.coalesce(_in_force(model_id), _in_force(None))


def in_force(model_id: Any, field: str) -> ColumnElement[Any]:
    """Return a field of the assignment that guards the model, whose id may be a column of the statement; else NULL."""
    own, default = aliased(PolicyAssignment), aliased(PolicyAssignment)
    of_model, of_all = (
        select(case((each.digest.is_not(None), getattr(each, field))))
        .where(condition)
        .order_by(each.id.desc())
        .limit(1)
        .scalar_subquery()
        for each, condition in ((own, own.model_id == model_id), (default, default.model_id.is_(None)))
    )
    value: ColumnElement[Any] = func.coalesce(of_model, of_all)
    return value


def _select_current(model_id: Any) -> FixedStatement:
    return FixedStatement(select(PolicyAssignment.__table__).where(PolicyAssignment.id == current_id(model_id)))


_CURRENT_BY_NAME = _select_current(catalog.live_id(bindparam("model")))
_CURRENT_BY_ID = _select_current(bindparam("model"))
_CURRENT_DEFAULT = _select_current(None)
_LATEST_BY_NAME = FixedStatement(latest(catalog.live_id(bindparam("model"))))
_LATEST_BY_ID = FixedStatement(latest(bindparam("model")))
_LATEST_DEFAULT = FixedStatement(latest(None))


def _select_latest_of_name() -> FixedStatement:
    """Return the selection of the latest assignment of the model that had the name ``key`` last."""
    deleted = select(Model.id, Model.deleted_at.label("ended_at")).where(
        Model.name_key == bindparam("key"), Model.deleted_at.is_not(None)
    )
    renamed = select(FormerName.model_id, FormerName.ended_at).where(FormerName.name_key == bindparam("key"))
    ever = union_all(deleted, renamed).subquery()
    last = select(ever.c.id).order_by(ever.c.ended_at.desc()).limit(1).scalar_subquery()
    return FixedStatement(latest(last))


_LATEST_OF_NAME = _select_latest_of_name()


def ask_for_current(model: str | None) -> Query:
    """Return the query for the assignment that guards the live model of that name; None: for the default one.

    To be executed with the lock of the model, after ``governance.share_rules``.
    """
    return Query(_CURRENT_DEFAULT) if model is None else Query(_CURRENT_BY_NAME, model=model)


def ask_for_current_of(model_id: str) -> Query:
    """Return the query of :func:`ask_for_current` for a model by its id, deleted or not."""
    return Query(_CURRENT_BY_ID, model=model_id)


def ask_for_latest(model: str | None) -> Query:
    """Return the query for the latest assignment of the live model of that name itself; None: of the default policy."""
    return Query(_LATEST_DEFAULT) if model is None else Query(_LATEST_BY_NAME, model=model)


def ask_for_latest_of(model_id: str) -> Query:
    """Return the query for the latest assignment of a model itself, by its id."""
    return Query(_LATEST_BY_ID, model=model_id)


def require_own(latest: Any, model: str | None) -> None:
    """Raise NotFound unless *latest*, a row of :func:`ask_for_latest` or None, is a policy that can be removed."""
    if latest is not None and latest.digest is not None:
        return
    if model is None:
        raise NotFound("there is no default policy")
    raise NotFound(f"the model {model!r} has no model-specific policy; to remove the default policy, name no model")


def ask_for_earlier(name_key: str) -> Query:
    """Return the query for the latest own assignment of the model that had the name last, deleted or renamed since."""
    return Query(_LATEST_OF_NAME, key=name_key)


def look_up_earlier(session: Session, name_key: str) -> Query:
    """Return the query of :func:`ask_for_earlier`, executed. A model that is restored is the earlier one until then."""
    earlier = ask_for_earlier(name_key)
    writing(session).ask(earlier)
    return earlier
