"""The permission that every way into or out of production needs, whatever the route requires."""

from __future__ import annotations

from sqlalchemy.orm import Session

from registry.db.models import Model, Version
from registry.db.queries import governance
from registry.domain.access import Actor, Permission
from registry.domain.stages import Stage


def require_to_move(actor: Actor, held: Model, version: Version) -> None:
    """Raise Forbidden when the version holds production and *actor* may not promote."""
    if version.stage == Stage.PRODUCTION:
        actor.require(Permission.VERSION_PROMOTE, because=f"version {version.number} of {held.name!r} holds production")


def require_to_change(session: Session, actor: Actor, held: Model) -> None:
    """Raise Forbidden when a version of the locked model holds production and *actor* may not promote.

    For what changes the holder that a name resolves to, or the rules for it: deletion, restoration, renaming,
    lifecycles. Costs one statement.
    """
    if holder := governance.production_holder(session, held):
        require_to_move(actor, held, holder)
