"""Aliases requested by a registration: set at once on a ready version, else as soon as the version is ready."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from registry.db.bulk_insert import insert_rows
from registry.db.models import Account, AliasRequest, Model, Version
from registry.domain import clock
from registry.domain.access import SYSTEM, Actor, ActorKind, Permission
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import GatesUnmet, Held
from registry.domain.manifest import canonical_digest
from registry.domain.states import VersionState
from registry.rules import names
from registry.services import audit, holds
from registry.services.audit import sealing
from registry.services.catalog import alias_gates, aliases, authority
from registry.services.catalog.alias_gates import AliasRules

REQUESTED = "requested when the version was registered"
# What the seal covers: all that decides whether, where and in whose name an alias is set.
SEALED = ("version_id", "alias", "tenure_id", "may_promote", "requested_at", "requested_by", "token_id")


def ask(
    session: Session,
    model: Model,
    version: Version,
    requested: Sequence[str],
    *,
    event: audit.Event,
    actor: Actor,
    rules: AliasRules,
) -> Mapping[str, int | None]:
    """Point the *requested* aliases at the new version, or keep the request while it is pending; *actor* may move them.

    Those that the policy guards are left to :func:`set_guarded`. Returns where each alias that was set pointed before.
    Raises NotReady (see ``authority``), or Held.
    """
    if version.state == VersionState.PENDING:
        asked = [
            {"version_id": version.id, "alias": alias, "tenure_id": aliases.tenure_id(session, model, alias),
             "may_promote": Permission.VERSION_PROMOTE in actor.permissions, "requested_at": event.at,
             "requested_by": actor.id, "token_id": actor.lasting_token_id}
            for alias in requested
        ]  # fmt: skip
        insert_rows(session, AliasRequest, [row | {"seal": sealing.seal(_sealed(row))} for row in asked])
        return {}
    for alias in requested:
        authority.require_fit(model, alias, version, rules.protected)
        refuse_held(session, model, version, alias, rules.protected)
    free = [alias for alias in requested if not rules.guard(alias)]
    return {alias: aliases.move(session, model, alias, version, event=event) for alias in free}


def set_guarded(
    session: Session, model: Model, version: Version, requested: Sequence[str], *, actor: Actor, rules: AliasRules
) -> None:
    """Point those of the *requested* aliases that the policy guards at a new version, each with its own entry.

    Those of a pending version wait. Raises GatesUnmet.
    """
    if version.state != VersionState.PENDING:
        for alias in requested:
            if rules.guard(alias):
                aliases.assign(session, model, alias, version, rules, actor=actor, reason=REQUESTED, aside=True)


def grant(session: Session, model: Model, version: Version, *, protected: Collection[str]) -> None:
    """Set the aliases that waited for the version, which has become ready, each with an entry of its requester.

    An alias that was moved after the request stays where it is. So does one that was protected since and whose
    requester could not promote, a protected one that a hold keeps from the version, and one whose gates the version
    does not meet; an entry records it. A request without the service's seal, or whose token was revoked since, is
    dropped by the registry.
    """
    asked = select(AliasRequest).where(AliasRequest.version_id == version.id).order_by(AliasRequest.id)
    waiting = session.scalars(asked).all()
    if not waiting:
        return
    rules = alias_gates.rules_of(session, model, protected)
    for request in waiting:
        if not sealing.matches(request.seal or "", _sealed({name: getattr(request, name) for name in SEALED})):
            reason = "the request does not bear this registry's seal: it was changed, or written by another program"
            _drop(session, model, version, request, SYSTEM, reason)
            session.delete(request)
            continue
        requester = _requester(session, request)
        if authority.is_withdrawn(session, request.token_id):
            _drop(
                session, model, version, request, SYSTEM, f"the token {request.token_id} that requested it was revoked"
            )
        elif aliases.tenure_id(session, model, request.alias) != request.tenure_id:
            _drop(session, model, version, request, requester, "the alias was moved since it was requested")
        elif names.lists_alias(request.alias, model.protected_aliases, rules.protected) and not request.may_promote:
            _drop(session, model, version, request, requester, "the alias was protected since it was requested")
        else:
            _set(session, model, version, request, requester, rules)
        session.delete(request)


def refuse_held(session: Session, model: Model, version: Version, alias: str, protected: Collection[str]) -> None:
    """Raise Held when the alias is protected and a hold concerns the version."""
    if names.lists_alias(alias, model.protected_aliases, protected):
        holds.refuse(session, model, version, f"the protected alias {alias!r}")


def waiting_for(session: Session, version: Version) -> list[str]:
    """Return the names of the aliases that wait for the version to become ready."""
    asked = select(AliasRequest.alias).where(AliasRequest.version_id == version.id)
    return list(session.scalars(asked.order_by(AliasRequest.alias)))


def forget(session: Session, version: Version) -> None:
    """Drop the aliases that wait for the version, which will not become ready."""
    session.execute(delete(AliasRequest).where(AliasRequest.version_id == version.id))


def abandon(session: Session, model: Model, version: Version, *, event: audit.Event) -> list[str]:
    """Drop what waits for a version that has failed, and end the aliases that an earlier release pointed at it.

    Returns the names of those that ended; the caller records them.
    """
    forget(session, version)
    return aliases.end_all(session, model, version, event=event)


def _sealed(request: Mapping[str, Any]) -> str:
    """Return the text over which the seal of a request is made."""
    spelled = {name: request[name] for name in SEALED} | {"requested_at": clock.wire(request["requested_at"])}
    return f"alias request {canonical_digest(spelled)}"


def _requester(session: Session, request: AliasRequest) -> Actor:
    account = session.get_one(Account, request.requested_by)
    return Actor(account.id, account.name, ActorKind(account.kind), token_id=request.token_id)


def _set(
    session: Session, model: Model, version: Version, request: AliasRequest, requester: Actor, rules: AliasRules
) -> None:
    try:
        refuse_held(session, model, version, request.alias, rules.protected)
        aliases.assign(session, model, request.alias, version, rules, actor=requester, reason=REQUESTED)
    except (Held, GatesUnmet) as refused:
        _drop(session, model, version, request, requester, refused.detail)


def _drop(
    session: Session, model: Model, version: Version, request: AliasRequest, requester: Actor, reason: str
) -> None:
    draft = AuditEntryDraft(
        "alias.dropped",
        {"model": model.name, "version": version.number, "alias": request.alias},
        texts=audit.texts(reason=reason),
    )
    audit.record(session, model, audit.begin(model), draft, actor=requester, version=version)
