"""Versions: describe, list, edit, measure, delete and restore what was registered."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from orjson import Fragment
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.base import Rows
from registry.db.item_cache import Rendering
from registry.db.models import BlobFormat, Model, Version, VersionFile
from registry.db.queries import artifacts, catalog, lists, records
from registry.db.records import FileRecord, Page, VersionRecord
from registry.db.session import look_up, reading
from registry.domain import clock, fact_digests, sizes
from registry.domain.access import Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, Deleted, InUse, Invalid, NotFound
from registry.domain.manifest import File
from registry.domain.prompts import is_prompt
from registry.domain.stages import SERVING, Lifecycle, Stage, kind_of
from registry.domain.states import VersionState
from registry.services import audit
from registry.services.catalog import alias_gates, alias_requests, aliases, authority, tags, tenures
from registry.services.idempotency import Claim, Outcome
from registry.services.integrity import file_formats
from registry.services.lineage import recording
from registry.services.unit_of_work import unit_of_work


def describe(model: str, number: int) -> VersionRecord:
    """Return the version in any state. Raises NotFound."""
    version_records = records.version_records(look_up(records.NAMED_VERSION, model=model, number=number))
    if version_records:
        return version_records[0]
    with reading() as session:
        catalog.model(session, model)
    raise NotFound(f"the model {model!r} has no version {number}")


def list_(
    model: str,
    *,
    stage: str | None = None,
    state: str | None = None,
    after: tuple[Any, ...] | None = None,
    limit: int,
    field_names: Collection[str] | None = None,
    rendering: Rendering | None = None,
) -> Page[VersionRecord | Fragment | lists.Document]:
    """Return the model's versions, newest first; with *field_names*, these fields of them.

    Without field names they are their JSON where there is a *rendering*. Raises NotFound.
    """
    shown, render = lists.versions(field_names, rendering)
    with reading() as session:
        said = {"model": model, "stage": stage, "state": state, "after": None if after is None else after[0]}
        values = {name: value for name, value in said.items() if value is not None}
        page = lists.read_versions(session, shown, values, limit=limit).page
        if not page.items:
            catalog.model(session, model)
        return Page(render(page.items), page.next_after)


def files(model: str, number: int, *, after: tuple[Any, ...] | None = None, limit: int) -> Page[FileRecord]:
    """Return the version's manifest, by path. Raises NotFound."""
    with reading() as session:
        version = catalog.any_version(session, model, number)
        statement = select_files(version)
        if after is not None:
            statement = statement.where(VersionFile.path > after[0])
        rows = records.page(session, statement.order_by(VersionFile.path), by=(VersionFile.path,), limit=limit)
        return Page([file_record(row) for row in rows.items], rows.next_after)


def select_files(version: Version) -> Rows:
    """Select the files of a version, each row for :func:`file_record`."""
    rows = artifacts.stored_files(version, artifacts.recorded_damage(), *file_formats.COLUMNS)
    return rows.outerjoin(BlobFormat, BlobFormat.sha256 == VersionFile.sha256)


def file_record(row: Sequence[Any]) -> FileRecord:
    """Return a file with its damage and its format."""
    file, damage, *columns = row
    known = file_formats.known_format(file.path, file.sha256, columns)
    return FileRecord(file.path, file.size, file.sha256, file.media_type, damage, known.format, known.executes_code)


def manifest(model: str, number: int) -> list[File]:
    """Return the version's whole manifest, by path. Raises NotFound."""
    with reading() as session:
        version = catalog.any_version(session, model, number)
        files = select(VersionFile).where(VersionFile.version_id == version.id).order_by(VersionFile.path)
        return [File(file.path, file.size, file.sha256, file.media_type) for file in session.scalars(files)]


def recall(outcome: Outcome) -> VersionRecord:
    """Return the version that an earlier request wrote, as it is now: deleted, if it was deleted since."""
    with reading() as session:
        return records.version_with_number(session, outcome["model"], outcome["number"])


def edit(
    model: str,
    number: int,
    *,
    actor: Actor,
    description: str | None = None,
    labels: Mapping[str, str | None] | None = None,
    reason: str | None = None,
    if_match: int | None = None,
    claim: Claim | None = None,
) -> VersionRecord:
    """Change the description and the tags; the rest of a version is frozen. Raises PreconditionFailed."""
    sizes.require_description(description)
    with unit_of_work(claim) as unit:
        locked_model, version = catalog.lock_live_version(unit.session, model, number)
        unit.remember(model=locked_model.id, number=number)
        catalog.check_match(version, if_match)
        if description is not None or labels:  # else there is nothing to change or to record
            apply_edit(
                unit.session,
                locked_model,
                version,
                actor=actor,
                description=description,
                labels=labels or {},
                reason=reason,
            )
        edited = records.read_back(unit.session, version)
    return edited.value


