"""Refusal of unknown filter values: an empty response would hide a mistyped value.

The checks run for empty results only: an unknown value has no other. Other results need no additional statement.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from registry.db.models import Account, AuditEntry, Model
from registry.db.queries import catalog, existing_values
from registry.domain.access import SYSTEM
from registry.domain.errors import UnknownValue
from registry.domain.replay.actions import ACTIONS, GROUPS


def require_model(session: Session, name: str | None, *, parameter: str = "model") -> None:
    """Raise UnknownValue unless a model has the name, or had it."""
    if name is None or catalog.is_ever_named(session, name):
        return
    raise UnknownValue(
        parameter, name, "no model has or had this name", existing_values.neighbours(session, Model.name, name)
    )


def require_account(session: Session, name: str | None) -> None:
    """Raise UnknownValue unless an account has the name. For callers who may list accounts: it suggests others."""
    if name is None or existing_values.exists(session, Account.name, name):
        return
    raise UnknownValue(
        "actor", name, "no account has this name", existing_values.neighbours(session, Account.name, name)
    )


def require_author(session: Session, *names: str, parameter: str = "actor") -> None:
    """Raise UnknownValue unless an account with one of the names has changed a model, as every reader can read.

    Does not depend on whether there is an account with the name otherwise, and suggests no other.
    """
    if SYSTEM.name not in names and not existing_values.have_changed_models(
        session, *names
    ):  # every registry has that one
        raise UnknownValue(parameter, names[0], "no account with this name has changed a model", ())


def require_action(session: Session, action: str | None) -> None:
    """Raise UnknownValue unless this release writes the action, or those of the group, or the log has it."""
    if (
        action is None
        or action in ACTIONS
        or action in GROUPS
        or existing_values.exists(session, AuditEntry.action, action)
    ):
        return
    raise UnknownValue("action", action, "there is no such action", {*ACTIONS, *GROUPS})
