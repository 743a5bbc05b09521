"""Find and lock models and versions."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, select, union, union_all
from sqlalchemy.orm import Session, aliased

from registry.db import times
from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import AuditEntry, FormerName, Model, Registry, Version
from registry.db.write_session import writing
from registry.domain.errors import Conflict, Deleted, NotFound, PreconditionFailed
from registry.domain.states import VersionState
from registry.rules import names

RENUMBERED = "model.renumbered"  # by a restore
_LIVE = aliased(Model)  # made once: its columns take longer to make than the statement


def model(session: Session, name: str) -> Model:
    """Return the live model of that name, else the one deleted last. Raises NotFound."""
    if newest := writing(session).load(Model, Query(_NEWEST, name=name)):
        return newest[0]
    raise _no_model(name)


def model_id(name: Any) -> ColumnElement[str]:
    """Return the id that :func:`model` finds, as a part of another statement; without a model it is NULL."""
    own = aliased(Model)
    identifier: ColumnElement[str] = _newest_first(select(own.id), own, name).correlate(None).scalar_subquery()
    return identifier


def live_id(name: Any) -> ColumnElement[str]:
    """Return the id of the live model of that name, for a statement of more; without one it is NULL."""
    live = select(_LIVE.id).where(_LIVE.name == name, _LIVE.deleted_at.is_(None))
    return live.limit(1).correlate(None).scalar_subquery()


def _newest_first(statement: Any, own: type[Model], name: Any) -> Any:
    return statement.where(own.name == name).order_by(own.deleted_at.is_not(None), own.deleted_at.desc()).limit(1)


_NEWEST = FixedStatement(_newest_first(select(Model.__table__), Model, bindparam("name")))
_LOCK_LIVE = FixedStatement(
    select(Model.__table__, times.column().label("moment"))
    .where(Model.name == bindparam("name"), Model.deleted_at.is_(None))
    .with_for_update()
)
_LIVE_VERSION = FixedStatement(
    select(Version.__table__).where(
        Version.model_id == live_id(bindparam("model")), Version.number == bindparam("number")
    )
)
_VERSION = FixedStatement(
    select(Version.__table__).where(Version.model_id == bindparam("model"), Version.number == bindparam("number"))
)


_NUMBERS = union_all(
    select(Registry.first_number),
    *(select(table.next_number).where(table.name_key == bindparam("key")) for table in (Model, FormerName)),
).subquery()
_NEXT_NUMBER = FixedStatement(select(func.max(_NUMBERS.c[0]).label("highest")))


def lock_model(session: Session, name: str, *looks: Query) -> Model:
    """Lock and return the live model of that name; execute *looks*, too, once it is locked, in the same round trip.

    Raises NotFound, or Conflict if it is deleted.
    """
    asked_at = times.steady()
    lock = Query(_LOCK_LIVE, name=name)
    locked = writing(session).load(Model, lock, *looks)
    if locked:
        times.note(lock.rows[0].moment, asked_at=asked_at)
        return locked[0]
    model(session, name)
    raise Deleted(f"the model {name!r} is deleted; restore it first")


def lock_version(session: Session, name: str, number: int, *looks: Query) -> tuple[Model, Version]:
    """Lock the live model as :func:`lock_model` does; return it with its version of that number, deleted or not.

    Raises NotFound, or Conflict if the model is deleted.
    """
    look = Query(_LIVE_VERSION, model=name, number=number)
    model_row = lock_model(session, name, look, *looks)
    if not look.rows:
        raise NotFound(f"the model {model_row.name!r} has no version {number}")
    return model_row, writing(session).adopt(Version, look.rows[0])


def lock_live_version(session: Session, name: str, number: int, *looks: Query) -> tuple[Model, Version]:
    """Lock and return as :func:`lock_version` does; raise Conflict, too, when the version is deleted."""
    model_row, version_row = lock_version(session, name, number, *looks)
    _require_live(model_row, version_row)
    return model_row, version_row


def lock_deleted_model(session: Session, name: str) -> Model:
    """Return the latest deleted model of that name, locked. Raises NotFound, or Conflict if there is a live one."""
    model_row = model(session, name)
    if model_row.deleted_at is None:
        raise Conflict(f"the model {name!r} is not deleted")
    return lock_model_by_id(session, model_row.id)


def lock_model_ever(session: Session, name: str, number: int) -> Model:
    """Return the model that has version *number* under *name*, deleted or not, locked. Raises NotFound."""
    owner = any_version(session, name, number).model_id
    return lock_model_by_id(session, owner)


def lock_model_by_id(session: Session, id: str) -> Model:
    """Return the model of that id, deleted or not, locked until the transaction ends."""
    asked_at = times.steady()
    statement = select(Model, times.column()).where(Model.id == id).with_for_update()
    row = session.execute(statement.execution_options(populate_existing=True)).one()
    times.note(row[1], asked_at=asked_at)
    return row[0]


def next_number(session: Session, name: str, *looks: Query) -> int:
    """Return the first number never used under *name*, also by models deleted, renamed or lost by a restore since.

    The *looks* are executed in the same round trip.
    """
    query = Query(_NEXT_NUMBER, key=names.name_key(name))
    writing(session).ask(query, *looks)
    highest: int = query.rows[0].highest
    return highest


def used_before(session: Session, name_key: str, *, by_others_than: str) -> str | None:
    """Return a name of that key under which another model, deleted or renamed since, has numbered versions."""
    for table, owner in ((Model, Model.id), (FormerName, FormerName.model_id)):
        versions = select(Version.id).where(Version.model_id == owner).exists()
        statement = select(table.name).where(table.name_key == name_key, owner != by_others_than, versions)
        if name := session.scalars(statement.limit(1)).first():
            return name
    return None


def number_used(session: Session, model_row: Model, number: int) -> bool:
    """Return whether a version ever had this number under the model's name, also of other models that had the name.

    A number that a restore skipped may have been used in the state that was lost.
    """
    former = select(FormerName.model_id).where(FormerName.name_key == model_row.name_key)
    named = select(Model.id).where((Model.name_key == model_row.name_key) | Model.id.in_(former))
    used = select(Version.id).where(Version.number == number, Version.model_id.in_(named))
    if session.scalars(used.limit(1)).first() is not None:
        return True
    skips = select(AuditEntry.body).where(AuditEntry.action == RENUMBERED, AuditEntry.model_id.in_(named))
    bodies = [json.loads(body) for body in session.scalars(skips)]
    return any(body["before"]["next_number"] <= number < body["after"]["next_number"] for body in bodies)


def ever_named(name: str, *, after: datetime | None = None) -> ColumnElement[bool]:
    """Return the condition that ``Model`` has the name, or had it (with *after*: then or later) before a rename.

    Its ids come from indexes: of ``name = … OR EXISTS (…)`` PostgreSQL expects half of all models.
    """
    former = select(FormerName.model_id).where(FormerName.name == name)
    if after is not None:
        former = former.where(FormerName.ended_at > after)
    own = aliased(Model)
    named = union(select(own.id).where(own.name == name), former).subquery("named")
    return Model.id.in_(select(named.c[0]))


def is_ever_named(session: Session, name: str) -> bool:
    """Return whether a model has the name, or had it."""
    return session.scalars(select(Model.id).where(ever_named(name)).limit(1)).first() is not None


def require_ever_named(session: Session, name: str) -> None:
    """Raise NotFound unless a model has the name, or had it."""
    if not is_ever_named(session, name):
        raise _no_model(name)


def _no_model(name: str) -> NotFound:
    """Return the error; a name with ``#`` is probably a reference with a wrong stage."""
    advice = "; a stage is written #staging, #production or #archived" if "#" in name else ""
    return NotFound(f"there is no model {name!r}{advice}")


