"""Filter of the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.models import Account, AuditEntry, Model, Version
from registry.db.queries import catalog, request_ids
from registry.db.session import reading
from registry.domain.errors import Invalid, UnknownValue
from registry.domain.replay.actions import named_by
from registry.services import known_values

MOST_ACTORS = 200


@dataclass(frozen=True, slots=True)
class Criteria:
    """Filter of the log; every part is optional.

    ``action`` is an action, or all of a group: ``version.*``. ``version`` is a number of ``model``: raises Invalid
    without one.
    """

    actor: str | None = None
    action: str | None = None
    model: str | None = None
    version: int | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.model is None:
            raise Invalid.field("version", "is the number of a version of a model: give model, too")


def matching(criteria: Criteria) -> Rows:
    """Return the statement for the ids of the entries that match, with the tables of entries and actors; unordered."""
    statement = select(AuditEntry.id).select_from(AuditEntry).join(Account, Account.id == AuditEntry.actor_id)
    if criteria.actor is not None:
        statement = statement.where(Account.name == criteria.actor)
    if criteria.action is not None:
        statement = statement.where(AuditEntry.action.in_(named_by(criteria.action)))
    if criteria.version is not None:
        versions = _numbered(criteria)
        touching = or_(AuditEntry.version_id.in_(versions), AuditEntry.related_version_id.in_(versions))
        statement = statement.where(touching)
    elif criteria.model is not None:
        named = select(Model.id).where(catalog.ever_named(criteria.model))
        statement = statement.where(AuditEntry.model_id.in_(named))
    if criteria.request_id is not None:
        statement = statement.where(request_ids.request_id(AuditEntry.body) == criteria.request_id)
    if criteria.since is not None:
        statement = statement.where(AuditEntry.at >= criteria.since)
    if criteria.until is not None:
        statement = statement.where(AuditEntry.at < criteria.until)
    return statement


def require_known(session: Session, criteria: Criteria) -> None:
    """Raise UnknownValue for a model, a version, an account or an action that does not exist."""
    known_values.require_action(session, criteria.action)
    known_values.require_account(session, criteria.actor)
    known_values.require_model(session, criteria.model)
    if criteria.version is not None and session.scalars(_numbered(criteria).limit(1)).first() is None:
        raise UnknownValue("version", str(criteria.version), f"{criteria.model!r} has no version with this number")


def actors() -> Sequence[str]:
    """Return the first MOST_ACTORS names of accounts, for the choice of a filter. Does not read the log."""
    with reading() as session:
        return session.scalars(select(Account.name).order_by(Account.name).limit(MOST_ACTORS)).all()


def _numbered(criteria: Criteria) -> Rows:
    """Return the statement for the ids of the versions with the number, of the models that have or had the name."""
    named = select(Model.id).where(catalog.ever_named(criteria.model or ""))
    return select(Version.id).where(Version.model_id.in_(named), Version.number == criteria.version)
