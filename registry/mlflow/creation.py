"""Creation of model versions: the decision where the bytes come from. Nothing is opened here.

A client's source is a text. Bytes are taken only from what the registry holds; for other sources the version is an
unverified reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn
from urllib.parse import urlsplit

from flask import request

from registry.db.records import VersionBrief, VersionRecord
from registry.domain.access import Actor, Permission
from registry.domain.errors import BlobsMissing, Invalid, NotReady
from registry.domain.evaluations import of_records, unsaid
from registry.domain.lineage import Parent, Run, Snapshot, snapshot_of
from registry.domain.registrations import Origin, Registration
from registry.domain.states import LOADABLE, RunState, VersionState
from registry.http.context import protected_aliases, settings, sources, store, upstreams
from registry.mlflow import aliases, inline_import, not_found, prompts, validation
from registry.services.artifacts import mlflow_sources
from registry.services.artifacts.mlflow_sources import ArtifactFiles
from registry.services.catalog import registration, versions
from registry.services.imports import import_kinds, run_refreshes, upstream
from registry.services.search import mlflow_entities

TEXT_LENGTH = 4096
ID_LENGTH = 64
RUN_ID_LENGTH = 255


@dataclass(frozen=True, slots=True)
class CreationRequest:
    """The fields of a create-model-version request, without name and source; None for omitted ones."""

    run_id: str | None = None
    run_link: str | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    model_id: str | None = None


def create(name: str, source: str, *, actor: Actor, **said: str | Mapping[str, str]) -> VersionRecord:
    """Register what is at *source* under the model's next number.

    Raises NotFound for the model, or for a run or logged model that no tracking server has. Raises Conflict for files
    that are not the run's, Invalid for a source that is never allowed, or NotReady for a copy of a version without
    files.
    """
    validation.model_name(name)
    creation = CreationRequest(**said)  # type: ignore[arg-type]  # the endpoint has read each by its type
    _check_lengths(source, creation)
    if prompts.is_prompt(creation.tags):
        prompts.require_placeholder(source)
        return _reserve_version(name, _reference(source, creation), actor=actor)
    validation.source(source)
    if scheme(source) == "models" and not _is_logged_model(source):
        return _copy_version(name, source, creation, actor=actor)
    _check_owner(source, creation)
    if manifest := mlflow_sources.manifest_at(source, hosts=_hosts()):
        return _take(name, source, creation, manifest, actor=actor)
    facts = upstream.facts_of(
        source,
        run_id=creation.run_id,
        logged_model=creation.model_id,
        upstreams=upstreams(),
        sources=sources() if Permission.VERSION_IMPORT in actor.permissions else None,
        hosts=_hosts(),
    )
    if facts is None:
        return _reserve_version(name, _reference(source, creation), actor=actor)
    return _fetch(name, source, creation, facts, actor=actor)


def scheme(source: str) -> str:
    """Return the source's scheme; empty for a path."""
    try:
        return urlsplit(source).scheme
    except ValueError:
        return ""


def _register(name: str, new_version: Registration, *, actor: Actor) -> VersionRecord:
    with not_found.no_model(name):
        return registration.register(name, new_version, actor=actor, protected=protected_aliases()).version


def _reserve_version(
    name: str, new_version: Registration, *, actor: Actor, fetch: Mapping[str, Any] | None = None
) -> VersionRecord:
    with not_found.no_model(name):
        return registration.reserve(name, new_version, actor=actor, fetch=fetch)


def _fetch(
    name: str, source: str, creation: CreationRequest, facts: Mapping[str, Any], *, actor: Actor
) -> VersionRecord:
    """Return a version whose files are fetched while its client waits; a pending one where that takes too long."""
    with not_found.no_model(name):
        mlflow_entities.model(name)  # nothing is fetched for a model that is not there
    arrived = inline_import.wait_for(source, facts, actor=actor)
    new_version = _awaited(source, creation, run_id=arrived.run_id)
    if fetched := arrived.wanted:
        whole = replace(
            fetched,
            description=new_version.description,
            tags=new_version.tags,
            origin=new_version.origin,
            lineage=_with_run(fetched.lineage, source, creation),
            anew=True,
        )
        with suppress(BlobsMissing):  # the collector was faster
            return _register(name, whole, actor=actor)
    return _reserve_version(name, new_version, actor=actor, fetch=facts)


def _with_run(lineage: Snapshot, source: str, creation: CreationRequest) -> Snapshot:
    """Let the client's run stand where no server confirms one."""
    if creation.run_id and (lineage.run is None or lineage.run.stated_by):
        return replace(lineage, run=_reference(source, creation).lineage.run)
    return lineage


def _hosts() -> set[str]:
    """Return the host names of this registry for its clients, each with the path prefix of the service, if any."""
    public = settings().public_url
    return {request.host, *([public.partition("://")[2]] if public else [])}


def _take(name: str, source: str, creation: CreationRequest, manifest: ArtifactFiles, *, actor: Actor) -> VersionRecord:
    """Create a version of files in the artifact area: verified, or pending until a worker has hashed them."""
    if manifest.waiting:
        return _reserve_version(
            name, _awaited(source, creation), actor=actor, fetch=mlflow_sources.wait_facts(manifest)
        )
    new_version = import_kinds.described(manifest.files, store=store(), lineage=_reference(source, creation).lineage)
    new_version = replace(
        new_version,
        description=creation.description,
        tags=creation.tags,
        origin=_origin_of(source, creation),
        anew=True,
        area=manifest.area,
        follows=upstream.followed(new_version.lineage.run, creation.model_id, upstreams()),
    )
    return _register(name, new_version, actor=actor)


