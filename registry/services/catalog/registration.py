"""Register a version: its number, files, metadata, lineage and audit entry at once, or nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from registry.db.batch import Query
from registry.db.bulk_insert import insert_object, insert_rows
from registry.db.models import Model, Version, VersionFile, VersionParam
from registry.db.queries import artifacts, catalog, records
from registry.db.records import VersionRecord
from registry.db.session import reading
from registry.db.write_session import writing
from registry.domain import manifest, sizes, validation
from registry.domain.access import SYSTEM, Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import BlobsMissing, Conflict, Deleted, Invalid, NotFound
from registry.domain.evaluations import by_metric
from registry.domain.lineage import Run
from registry.domain.manifest import Manifest
from registry.domain.prompts import is_prompt
from registry.domain.registrations import Registration
from registry.domain.stages import Lifecycle
from registry.domain.states import RunState, VersionState
from registry.rules import names, paths
from registry.services import audit
from registry.services.audit import row_seals
from registry.services.catalog import (
    alias_gates,
    alias_requests,
    artifact_owners,
    authority,
    measurements,
    models,
    repetition,
    tags,
    versions,
)
from registry.services.catalog.version_rows import (
    blob_facts,
    import_row,
    insert_version,
    refresh_row,
    registration_facts,
)
from registry.services.idempotency import Claim, Outcome
from registry.services.lineage import recording
from registry.services.unit_of_work import unit_of_work

GONE = {VersionState.DELETED.value: "is deleted now", VersionState.FAILED.value: "has failed"}
MLFLOW = "mlflow"  # the system of the runs that MLflow's clients name


@dataclass(frozen=True, slots=True)
class Registered:
    """``created`` is false when the same files of the same run were registered before: ``version`` is that one.

    ``updated`` names the facts that were added to it.
    """

    created: bool
    version: VersionRecord
    updated: Sequence[str] = ()


def register(
    model: str,
    registration: Registration,
    *,
    actor: Actor,
    protected: Collection[str],
    lifecycle: Lifecycle = Lifecycle.ENFORCED,
    claim: Claim | None = None,
) -> Registered:
    """Register a version of the files with the model's next number. It is ready when every blob is verified.

    The registration may ask for the model to be created, in *lifecycle*, in the same transaction.

    A version that has the same files and run already is returned instead, see ``repetition``.
    A version without files whose source is the placeholder of a prompt is a prompt, see ``_register_prompt``.
    Aliases are set when it is ready. Raises NotFound, Invalid, FactsDiffer, Forbidden for a protected alias when
    *actor* may not promote, GatesUnmet for one that the policy guards, when the version is ready, or BlobsMissing (with
    the blobs that must be uploaded first, or that *actor* may not read).
    """
    if not registration.files and is_prompt(registration.origin.source):
        return _register_prompt(model, registration, actor=actor, claim=claim)
    sealed = _check_registration(registration)
    candidates = repetition.ask_for_candidates(model, sealed.digest, registration)
    blobs = artifacts.ask_for_blobs({file.sha256 for file in sealed.files}, actor=actor, locked=True)
    with unit_of_work(claim) as unit:
        asked = alias_gates.ask(unit.session, model)
        looks = [candidates, *blobs, *(asked if registration.aliases else ())]
        try:
            locked_model = catalog.lock_model(unit.session, model, *looks)
        except (NotFound, Deleted):
            if not registration.delivery.create_model:
                raise
            locked_model = _create_model(unit.session, model, *looks, actor=actor, lifecycle=lifecycle)
        rules = alias_gates.rules(unit.session, asked, protected)
        if not registration.anew and (
            twin := repetition.settle(unit.session, locked_model, candidates, registration, actor=actor, rules=rules)
        ):
            existing = Registered(False, twin.version, twin.updated)
            unit.remember(
                model=locked_model.id, number=existing.version.number, created=False, updated=list(existing.updated)
            )
            return existing
        for alias in registration.aliases:
            authority.require_to_point(actor, locked_model, alias, rules.protected)
        state, keys = _check_blobs(unit.session, sealed, actor, blobs)
        event = audit.begin(locked_model)
        version = insert_version(
            unit.session, locked_model, registration, sealed, state=state, event=event, actor=actor
        )
        written = _describe(unit.session, locked_model, version, registration, sealed, event=event, actor=actor)
        if registration.follows:
            insert_object(unit.session, refresh_row(version, registration.follows, event=event, actor=actor))
        tags.give(unit.session, version, registration.tags)
        left = alias_requests.ask(
            unit.session, locked_model, version, registration.aliases, event=event, actor=actor, rules=rules
        )
        if registration.area is not None:
            artifact_owners.release(unit.session, version, registration.area, actor=actor, at=event.at)
        draft = _draft_entry(locked_model, version, registration, left, written | blob_facts(keys))
        audit.record(unit.session, locked_model, event, draft, actor=actor, version=version)
        alias_requests.set_guarded(unit.session, locked_model, version, registration.aliases, actor=actor, rules=rules)
        unit.remember(model=version.model_id, number=version.number, created=True, updated=[])
        registered = records.read_back(unit.session, version)
    return Registered(True, registered.value)


def recall(outcome: Outcome) -> Registered:
    """Return an earlier registration, with its version as it is now.

    Raises Conflict for a version that can no longer be used: it, or its model, was deleted since, or it has failed. A
    job that takes a registration for done would go on with it.
    """
    with reading() as session:
        version = records.version_with_number(session, outcome["model"], outcome["number"])
        model = records.model_with_id(session, outcome["model"])
    gone = GONE.get(version.state) or (model.deleted_at and "is in a deleted model now")
    if gone:
        raise Conflict(
            f"{version.model}:{version.number} was registered with this Idempotency-Key and {gone}. "
            "To register the files again, use another key"
        )
    return Registered(outcome["created"], version, outcome["updated"])


def reserve(
    model: str, registration: Registration, *, actor: Actor, fetch: Mapping[str, Any] | None = None
) -> VersionRecord:
    """Give a version its number whose files the registry has not: unverified, for they are elsewhere.

    With *fetch*, the facts of an import, the version is pending until a worker has fetched its files and what is known
    of its run; *registration* then has no params, metrics or lineage. It has no alias requests. Raises NotFound, or
    Invalid.
    """
    require_sizes(registration)
    with unit_of_work() as unit:
        version = _reserve_version(unit.session, model, registration, actor=actor, fetch=fetch)
        reserved = records.read_back(unit.session, version)
    return reserved.value


def _register_prompt(model: str, registration: Registration, *, actor: Actor, claim: Claim | None) -> Registered:
    """Give a prompt the next number: its text is a tag, and equal prompts are different versions.

    Raises NotFound, or Invalid: also for aliases, which are set afterwards, and for ``update``.
    """
    require_sizes(registration)
    if registration.aliases:
        raise Invalid.field("aliases", "cannot be given with a prompt: set them when it is registered")
    if registration.update:
        raise Invalid.field("update", "does not apply to a prompt: it has no files that identify it")
    with unit_of_work(claim) as unit:
        version = _reserve_version(unit.session, model, registration, actor=actor)
        unit.remember(model=version.model_id, number=version.number, created=True, updated=[])
        registered = records.read_back(unit.session, version)
    return Registered(True, registered.value)


def _reserve_version(
    session: Session, model: str, registration: Registration, *, actor: Actor, fetch: Mapping[str, Any] | None = None
) -> Version:
    locked_model = catalog.lock_model(session, model)
    event = audit.begin(locked_model)
    state = VersionState.UNVERIFIED if fetch is None else VersionState.PENDING
    version = insert_version(session, locked_model, registration, None, state=state, event=event, actor=actor)
    if fetch is None:
        written = _describe(session, locked_model, version, registration, None, event=event, actor=actor)
    else:
        written = registration_facts(version, params={}, metrics=[], edges=[])
        insert_object(session, import_row(version, fetch, actor=actor))
    tags.give(session, version, registration.tags)
    draft = _draft_entry(locked_model, version, registration, {}, written)
    audit.record(session, locked_model, event, draft, actor=actor, version=version)
    return version


def fill(
    session: Session, model: Model, version: Version, registration: Registration, *, event: audit.Event, actor: Actor
) -> None:
    """Give a version that was reserved by *actor* its files and all that is known of them, under the model's lock.

    It is ready when every blob is verified. Raises Invalid, or BlobsMissing.
    """
    asked = registration.lineage.run
    if version.run_id and (asked is None or asked.stated_by):  # no server confirms the run: its client named it
        named = Run(MLFLOW, version.run_id, url=version.run_link)
        registration = replace(registration, lineage=replace(registration.lineage, run=named))
    sealed = _check_registration(registration)
    blobs = artifacts.ask_for_blobs({file.sha256 for file in sealed.files}, actor=actor, locked=True)
    for query in blobs:
        writing(session).ask(query)
    state, keys = _check_blobs(session, sealed, actor, blobs)
    before, run = version.state, registration.lineage.run
    version.state = state.value
    version.manifest_digest, version.file_count, version.size = sealed.digest, len(sealed.files), sealed.size
    version.run_key, version.lineage_digest = registration.lineage.run_key, registration.lineage.digest
    version.framework = registration.framework
    version.signature = dict(registration.signature) if registration.signature is not None else None
    version.run_id = version.run_id or (run.id if run else None)
    if registration.follows:
        version.run_state = RunState.UNFINISHED.value
        insert_object(session, refresh_row(version, registration.follows, event=event, actor=actor))
    catalog.touch(version, event.at)
    written = _describe(session, model, version, registration, sealed, event=event, actor=actor)
    if registration.area is not None:
        artifact_owners.release(session, version, registration.area, actor=actor, at=event.at)
    draft = AuditEntryDraft(
        "version.fetched",
        versions.subject(model, version),
        before={"state": before},
        after={"state": version.state, "files": version.file_count, "size": str(version.size)} | _run_state(version),
        digests={"manifest": version.manifest_digest, "lineage": version.lineage_digest},
        texts=audit.texts(source=version.source),
        facts=written | blob_facts(keys),
    )
    audit.record(session, model, event, draft, actor=SYSTEM, version=version)


def _run_state(version: Version) -> dict[str, str]:
    return {"run_state": version.run_state} if version.run_state else {}


def _create_model(session: Session, name: str, *looks: Query, actor: Actor, lifecycle: Lifecycle) -> Model:
    """Create the model, or lock the one that another request has just created, then execute *looks*."""
    created, _ = models.lock_or_create(session, name, actor=actor, default=lifecycle)
    writing(session).ask(*looks)
    return created


def _check_registration(registration: Registration) -> Manifest:
    require_sizes(registration)
    if registration.anew and registration.update:
        raise Invalid.field("update", "adds to the existing version, and anew makes another one: send one of them")
    for index, file in enumerate(registration.files):
        if problem := paths.problem(file.path):
            raise Invalid(f"files.{index}.path: {problem}", errors={"files": {index: {"path": [problem]}}})
    return manifest.seal(registration.files)


def require_sizes(registration: Registration) -> None:
    """Raise Invalid for texts, values or names that no version can have."""
    run = registration.lineage.run
    sizes.require_description(registration.description)
    said = (
        registration.params,
        registration.metrics,
        registration.evaluations,
        registration.signature,
        registration.claimed,
        registration.lineage,
    )
    sizes.require_facts(*said, registration.origin, registration.description)
    sizes.require_metrics(by_metric(registration.measured))
    for key in {**(run.params if run else {}), **registration.params}:
        validation.require(names.tag_key_problem, f"params.{key}", key)
    for alias in registration.aliases:
        validation.require(names.alias_problem, "aliases", alias)


def _check_blobs(
    session: Session, sealed: Manifest, actor: Actor, blobs: Sequence[Query]
) -> tuple[VersionState, Mapping[str, str] | None]:
    """Return READY and the objects that hold the bytes by sha256, or PENDING while some are yet to be verified.

    *blobs* are the executed queries of the files' blobs. The bytes stay until the transaction ends. Raises Invalid, or
    BlobsMissing.
    """
    digests = {file.sha256 for file in sealed.files}
    known = artifacts.read_blobs(session, blobs, genuine=row_seals.genuine)
    awaited: dict[str, int] = {}
    if lacking := digests - known.keys():
        # Those that are being verified, and then once more: what was done in between is found among the blobs.
        awaited = artifacts.awaited_sizes(session, lacking, actor=actor, genuine=row_seals.genuine)
        known |= artifacts.known_blobs(session, lacking, actor=actor, genuine=row_seals.genuine, locked=True)
    sizes = awaited | {sha256: blob.size for sha256, blob in known.items()}
    if missing := digests - sizes.keys():
        raise BlobsMissing(
            f"{len(missing)} of the files' bytes are not in the store; upload them, then register again",
            missing=sorted(missing),
        )
    for file in sealed.files:
        if sizes[file.sha256] != file.size:
            text = f"{file.path!r} has {sizes[file.sha256]} bytes in the store, not {file.size}"
            raise Invalid.field("files", text)
    if digests != known.keys():
        return VersionState.PENDING, None
    return VersionState.READY, {sha256: blob.key for sha256, blob in known.items()}


def _describe(
    session: Session,
    model: Model,
    version: Version,
    registration: Registration,
    sealed: Manifest | None,
    *,
    event: audit.Event,
    actor: Actor,
) -> dict[str, str]:
    """Insert a version's files, params, metrics and lineage; returns their digests for the audit entry."""
    run = registration.lineage.run
    params = {**(run.params if run else {}), **registration.params}
    files = [
        {"version_id": version.id, "path": file.path, "size": file.size, "sha256": file.sha256,
         "media_type": file.media_type}
        for file in (sealed.files if sealed else ())
    ]  # fmt: skip
    insert_rows(session, VersionFile, files)
    insert_rows(
        session,
        VersionParam,
        [{"version_id": version.id, "key": key, "value": value} for key, value in params.items()],
    )
    metrics = measurements.add_metrics(session, version, registration.measured, event=event, actor=actor)
    edges = recording.keep(session, model, version, registration.lineage)
    return registration_facts(version, params=params, metrics=metrics, edges=edges)


def _draft_entry(
    model: Model,
    version: Version,
    registration: Registration,
    left: Mapping[str, int | None],
    written: Mapping[str, str],
) -> AuditEntryDraft:
    """Return the draft of the entry; *left* has the previous version of each alias."""
    return AuditEntryDraft(
        "version.registered",
        versions.subject(model, version),
        before={"aliases": dict(left)} if left else {},
        after={"state": version.state, "files": version.file_count, "size": str(version.size)}
        | _run_state(version)
        | ({"aliases": dict.fromkeys(left, version.number)} if left else {})
        | ({"requested_aliases": sorted(requested)} if (requested := set(registration.aliases) - left.keys()) else {}),
        digests=({"manifest": version.manifest_digest} if version.manifest_digest else {})
        | {"lineage": version.lineage_digest},
        texts=audit.texts(
            description=registration.description or None,
            tags=json.dumps(registration.tags, sort_keys=True) if registration.tags else None,
            source=registration.origin.source,
            location=registration.origin.location,
            claimed=json.dumps(registration.claimed, sort_keys=True) if registration.claimed else None,
        ),
        facts=written,
    )
