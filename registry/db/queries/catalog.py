"""Find and lock models and versions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from registry.db.models import Model, Version
from registry.domain import names
from registry.domain.errors import Conflict, NotFound, PreconditionFailed
from registry.domain.stages import State


def model(session: Session, name: str) -> Model:
    """The live model of that name, else the one deleted last. Raises NotFound."""
    newest = select(Model).where(Model.name == name).order_by(Model.deleted_at.is_not(None), Model.deleted_at.desc())
    if found := session.scalars(newest.limit(1)).first():
        return found
    raise NotFound(f"there is no model {name!r}")


def lock_model(session: Session, name: str) -> Model:
    """The live model of that name, locked until the transaction ends. Raises NotFound, or Conflict if it is deleted."""
    live = select(Model).where(Model.name == name, Model.deleted_at.is_(None)).with_for_update()
    if found := session.scalars(live.execution_options(populate_existing=True)).first():
        return found
    model(session, name)
    raise Conflict(f"the model {name!r} is deleted; restore it first")


def lock_deleted_model(session: Session, name: str) -> Model:
    """The model of that name that was deleted last, locked. Raises NotFound, or Conflict if there is a live one."""
    found = model(session, name)
    if found.deleted_at is None:
        raise Conflict(f"the model {name!r} is not deleted")
    return session.scalars(
        select(Model).where(Model.id == found.id).with_for_update().execution_options(populate_existing=True)
    ).one()


def lock_model_ever(session: Session, name: str, number: int) -> Model:
    """The model that has version *number* under *name*, deleted or not, locked. Raises NotFound."""
    owner = any_version(session, name, number).model_id
    return session.scalars(
        select(Model).where(Model.id == owner).with_for_update().execution_options(populate_existing=True)
    ).one()


def next_number(session: Session, name: str) -> int:
    """The first version number never used under *name*, also by models deleted since."""
    key = names.name_key(name)
    return session.scalar(select(func.max(Model.next_number)).where(Model.name_key == key)) or 1


def version(session: Session, held: Model, number: int) -> Version:
    """The model's version of that number, deleted or not. Raises NotFound."""
    found = session.scalars(select(Version).where(Version.model_id == held.id, Version.number == number)).first()
    if found is None:
        raise NotFound(f"the model {held.name!r} has no version {number}")
    return found


def live_version(session: Session, held: Model, number: int) -> Version:
    """As :func:`version`; raises Conflict when it is deleted."""
    found = version(session, held, number)
    if found.state == State.DELETED:
        raise Conflict(f"version {number} of {held.name!r} is deleted; restore it first")
    return found


def await_children(session: Session, parents: ColumnElement[bool]) -> None:
    """Wait for registrations that name one of these versions as a parent; later ones wait until we have ended."""
    session.execute(select(Version.id).where(parents).order_by(Version.id).with_for_update())


def check_match(row: Model | Version, if_match: int | None) -> None:
    """Raise PreconditionFailed unless the caller named no row version, or this one."""
    if if_match is not None and row.row_version != if_match:
        raise PreconditionFailed("it changed since you read it; read it again, then decide")


def touch(row: Model | Version, at: datetime) -> None:
    """Mark *row* as changed: a new row version, hence a new ETag."""
    row.row_version += 1
    row.updated_at = at


def any_version(session: Session, name: str, number: int) -> Version:
    """The version of that number under *name*, also of a deleted model. Raises NotFound."""
    model(session, name)
    statement = select(Version).join(Model, Model.id == Version.model_id)
    found = session.scalars(statement.where(Model.name == name, Version.number == number)).first()
    if found is None:
        raise NotFound(f"the model {name!r} has no version {number}")
    return found