def _awaited(source: str, creation: CreationRequest, *, run_id: str | None = None) -> Registration:
    """Return a version that is to be filled with files and lineage."""
    origin = _origin_of(source, creation, run_id=run_id)
    return Registration(files=(), description=creation.description, tags=creation.tags, origin=origin)


def _check_lengths(source: str, creation: CreationRequest) -> None:
    validation.tags(creation.tags)
    limits = (("source", source, TEXT_LENGTH), ("run_link", creation.run_link, TEXT_LENGTH),
              ("run_id", creation.run_id, RUN_ID_LENGTH), ("model_id", creation.model_id, ID_LENGTH))  # fmt: skip
    for parameter, text, limit in limits:
        if text is not None and len(text) > limit:
            raise Invalid.whole(f"'{parameter}' exceeds the maximum length of {limit} characters")


def _reference(source: str, creation: CreationRequest) -> Registration:
    """Return a registration without files: the client's facts, and its run's id as lineage."""
    run = Run(registration.MLFLOW, creation.run_id, url=creation.run_link or None) if creation.run_id else None
    return Registration(
        files=(),
        description=creation.description,
        tags=creation.tags,
        lineage=Snapshot(run=run),
        origin=_origin_of(source, creation),
    )


def _origin_of(
    source: str, creation: CreationRequest, *, run_id: str | None = None, location: str | None = None
) -> Origin:
    return Origin(
        source=source,
        run_id=creation.run_id or run_id or None,
        run_link=creation.run_link or None,
        logged_model=creation.model_id or None,
        location=location,
    )


def _check_owner(source: str, creation: CreationRequest) -> None:
    """Require a run's id with a run's source, and a logged model's id with a logged model's."""
    kind, parts = scheme(source), _parts(source)
    if kind == "runs" and (not parts or creation.run_id != parts[0]):
        _refuse_owner(source, "model_id" if creation.model_id else "run_id")
    if kind == "models" and creation.model_id != parts[0]:
        _refuse_owner(source, "model_id")


def _refuse_owner(source: str, parameter: str) -> NoReturn:
    raise Invalid.whole(
        f"Invalid model version source: '{source}'. The {parameter} request parameter must identify the resource that "
        "contains the source."
    )


def _parts(source: str) -> Sequence[str]:
    """Return the path's parts of ``scheme:/a/b``."""
    return source.partition(":")[2].lstrip("/").split("/")


def _is_logged_model(source: str) -> bool:
    parts = _parts(source)
    return len(parts) == 1 and "@" not in parts[0]


def _copy_version(name: str, source: str, creation: CreationRequest, *, actor: Actor) -> VersionRecord:
    """Return a version with the files of another of ours, or with its location where it has none here."""
    original = _resolve(source)
    if creation.run_id is not None and creation.run_id != (original.run_id or ""):
        raise Invalid.whole(
            f"Invalid model version source: '{source}'. The run_id and model_id request parameters must match the "
            "referenced model version."
        )
    if original.state not in LOADABLE:
        raise NotReady(f"models:/{original.model}/{original.number} is {original.state}; copy it when it is ready")
    new_version = _copied(versions.describe(original.model, original.number), creation)
    if original.state == VersionState.UNVERIFIED:
        return _reserve_version(name, new_version, actor=actor)
    files = versions.manifest(original.model, original.number)
    return _register(name, replace(new_version, files=files, anew=True), actor=actor)


def _copied(original: VersionRecord, creation: CreationRequest) -> Registration:
    """Return the whole of what is recorded of *original*, with it as the parent; the client gives the tags."""
    evaluations = of_records(original.evaluations)
    there = None if original.state == VersionState.READY else original.location or original.source
    return Registration(
        files=(),
        description=creation.description,
        tags=creation.tags,
        params=original.params,
        metrics=unsaid(original.metrics, evaluations),
        evaluations=evaluations,
        framework=original.framework,
        signature=original.signature,
        lineage=replace(snapshot_of(original.lineage), parents=(Parent(original.model, original.number),)),
        origin=_origin_of(
            f"models:/{original.model}/{original.number}", creation, run_id=original.run_id, location=there
        ),
        follows=run_refreshes.followed(original) if original.run_state == RunState.UNFINISHED else None,
    )


def _resolve(source: str) -> VersionBrief:
    """Return the version of ``models:/name/number``, ``/stage``, ``/latest`` or ``name@alias``.

    Raises Invalid, or NotFound.
    """
    parts = _parts(source)
    if urlsplit(source).netloc or len(parts) > 2 or not all(part.strip() for part in parts):
        raise Invalid.whole(
            f"Invalid model version source: '{source}'. Registered model sources must be models:/<name>/<version>, "
            "models:/<name>/<stage>, models:/<name>/latest or models:/<name>@<alias> of this registry."
        )
    name, _, alias = parts[0].rpartition("@") if len(parts) == 1 else (parts[0], "", "")
    with not_found.no_model(name):
        if prompts.is_prompt(mlflow_entities.model(name).tags):
            raise Invalid.whole(
                f"Invalid model version source: '{source}'. Prompt versions cannot be used as model version sources."
            )
    return aliases.resolve(name, alias) if alias else _at(name, parts[1])


def _at(name: str, place: str) -> VersionBrief:
    if place.isdecimal():
        with not_found.no_version(name, place) as number:
            return mlflow_entities.version(name, number)
    if place.lower() == "latest":
        return aliases.newest(name)
    return aliases.newest(name, (validation.stage(place),))
