"""The catalogue of models: create, describe, list, edit, delete, restore."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.batch import Answer, Query
from registry.db.bulk_insert import insert_whole
from registry.db.models import FormerName, Model, Tenure, Version
from registry.db.queries import catalog, lists, pages, records
from registry.db.records import ModelRecord, Page
from registry.db.session import look_up, reading
from registry.domain import confusables, sizes, validation
from registry.domain.access import Actor, Permission
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, Deleted, NotFound
from registry.domain.stages import Lifecycle, Stage
from registry.domain.states import VersionState
from registry.rules import names, selectors
from registry.services import audit, known_values
from registry.services.catalog import authority, tags
from registry.services.catalog.model_deletion import AT_DELETION
from registry.services.catalog.model_names import name_taken, refuse_rivals
from registry.services.gates import assignments, policies
from registry.services.idempotency import Claim, Outcome
from registry.services.unit_of_work import unit_of_work

T = TypeVar("T")
Shown = Callable[[Session, Model], Answer[T]]
whole = records.read_model_back  # what a model is shown as, unless a face has its own way


def nothing(_session: Session, _model: Model) -> Answer[None]:
    """Show nothing: for a face that answers with nothing."""
    return Answer(lambda: None)


def create(
    name: str,
    *,
    actor: Actor,
    description: str = "",
    labels: Mapping[str, str] | None = None,
    lifecycle: Lifecycle | None = None,
    default: Lifecycle = Lifecycle.ENFORCED,
    claimed: Mapping[str, Any] | None = None,
    claim: Claim | None = None,
) -> ModelRecord:
    """Create the model, in the *default* lifecycle unless another is requested.

    Its numbering continues after a deleted model of the name. Raises Invalid, AlreadyExists also for a name that
    differs in case or form only, Conflict for one that looks like another model's in other scripts, or Forbidden: only
    admins may set lifecycle ``open`` where ``enforced`` is the default, and *claimed*, the facts of another registry.
    """
    validation.require(names.model_name_problem, "name", name)
    if claimed is None:  # an import keeps the name that another registry gave
        validation.require(selectors.name_problem, "name", name)
    sizes.require_description(description)
    sizes.require_facts(claimed)
    lifecycle = lifecycle or default
    if lifecycle is Lifecycle.OPEN and default is not Lifecycle.OPEN:
        actor.require(Permission.MODEL_LIFECYCLE)
    if claimed is not None:
        actor.require(Permission.VERSION_IMPORT)
    with unit_of_work(claim) as unit:
        model = _create(
            unit.session,
            name,
            actor=actor,
            description=description,
            labels=labels,
            lifecycle=lifecycle,
            claimed=claimed,
        )
        unit.remember(model=model.id)
        created = records.read_model_back(unit.session, model)
    return created.value


def lock_or_create(session: Session, name: str, *, actor: Actor, default: Lifecycle) -> tuple[Model, bool]:
    """Lock the live model of that name; create it when no model of the name ever had versions.

    Returns it, and whether it was created. Raises Deleted for one that was used, Forbidden, and the errors of creation.
    """
    try:
        return catalog.lock_model(session, name), False
    except Deleted:
        deleted = catalog.model(session, name)
        if deleted.latest_number is not None or deleted.row_version > AT_DELETION:
            raise
    except NotFound:
        pass
    actor.require(Permission.MODEL_CREATE)
    validation.require(names.model_name_problem, "name", name)
    validation.require(selectors.name_problem, "name", name)
    return _create(session, name, actor=actor, lifecycle=default), True


def _create(
    session: Session,
    name: str,
    *,
    actor: Actor,
    lifecycle: Lifecycle,
    description: str = "",
    labels: Mapping[str, str] | None = None,
    claimed: Mapping[str, Any] | None = None,
) -> Model:
    refuse_rivals(session, name)
    model_id = str(uuid.uuid4())
    earlier = assignments.ask_for_earlier(names.name_key(name))
    model = _insert_model(
        session, name, earlier, id=model_id, actor=actor, description=description, lifecycle=lifecycle
    )
    event = audit.begin(model)
    model.created_at = model.updated_at = model.revised_at = event.at
    model.claimed = dict(claimed) if claimed else None
    tags.change_on_model(session, model, labels or {})
    tagged = json.dumps(labels, sort_keys=True) if labels else None
    said = audit.texts(
        description=description or None,
        tags=tagged,
        claimed=json.dumps(claimed, sort_keys=True) if claimed else None,
    )
    after = {"lifecycle": lifecycle.value, "first_number": model.next_number}
    draft = AuditEntryDraft("model.created", {"model": name}, after=after, texts=said)
    audit.record(session, model, event, draft, actor=actor)
    policies.inherit(session, model, earlier, actor=actor)
    return model


def recall(outcome: Outcome) -> ModelRecord:
    """Return the model that an earlier request wrote, as it is now."""
    with reading() as session:
        return records.model_with_id(session, outcome["model"])


def describe(name: str) -> ModelRecord:
    """Return the model of that name, live or deleted last. Raises NotFound."""
    if model_records := records.model_records(look_up(records.NAMED_MODEL, model=name)):
        return model_records[0]
    with reading() as session:
        return records.model_record(session, catalog.model(session, name))


def is_enforced(name: str) -> bool:
    """Return whether the model's moves obey the stage machine. Raises NotFound."""
    with reading() as session:
        return catalog.model(session, name).lifecycle == Lifecycle.ENFORCED


