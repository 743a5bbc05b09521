"""Holds are placed and released, each with a reason: on a version in the log of its model, else in the registry's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.db.base import Chained
from registry.db.bulk_insert import insert_whole
from registry.db.models import Hold, Model, Version
from registry.db.queries import catalog, governance
from registry.db.queries import holds as queries
from registry.db.records import HoldRecord
from registry.db.session import reading
from registry.domain import clock, validation
from registry.domain.access import Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, Invalid, NotFound
from registry.domain.holds import MOST_OF_ONE, MOST_UPSTREAM, PLACED, RELEASED, HoldKind
from registry.rules import digests
from registry.rules.text import is_storable
from registry.services import audit
from registry.services.idempotency import Claim, Outcome
from registry.services.lineage import impact
from registry.services.unit_of_work import UnitOfWork, unit_of_work


@dataclass(frozen=True, slots=True)
class HoldTarget:
    """What is to be held: a version; or data by ``text``, which has digests of it, or a base model.

    A base model is a version of this registry, or the URI ``text``.
    """

    kind: HoldKind
    model: str | None = None
    number: int | None = None
    text: str = ""


def place(target: HoldTarget, *, reason: str, actor: Actor, claim: Claim | None = None) -> HoldRecord:
    """Place a hold. It keeps versions out of staging and production; those that are in a stage stay there.

    Data and base models need not be known: versions that name them later are held. Raises NotFound for a version,
    Invalid for what is no digest, or Conflict where there are too many holds already.
    """
    validation.require_reason(reason)
    with unit_of_work(claim) as unit:
        if target.kind is HoldKind.VERSION:
            assert target.model is not None and target.number is not None  # noqa: S101, PT018 -- of this kind
            locked_model, version = catalog.lock_version(unit.session, target.model, target.number)
            hold = place_on_version(unit, locked_model, version, reason=reason, actor=actor)
        else:
            hold = _place_upstream(unit, target, reason=reason, actor=actor)
        unit.remember(hold=hold.id)
        return record_of(unit.session, hold.id)


def place_on_version(unit: UnitOfWork, model: Model, version: Version, *, reason: str, actor: Actor) -> Hold:
    """Place a hold on a version of the locked model, within the caller's unit of work."""
    session = unit.session
    _require_room_for_hold(session, Hold.version_id == version.id)
    event = audit.begin(model)
    hold = _insert(session, HoldKind.VERSION, version.id, "", event)
    catalog.touch(version, event.at, revises=False)
    draft = AuditEntryDraft(
        PLACED,
        {"model": model.name, "version": version.number},
        after={"hold": {"kind": HoldKind.VERSION.value, "target": ""}},
        digests={"manifest": version.manifest_digest or ""},
        texts=audit.texts(reason=reason),
    )
    audit.record(session, model, event, draft, actor=actor, version=version)
    return hold


def release(id: int, *, reason: str, actor: Actor, claim: Claim | None = None) -> HoldRecord:
    """End a hold. Raises NotFound, or Conflict when it was released before."""
    validation.require_reason(reason)
    with unit_of_work(claim) as unit:
        session = unit.session
        found = session.scalars(select(Hold).where(Hold.id == id)).first()
        if found is None:
            raise NotFound(f"there is no hold {id}")
        chain, version = _lock_chain_of(session, found)
        session.refresh(found)
        if found.released_at is not None:
            raise Conflict(f"hold {id} was released at {clock.wire(found.released_at)}")
        event = audit.begin(chain)
        found.released_at, found.released_entry = event.at, event.uid
        subject: dict[str, Any] = {}
        if isinstance(chain, Model) and version is not None:
            catalog.touch(version, event.at, revises=False)
            subject = {"model": chain.name, "version": version.number}
        draft = AuditEntryDraft(
            RELEASED, subject, before={"hold": found.placed_entry}, texts=audit.texts(reason=reason)
        )
        audit.record(session, chain, event, draft, actor=actor, version=version)
        unit.remember(hold=id)
        return record_of(session, id)


def recall(outcome: Outcome) -> HoldRecord:
    """Return the hold of an earlier request, as it is now."""
    with reading() as session:
        return record_of(session, outcome["hold"])


def record_of(session: Session, id: int) -> HoldRecord:
    """Return a hold with who placed and released it, and why. Raises NotFound."""
    if found := queries.records(session, queries.BY_ID, {"hold": id}):
        return found[0]
    raise NotFound(f"there is no hold {id}")


def _place_upstream(unit: UnitOfWork, target: HoldTarget, *, reason: str, actor: Actor) -> Hold:
    session = unit.session
    chain = audit.lock_chain(session, audit.REGISTRY, *governance.change_rules(session))
    version_id, text = _target_columns(session, target)
    _require_room_for_hold(session, Hold.kind != HoldKind.VERSION, most=MOST_UPSTREAM)
    event = audit.begin(chain)
    hold = _insert(session, target.kind, version_id, text, event)
    recorded = {"kind": target.kind.value, "target": text if version_id is None else f"version {version_id}"}
    if version_id is not None:
        recorded["version"] = f"{target.model}:{target.number}"
    draft = AuditEntryDraft(
        PLACED,
        {},
        after={"hold": recorded},
        texts=audit.texts(reason=reason),
    )
    audit.record(session, chain, event, draft, actor=actor)
    return hold


def _target_columns(session: Session, target: HoldTarget) -> tuple[int | None, str]:
    """Return the version, or the text, that the row of a hold has. Raises NotFound or Invalid."""
    if target.model is not None and target.number is not None:
        return catalog.any_version(session, target.model, target.number).id, ""
    if not is_storable(target.text):
        raise Invalid.field("target", "must have no characters that a database cannot hold")
    if target.kind is HoldKind.MODEL:
        if digests.is_digest(target.text):
            raise Invalid.field(
                "target",
                "is a digest, and a base model is named by its URI: place a hold on data, which holds what derives "
                "from a base model with this digest, too",
            )
        return None, target.text
    try:
        return None, " ".join(impact.stored_digests(target.text))
    except Invalid as error:
        raise Invalid.field("target", error.detail.partition(": ")[2]) from error


def _insert(session: Session, kind: HoldKind, version_id: int | None, target: str, event: audit.Event) -> Hold:
    row = {
        "kind": kind.value,
        "version_id": version_id,
        "target": target,
        "placed_at": event.at,
        "placed_entry": event.uid,
    }
    return insert_whole(session, Hold, row)


def _require_room_for_hold(session: Session, *conditions: Any, most: int = MOST_OF_ONE) -> None:
    """Raise Conflict unless there may be one more active hold: each answer about a version lists its own."""
    active = select(func.count()).select_from(Hold).where(Hold.released_at.is_(None), *conditions)
    if (session.scalar(active) or 0) >= most:
        raise Conflict(f"there are {most} active holds already; release some first (registry hold list)")


def _lock_chain_of(session: Session, hold: Hold) -> tuple[Chained, Version | None]:
    """Lock the chain that a hold is recorded in; return it with the version, if it is one of a model."""
    if hold.kind == HoldKind.VERSION:
        version = session.get_one(Version, hold.version_id)
        return catalog.lock_model_by_id(session, version.model_id), version
    return audit.lock_chain(session, audit.REGISTRY, *governance.change_rules(session)), None