def version(session: Session, model_row: Model, number: int) -> Version:
    """Return the model's version of that number, deleted or not. Raises NotFound."""
    found = writing(session).load(Version, Query(_VERSION, model=model_row.id, number=number))
    if not found:
        raise NotFound(f"the model {model_row.name!r} has no version {number}")
    return found[0]


def live_version(session: Session, model_row: Model, number: int) -> Version:
    """Return the version as :func:`version` does; raise Conflict when it is deleted."""
    version_row = version(session, model_row, number)
    _require_live(model_row, version_row)
    return version_row


def _require_live(model_row: Model, version_row: Version) -> None:
    if version_row.state == VersionState.DELETED:
        raise Deleted(f"version {version_row.number} of {model_row.name!r} is deleted; restore it first")


def await_children(session: Session, parents: ColumnElement[bool]) -> None:
    """Wait for registrations that name one of these versions as a parent; later ones wait until we have ended."""
    session.execute(select(Version.id).where(parents).order_by(Version.id).with_for_update())


def check_match(row: Model | Version, if_match: int | None) -> None:
    """Raise PreconditionFailed unless the caller named no row version, or this one."""
    if if_match is not None and row.row_version != if_match:
        raise PreconditionFailed("it changed since you read it; read it again, then decide")


def touch(row: Model | Version, at: datetime, *, revises: bool = True) -> None:
    """Mark *row* as changed: a new row version, hence a new ETag.

    Tags and aliases do not revise: by MLflow's rules they leave its ``last_updated_timestamp`` as it is.
    """
    row.row_version += 1
    row.updated_at = at
    if revises:
        row.revised_at = at


def any_version(session: Session, name: str, number: int) -> Version:
    """Return the version of that number under *name*, also of a deleted model. Raises NotFound."""
    model(session, name)
    statement = select(Version).join(Model, Model.id == Version.model_id)
    version_row = session.scalars(statement.where(Model.name == name, Version.number == number)).first()
    if version_row is None:
        raise NotFound(f"the model {name!r} has no version {number}")
    return version_row