def list_(
    *,
    name: str | None = None,
    deleted: bool = False,
    after: tuple[Any, ...] | None = None,
    limit: int,
    field_names: Collection[str] | None = None,
) -> Page[ModelRecord | lists.Document]:
    """Live models, or deleted ones, by name; with *field_names*, these fields of them.

    Raises UnknownValue for a *name* that no model ever had.
    """
    narrowing = {} if name is None else {"name": name}
    if after is not None:
        narrowing |= {"after": after[0], "after_id": after[1]}
    details, render = lists.models(None if field_names is None else frozenset(field_names))
    statement = lists.model_page(details, *narrowing, deleted=deleted)
    with reading() as session:
        page = pages.read(session, statement, narrowing, limit=limit).page
        if not page.items:
            known_values.require_model(session, name, parameter="name")
        return Page(render(page.items), page.next_after)


def edit(
    name: str,
    *,
    actor: Actor,
    description: str | None = None,
    labels: Mapping[str, str | None] | None = None,
    lifecycle: Lifecycle | None = None,
    reason: str | None = None,
    if_match: int | None = None,
    claim: Claim | None = None,
    render: Shown[T],
) -> T:
    """Change the fields that are given and keep the others; a tag set to None is removed. *render* makes the result.

    Raises PreconditionFailed, Forbidden (the lifecycle is for admins, who must be allowed to promote as well while a
    version holds production), or Conflict when lifecycle ``enforced`` is requested while several versions hold
    production.
    """
    sizes.require_description(description)
    if lifecycle is not None:
        actor.require(Permission.MODEL_LIFECYCLE)
    with unit_of_work(claim) as unit:
        locked_model = catalog.lock_model(unit.session, name)
        unit.remember(model=locked_model.id)
        catalog.check_match(locked_model, if_match)
        if description is not None or labels or lifecycle is not None:  # else there is nothing to change or to record
            _apply_edit(
                unit.session,
                locked_model,
                actor=actor,
                description=description,
                labels=labels or {},
                lifecycle=lifecycle,
                reason=reason,
            )
        rendered = render(unit.session, locked_model)
    return rendered.value


def _apply_edit(
    session: Session,
    model: Model,
    *,
    actor: Actor,
    description: str | None,
    labels: Mapping[str, str | None],
    lifecycle: Lifecycle | None,
    reason: str | None,
) -> None:
    event = audit.begin(model)
    before, after = {}, {}
    if lifecycle is not None and lifecycle != model.lifecycle:
        authority.require_to_change(session, actor, model)
        before["lifecycle"], after["lifecycle"] = model.lifecycle, lifecycle.value
        _change_lifecycle(session, model, lifecycle)
    if description is not None:
        model.description = description
    tags.change_on_model(session, model, labels)
    catalog.touch(model, event.at, revises=description is not None or lifecycle is not None)
    said = audit.texts(
        reason=reason, description=description, tags=json.dumps(labels, sort_keys=True) if labels else None
    )
    draft = AuditEntryDraft("model.edited", {"model": model.name}, before=before, after=after, texts=said)
    audit.record(session, model, event, draft, actor=actor)


