"""Permissions for production and protected aliases, in addition to the route's; and detection of revoked tokens.

``protected`` are the aliases that the settings protect in every model; a model can protect others.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.models import AliasTenure, Model, Token, Version
from registry.db.queries import governance
from registry.domain.access import Actor, Permission
from registry.domain.errors import NotReady
from registry.domain.prompts import PLACEHOLDERS
from registry.domain.stages import Stage
from registry.domain.states import VersionState
from registry.rules import names
from registry.services.catalog import alias_gates


def require_to_move(actor: Actor, model: Model, version: Version) -> None:
    """Raise Forbidden when the version holds production and *actor* may not promote."""
    if version.stage == Stage.PRODUCTION:
        actor.require(
            Permission.VERSION_PROMOTE, because=f"version {version.number} of {model.name!r} holds production"
        )


def require_to_change(session: Session, actor: Actor, model: Model) -> None:
    """Raise Forbidden when a version of the locked model holds production and *actor* may not promote.

    Costs one statement.
    """
    if holder := governance.production_holder(session, model):
        require_to_move(actor, model, holder)


def require_to_rename(session: Session, actor: Actor, model: Model, protected: Collection[str]) -> None:
    """Raise Forbidden when the model's name leads to production or by a protected alias, and *actor* may not promote.

    For what changes where a name leads: deletion, restoration, renaming. Costs two statements, and another one where
    any aliases are protected.
    """
    require_to_change(session, actor, model)
    require_to_release(session, actor, model, protected)


def require_to_release(session: Session, actor: Actor, model: Model, protected: Collection[str]) -> None:
    """Raise Forbidden when a protected alias of the locked model is set and *actor* may not promote."""
    protected = alias_gates.rules_of(session, model, protected).protected
    if protected or model.protected_aliases:
        current = select(AliasTenure.alias).where(AliasTenure.model_id == model.id, AliasTenure.ended_at.is_(None))
        for alias in session.scalars(current.order_by(AliasTenure.alias)):
            require_to_point(actor, model, alias, protected)


def require_to_point(actor: Actor, model: Model, alias: str, protected: Collection[str]) -> None:
    """Raise Forbidden when the alias is protected and *actor* may not promote."""
    if names.lists_alias(alias, model.protected_aliases, protected):
        actor.require(Permission.VERSION_PROMOTE, because=f"the alias {alias!r} of {model.name!r} is protected")


def is_withdrawn(session: Session, token_id: str | None) -> bool:
    """Return whether the token of a request was revoked before its work was done.

    One that expired in between does not count: the request was made in time.
    """
    if token_id is None:
        return False
    valid = select(Token.id).where(Token.id == token_id, Token.revoked_at.is_(None))
    return session.scalars(valid).first() is None


def require_fit(model: Model, alias: str, version: Version, protected: Collection[str]) -> None:
    """Raise NotReady unless the alias may point at the version: a ready one, or an unverified one if not protected."""
    if version.state == VersionState.READY:
        return
    if version.state != VersionState.UNVERIFIED:
        raise NotReady(
            f"version {version.number} of {model.name!r} is {version.state}; an alias points at it once it is ready"
        )
    if names.lists_alias(alias, model.protected_aliases, protected):
        raise NotReady(
            f"the alias {alias!r} of {model.name!r} is protected and points at ready versions only; version "
            f"{version.number} is unverified: {_way_out(model, alias, version, protected)}"
        )


def _way_out(model: Model, alias: str, version: Version, protected: Collection[str]) -> str:
    """Return why a version is unverified, and how an alias can point at its content."""
    if version.source not in PLACEHOLDERS:
        return "its files are elsewhere. Register them with their bytes first"
    end = f"end the protection (registry alias unprotect {model.name} {alias})"
    if names.lists_alias(alias, protected):
        end = f"have an operator take {alias!r} out of REGISTRY_PROTECTED_ALIASES"
    return f"a prompt has no files that could be verified. Use an alias that is not protected, or {end}"
