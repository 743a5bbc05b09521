"""Protected aliases of one model: they point at ready versions only, and move with ``version:promote``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.models import AliasTenure, Model, Version
from registry.db.queries import catalog, records
from registry.db.session import reading
from registry.domain import validation
from registry.domain.access import Actor, Permission
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, Invalid, NotReady
from registry.domain.states import VersionState
from registry.rules import names
from registry.services import audit
from registry.services.catalog import alias_gates
from registry.services.catalog.alias_gates import is_guarded
from registry.services.gates import assignments
from registry.services.idempotency import Claim, Outcome
from registry.services.unit_of_work import UnitOfWork, unit_of_work

MOST = 100


@dataclass(frozen=True, slots=True)
class Protection:
    """Protection of an alias of a model; ``changed`` is false when it was the same before."""

    model: str
    alias: str
    protected: bool
    changed: bool


def protect(
    model: str,
    alias: str,
    *,
    actor: Actor,
    protected: Collection[str],
    reason: str | None = None,
    claim: Claim | None = None,
) -> Protection:
    """Protect the alias, which need not exist yet.

    Raises NotFound, Forbidden, Invalid for one alias too many, or NotReady while it points at a version that is not
    ready.
    """
    validation.require(names.alias_problem, "alias", alias)
    actor.require(Permission.VERSION_PROMOTE)
    with unit_of_work(claim) as unit:
        locked_model = catalog.lock_model(unit.session, model)
        if names.lists_alias(alias, locked_model.protected_aliases, protected):
            return _finish(unit, locked_model, Protection(model, alias, True, False))
        if len(locked_model.protected_aliases or ()) >= MOST:
            raise Invalid.field("alias", f"a model protects at most {MOST} aliases; unprotect another one first")
        _require_ready(unit.session, locked_model, alias)
        after = sorted([*(locked_model.protected_aliases or ()), alias])
        _record_protection(unit.session, locked_model, alias, after, "alias.protected", actor=actor, reason=reason)
        return _finish(unit, locked_model, Protection(model, alias, True, True))


def unprotect(
    model: str,
    alias: str,
    *,
    actor: Actor,
    protected: Collection[str],
    reason: str | None = None,
    claim: Claim | None = None,
) -> Protection:
    """End the model's own protection of the alias.

    Raises NotFound, Forbidden, or Conflict where the settings or the policy protect it.
    """
    actor.require(Permission.VERSION_PROMOTE)
    with unit_of_work(claim) as unit:
        asked = alias_gates.ask(unit.session, model)
        locked_model = catalog.lock_model(unit.session, model, *asked)
        if names.lists_alias(alias, protected):
            raise Conflict(f"REGISTRY_PROTECTED_ALIASES protects {alias!r} in every model; an operator can change that")
        if alias_gates.rules(unit.session, asked, protected).guard(alias):
            raise Conflict(f"the policy of {model!r} protects the alias {alias!r}; an admin can change the policy")
        before = locked_model.protected_aliases or []
        after = [one for one in before if not names.lists_alias(one, [alias])]
        if after == before:
            return _finish(unit, locked_model, Protection(model, alias, False, False))
        _record_protection(unit.session, locked_model, alias, after, "alias.unprotected", actor=actor, reason=reason)
        return _finish(unit, locked_model, Protection(model, alias, False, True))


def recall(outcome: Outcome, *, protected: Collection[str]) -> Protection:
    """Return whether the alias that an earlier request wrote is protected now."""
    with reading() as session:
        model, alias = records.model_with_id(session, outcome["model"]), outcome["alias"]
        policy = session.scalar(select(assignments.in_force(model.id, "digest")))
    is_protected = names.lists_alias(alias, model.protected_aliases, protected) or is_guarded(alias, policy)
    return Protection(model.name, alias, is_protected, outcome["changed"])


def unready(session: Session, *, protected: Collection[str]) -> list[str]:
    """Describe each protected alias of a live model that points at a version that is not ready.

    None does by a request. The settings may protect an alias later, and an earlier release did not check.
    """
    pointed = (
        select(Model.name, AliasTenure.alias, Version.number, Version.state, Model.protected_aliases)
        .join(Model, Model.id == AliasTenure.model_id)
        .join(Version, Version.id == AliasTenure.version_id)
        .where(AliasTenure.ended_at.is_(None), Model.deleted_at.is_(None), Version.state != VersionState.READY.value)
        .order_by(Model.name, AliasTenure.alias)
    )
    return [
        f"{model}@{alias} (version {number} is {state})"
        for model, alias, number, state, own in session.execute(pointed)
        if names.lists_alias(alias, own, protected)
    ]


def _finish(unit: UnitOfWork, model: Model, protection: Protection) -> Protection:
    unit.remember(model=model.id, alias=protection.alias, changed=protection.changed)
    return protection


def _record_protection(
    session: Session, model: Model, alias: str, after: list[str], action: str, *, actor: Actor, reason: str | None
) -> None:
    event = audit.begin(model)
    before, model.protected_aliases = model.protected_aliases or [], after
    catalog.touch(model, event.at, revises=False)
    draft = AuditEntryDraft(
        action,
        {"model": model.name, "alias": alias},
        before={"protected_aliases": before},
        after={"protected_aliases": after},
        texts=audit.texts(reason=reason),
    )
    audit.record(session, model, event, draft, actor=actor)


def _require_ready(session: Session, model: Model, alias: str) -> None:
    """Raise NotReady while an alias of that name, in any case, points at a version that is not ready."""
    pointed = (
        select(AliasTenure.alias, Version.number, Version.state)
        .join(Version, Version.id == AliasTenure.version_id)
        .where(
            AliasTenure.model_id == model.id, AliasTenure.ended_at.is_(None), Version.state != VersionState.READY.value
        )
    )
    for name, number, state in session.execute(pointed.order_by(AliasTenure.alias)):
        if names.lists_alias(name, [alias]):
            raise NotReady(
                f"the alias {name!r} of {model.name!r} points at version {number}, which is {state}; "
                "point it at a ready version or delete it, then protect it"
            )
