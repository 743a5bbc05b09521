"""Deletion and restoration of models."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from registry.db.models import LineageEdge, LineageNode, Model, Version
from registry.db.queries import catalog, records
from registry.db.queries.lineage_edges import is_in_force
from registry.db.records import ModelRecord
from registry.domain.access import SYSTEM, Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, InUse
from registry.domain.lineage import EdgeKind
from registry.domain.stages import SERVING, Lifecycle
from registry.domain.states import VersionState
from registry.services import audit, holds
from registry.services.catalog import authority
from registry.services.catalog.model_names import is_live, refuse_rivals
from registry.services.gates import assignments, policies
from registry.services.idempotency import Claim
from registry.services.unit_of_work import unit_of_work

AT_DELETION = 2  # the row version of a model that was created and deleted, and not changed between


def discard(session: Session, model: Model, *, reason: str) -> None:
    """Delete a locked model that has had no version and was not changed since its creation; leave any other."""
    if model.deleted_at is None and model.latest_number is None and model.row_version == 1:
        _mark_deleted(session, model, "model.deleted", deleted=True, actor=SYSTEM, reason=reason)


def delete_(
    name: str,
    *,
    actor: Actor,
    protected: Collection[str],
    reason: str | None = None,
    if_match: int | None = None,
    claim: Claim | None = None,
) -> ModelRecord:
    """Mark the model as deleted; everything it has stays and can be restored.

    Raises InUse while a version holds staging or production, or while another model's version derives from one; not
    in lifecycle ``open``, where MLflow's rules hold. Raises Forbidden while a version holds production there, or a
    protected alias is set, and *actor* may not promote.
    """
    with unit_of_work(claim) as unit:
        locked_model = catalog.lock_model(unit.session, name)
        unit.remember(model=locked_model.id)
        catalog.check_match(locked_model, if_match)
        catalog.await_children(unit.session, Version.model_id == locked_model.id)
        if locked_model.lifecycle != Lifecycle.OPEN:
            _refuse_if_used(unit.session, locked_model)
            authority.require_to_release(unit.session, actor, locked_model, protected)
        else:
            authority.require_to_rename(unit.session, actor, locked_model, protected)
        _mark_deleted(unit.session, locked_model, "model.deleted", deleted=True, actor=actor, reason=reason)
        return records.model_record(unit.session, locked_model)


def restore(
    name: str,
    *,
    actor: Actor,
    protected: Collection[str],
    reason: str | None = None,
    if_match: int | None = None,
    claim: Claim | None = None,
) -> ModelRecord:
    """Bring the model that was deleted last back.

    The policy of the model that had the name since goes on, see ``policies.take_over``.

    Raises NotFound, PreconditionFailed, Conflict while a live model has the name, Held where a held version would be in
    a stage again, or Forbidden where a version comes back into production, or a protected alias, and *actor* may not
    promote.
    """
    with unit_of_work(claim) as unit:
        locked_model = catalog.lock_deleted_model(unit.session, name)
        unit.remember(model=locked_model.id)
        catalog.check_match(locked_model, if_match)
        authority.require_to_rename(unit.session, actor, locked_model, protected)
        if is_live(unit.session, locked_model.name_key):
            raise _restore_blocked(name)
        _refuse_held(unit.session, locked_model)
        refuse_rivals(unit.session, name, besides=locked_model.id)
        earlier = assignments.look_up_earlier(unit.session, locked_model.name_key)
        locked_model.deleted_at = None
        try:
            unit.session.flush()  # the unique index decides between a restoration and a creation at once
        except IntegrityError as error:
            raise _restore_blocked(name) from error
        locked_model.next_number = catalog.next_number(unit.session, name)
        _mark_deleted(
            unit.session,
            locked_model,
            "model.restored",
            deleted=False,
            actor=actor,
            reason=reason,
            facts={"next_number": locked_model.next_number},
        )
        policies.take_over(unit.session, locked_model, earlier, actor=actor)
        return records.model_record(unit.session, locked_model)


def _mark_deleted(
    session: Session,
    model: Model,
    action: str,
    *,
    deleted: bool,
    actor: Actor,
    reason: str | None,
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    event = audit.begin(model)
    model.deleted_at = event.at if deleted else None
    catalog.touch(model, event.at)
    draft = AuditEntryDraft(action, {"model": model.name}, texts=audit.texts(reason=reason), facts=facts)
    audit.record(session, model, event, draft, actor=actor)


def _refuse_held(session: Session, model: Model) -> None:
    """Raise Held when a version that would be in staging or production again is held."""
    stages = [stage.value for stage in SERVING]
    serving = session.scalars(select(Version).where(Version.model_id == model.id, Version.stage.in_(stages)))
    for version in serving.all():
        holds.refuse(session, model, version, version.stage)


def _restore_blocked(name: str) -> Conflict:
    return Conflict(f"a live model has the name {name!r}, or one that differs in case or form only; delete that first")


def _refuse_if_used(session: Session, model: Model) -> None:
    serving: Sequence[int] = session.scalars(
        select(Version.number)
        .where(Version.model_id == model.id, Version.stage.in_([stage.value for stage in SERVING]))
        .order_by(Version.number)
    ).all()
    if serving:
        versions = f"version{'s' if len(serving) > 1 else ''} {', '.join(map(str, serving))}"
        raise InUse(f"{model.name} cannot be deleted with {versions} in staging or production; archive them first")
    own = select(LineageNode.id).join(Version, Version.id == LineageNode.version_id).where(Version.model_id == model.id)
    derived = (
        select(Model.name, Version.number)
        .join(Version, Version.model_id == Model.id)
        .join(LineageNode, LineageNode.version_id == Version.id)
        .join(LineageEdge, LineageEdge.source_id == LineageNode.id)
        .where(
            LineageEdge.target_id.in_(own),
            LineageEdge.kind == EdgeKind.DERIVED_FROM.value,
            is_in_force(LineageEdge),
            Model.id != model.id,
            Model.deleted_at.is_(None),
            Version.state != VersionState.DELETED,
        )
    )
    if child := session.execute(derived).first():
        raise InUse(f"{child[0]}:{child[1]} derives from it; delete that version first")