def apply_edit(
    session: Session,
    model: Model,
    version: Version,
    *,
    actor: Actor,
    description: str | None = None,
    labels: Mapping[str, str | None],
    after: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """Change the description and the tags, and record it with what else the caller has changed. Raises Invalid."""
    event = audit.begin(model)
    if description is not None:
        version.description = description
    tags.change_on_version(session, version, labels)
    catalog.touch(version, event.at, revises=description is not None)
    said = audit.texts(
        reason=reason, description=description, tags=json.dumps(labels, sort_keys=True) if labels else None
    )
    draft = AuditEntryDraft("version.edited", subject(model, version), after=after or {}, texts=said)
    audit.record(session, model, event, draft, actor=actor, version=version)


def delete_(
    model: str,
    number: int,
    *,
    actor: Actor,
    protected: Collection[str],
    reason: str | None = None,
    if_match: int | None = None,
    claim: Claim | None = None,
) -> VersionRecord:
    """Mark the version as deleted; its manifest, lineage and history stay.

    Raises InUse while it holds staging or production, has an alias, or another version derives from it. In lifecycle
    ``open``, and where it is a prompt's, it leaves its stage and loses its aliases instead, as in MLflow; raises
    Forbidden where it holds production or has a protected alias, and *actor* may not promote.
    """
    with unit_of_work(claim) as unit:
        locked_model, version = catalog.lock_version(unit.session, model, number)
        unit.remember(model=locked_model.id, number=number)
        catalog.check_match(version, if_match)
        catalog.await_children(unit.session, Version.id == version.id)
        if version.state == VersionState.PENDING:
            alias_requests.forget(unit.session, version)
        is_freed = locked_model.lifecycle == Lifecycle.OPEN or is_prompt(version.source)
        if is_freed and version.state != VersionState.DELETED:
            authority.require_to_move(actor, locked_model, version)
            if pointing := aliases.pointing_at(unit.session, version):
                rules = alias_gates.rules_of(unit.session, locked_model, protected)
                for alias in pointing:
                    authority.require_to_point(actor, locked_model, alias, rules.protected)
            return _mark_freed(unit.session, locked_model, version, actor=actor, reason=reason)
        _refuse_if_used(unit.session, locked_model, version)
        return _mark_version(
            unit.session, locked_model, version, VersionState.DELETED, "version.deleted", actor=actor, reason=reason
        )


def restore(
    model: str,
    number: int,
    *,
    actor: Actor,
    reason: str | None = None,
    if_match: int | None = None,
    claim: Claim | None = None,
) -> VersionRecord:
    """Bring a deleted version back, in the stage that it left; it is ready if it was, and its bytes are all there.

    Raises PreconditionFailed, or Conflict if it is not deleted or was purged.
    """
    with unit_of_work(claim) as unit:
        locked_model, version = catalog.lock_version(unit.session, model, number)
        unit.remember(model=locked_model.id, number=number)
        catalog.check_match(version, if_match)
        if version.state != VersionState.DELETED:
            raise Conflict(f"version {number} of {model!r} is not deleted")
        if version.purged_at is not None:
            raise Conflict(f"version {number} of {model!r} was purged; its bytes are gone for good")
        return _mark_version(
            unit.session,
            locked_model,
            version,
            _state_without(unit.session, version),
            "version.undeleted",
            actor=actor,
            reason=reason,
        )


def purge(
    model: str,
    number: int,
    *,
    actor: Actor,
    retention: timedelta,
    reason: str,
    now: bool = False,
    if_match: int | None = None,
    claim: Claim | None = None,
) -> VersionRecord:
    """Give up a deleted version's bytes for good: the collector takes those that no other version needs.

    Manifest, lineage and history stay. Raises Conflict unless it, or its model, was deleted *retention* ago, or at all
    with *now*, which the entry records; InUse when something depends on it that would come back with its model, and
    Invalid without a reason. Doing it again changes nothing.
    """
    if not reason.strip():
        raise Invalid.field("reason", "must give the reason for purging the bytes: the history shows it")
    with unit_of_work(claim) as unit:
        locked_model = catalog.lock_model_ever(unit.session, model, number)
        version = catalog.version(unit.session, locked_model, number)
        unit.remember(model=locked_model.id, number=number)
        catalog.check_match(version, if_match)
        if version.purged_at is not None:
            return records.version_record(unit.session, version)
        _require_retained(locked_model, version, None if now else retention)
        before = {"state": version.state}
        if version.state != VersionState.DELETED:  # its model is: it shall not come back with that
            catalog.await_children(unit.session, Version.id == version.id)
            _refuse_if_used(unit.session, locked_model, version)
        event = audit.begin(locked_model)
        if version.state != VersionState.DELETED:
            version.state, version.deleted_at = VersionState.DELETED.value, event.at
        version.purged_at = event.at
        catalog.touch(version, event.at)
        draft = AuditEntryDraft(
            "version.purged",
            subject(locked_model, version),
            before=before,
            after={"state": version.state, "files": version.file_count, "size": str(version.size)}
            | ({"retention": "skipped"} if now else {}),
            digests=digests(version),
            texts=audit.texts(reason=reason),
        )
        audit.record(unit.session, locked_model, event, draft, actor=actor, version=version)
        return records.version_record(unit.session, version)


def subject(model: Model, version: Version, related: Version | None = None) -> dict[str, Any]:
    """Return the subject of an audit entry about a version, and about a *related* one."""
    named = {"model": model.name, "version": version.number}
    return named | {"related_version": related.number} if related else named


def digests(version: Version) -> dict[str, str]:
    """Return the digests of an audit entry about a version; entries have "" for a manifest that is unknown."""
    return {"manifest": version.manifest_digest or ""}


def _mark_version(
    session: Session,
    model: Model,
    version: Version,
    state: VersionState,
    action: str,
    *,
    actor: Actor,
    reason: str | None,
) -> VersionRecord:
    event = audit.begin(model)
    before, version.state = {"state": version.state}, state.value
    version.deleted_at = event.at if state is VersionState.DELETED else None
    catalog.touch(version, event.at)
    model.revised_at = event.at
    draft = AuditEntryDraft(
        action,
        subject(model, version),
        before=before,
        after={"state": state.value},
        texts=audit.texts(reason=reason),
        facts={"blobs": fact_digests.blobs(artifacts.keys(session, version))} if state is VersionState.READY else {},
    )
    audit.record(session, model, event, draft, actor=actor, version=version)
    return records.version_record(session, version)


def _mark_freed(session: Session, model: Model, version: Version, *, actor: Actor, reason: str | None) -> VersionRecord:
    """Delete a version that may be in use: it leaves its stage and its aliases."""
    event, stage = audit.begin(model), Stage(version.stage)
    left = aliases.end_all(session, model, version, event=event)
    if stage in SERVING:
        tenures.enter(session, model, version, Stage.NONE, kind_of(stage, Stage.NONE), event)
    before = {"state": version.state, "stage": stage.value} | aliases.pointing(left, version.number)
    version.state, version.deleted_at = VersionState.DELETED.value, event.at
    after = {"state": version.state, "stage": version.stage} | aliases.pointing(left, None)
    catalog.touch(version, event.at)
    catalog.touch(model, event.at)
    draft = AuditEntryDraft(
        "version.deleted",
        subject(model, version),
        before=before,
        after=after,
        texts=audit.texts(reason=reason),
    )
    audit.record(session, model, event, draft, actor=actor, version=version)
    return records.version_record(session, version)


def _state_without(session: Session, version: Version) -> VersionState:
    """Return the state of a deleted version but for its deletion."""
    if version.state_reason is not None:
        return VersionState.FAILED
    if not version.manifest_digest:
        return VersionState.UNVERIFIED
    return VersionState.PENDING if artifacts.count_lacking(session, version) else VersionState.READY


def _require_retained(model: Model, version: Version, retention: timedelta | None) -> None:
    name = f"{model.name}:{version.number}"
    deleted_at = version.deleted_at or model.deleted_at
    if deleted_at is None:
        raise Conflict(f"{name} is not deleted; only deleted versions are purged: delete it first")
    if retention is not None and times.now() < deleted_at + retention:
        raise Conflict(f"{name} was deleted at {clock.wire(deleted_at)} and is kept until "
                       f"{clock.wire(deleted_at + retention)}; restore it until then, purge it afterwards, "
                       "or at once with now: true (registry version purge --now)")  # fmt: skip


def _refuse_if_used(session: Session, model: Model, version: Version) -> None:
    name = f"{model.name}:{version.number}"
    if version.state == VersionState.DELETED:
        raise Deleted(f"{name} is deleted already")
    if Stage(version.stage) in SERVING:
        instead = "promote another over it, roll back or " if version.stage == Stage.PRODUCTION else ""
        raise InUse(f"{name} holds {version.stage}; {instead}archive it first")
    if pointing := aliases.pointing_at(session, version):
        raise InUse(f"the aliases {', '.join(pointing)} point at {name}; move or delete them first")
    if child := recording.child_of(session, version):
        raise InUse(f"{child} derives from {name}; delete that version first")