def rename(
    name: str,
    new_name: str,
    *,
    actor: Actor,
    protected: Collection[str],
    reason: str | None = None,
    render: Shown[T],
) -> T:
    """Give the model another name; its versions, tags, aliases and history stay with it. *render* makes the answer.

    Numbering under the old name goes on where it was, should another model get it. The policy of the last model of the
    new name goes on, see ``policies.take_over``. Raises Invalid, AlreadyExists, or Conflict for a name under which
    another model has numbered versions: one number would mean two things. Raises Forbidden while a version holds
    production or a protected alias is set, and *actor* may not promote: the old name loses them. Its own name changes
    nothing but ``revised_at``, which MLflow's clients read, and is not recorded.
    """
    if new_name != name:
        validation.require(names.model_name_problem, "new_name", new_name)
        validation.require(selectors.name_problem, "new_name", new_name)
    with unit_of_work() as unit:
        locked_model = catalog.lock_model(unit.session, name)
        if new_name == name:
            locked_model.revised_at = now = times.now()
            _revise_versions(unit.session, locked_model, now)
        else:
            _apply_rename(unit.session, locked_model, new_name, actor=actor, protected=protected, reason=reason)
        rendered = render(unit.session, locked_model)
    return rendered.value


def _apply_rename(
    session: Session, model: Model, new_name: str, *, actor: Actor, protected: Collection[str], reason: str | None
) -> None:
    name = model.name
    authority.require_to_rename(session, actor, model, protected)
    key = names.name_key(new_name)
    refuse_rivals(session, new_name, besides=model.id)
    if key != model.name_key and (used := catalog.used_before(session, key, by_others_than=model.id)):
        raise Conflict(f"versions of another model were numbered under the name {used!r}; choose a new name")
    earlier = assignments.look_up_earlier(session, key) if key != model.name_key else None
    event = audit.begin(model)
    session.add(
        FormerName(
            model_id=model.id,
            name=name,
            name_key=model.name_key,
            next_number=model.next_number,
            ended_at=event.at,
        )
    )
    model.name, model.name_key, model.look = new_name, key, confusables.look(new_name)
    catalog.touch(model, event.at)
    try:
        session.flush()  # the unique index decides between two that take the name at once
    except IntegrityError as error:
        raise name_taken(new_name) from error
    _revise_versions(session, model, event.at)
    draft = AuditEntryDraft(
        "model.renamed",
        {"model": new_name},
        before={"name": name},
        after={"name": new_name},
        texts=audit.texts(reason=reason),
    )
    audit.record(session, model, event, draft, actor=actor)
    if earlier is not None:
        policies.take_over(session, model, earlier, actor=actor)


def _revise_versions(session: Session, model: Model, at: datetime) -> None:
    ours = update(Version).where(Version.model_id == model.id, Version.state != VersionState.DELETED.value)
    session.execute(ours.values(revised_at=at), execution_options={"synchronize_session": False})


def _insert_model(
    session: Session, name: str, *looks: Query, id: str, actor: Actor, description: str, lifecycle: Lifecycle
) -> Model:
    now = times.now()
    row = {
        "id": id,
        "name": name,
        "name_key": names.name_key(name),
        "look": confusables.look(name),
        "description": description,
        "lifecycle": lifecycle.value,
        "next_number": 1,
        "audit_seq": 0,
        "audit_head": "",
        "clock_at": now,
        "row_version": 1,
        "created_at": now,
        "created_by": actor.id,
        "updated_at": now,
        "revised_at": now,
    }
    model = insert_whole(session, Model, row)
    try:
        # The unique index decides between two that create the name at once. No other transaction can number under the
        # name once the row is there.
        model.next_number = catalog.next_number(session, name, *looks)
    except IntegrityError as error:
        raise name_taken(name) from error
    return model


def _change_lifecycle(session: Session, model: Model, lifecycle: Lifecycle) -> None:
    open_tenures = session.scalars(
        select(Tenure).where(
            Tenure.model_id == model.id, Tenure.stage == Stage.PRODUCTION.value, Tenure.ended_at.is_(None)
        )
    ).all()
    if lifecycle is Lifecycle.ENFORCED and len(open_tenures) > 1:
        holding = session.scalars(
            select(Version.number).where(Version.id.in_([tenure.version_id for tenure in open_tenures]))
        )
        listed = ", ".join(str(number) for number in sorted(holding))
        raise Conflict(f"versions {listed} hold production; archive all but one of them first")
    for tenure in open_tenures:
        tenure.exclusive = lifecycle is Lifecycle.ENFORCED
    model.lifecycle = lifecycle.value
