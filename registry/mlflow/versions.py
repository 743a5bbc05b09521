"""Model versions: create, get, update, delete, tag, and where their files are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.domain.access import Permission
from registry.domain.states import VersionState
from registry.http.access import requires
from registry.http.context import current_actor, protected_aliases
from registry.http.database_position import replicable
from registry.mlflow import creation, entities, locations, not_found, validation
from registry.mlflow.endpoint import KEY, NAME, VERSION, endpoint
from registry.mlflow.parsing import string, tags
from registry.services.catalog import versions
from registry.services.imports import import_jobs
from registry.services.search import mlflow_entities


@endpoint(
    "POST",
    "/model-versions/create",
    name=NAME,
    source=string(required=True),
    run_id=string(),
    run_link=string(),
    description=string(),
    tags=tags(),
    model_id=string(),
)
@requires(Permission.VERSION_REGISTER)
def create_model_version(name: str, source: str, **said: Any) -> dict[str, Any]:
    """Give what is at the source the next number: equal creations are different versions.

    Where a tracking server has the files, the answer waits for them, up to two seconds.
    """
    return {"model_version": entities.version(creation.create(name, source, actor=current_actor(), **said))}


@endpoint("GET", "/model-versions/get", name=NAME, version=VERSION)
@requires(Permission.MODEL_READ)
@replicable
def get_model_version(name: str, version: str) -> dict[str, Any]:
    """Describe a version."""
    with not_found.no_version(name, version) as number:
        brief = mlflow_entities.version(name, number)
    hindrance = import_jobs.hindrance(brief.model_id, number) if brief.state == VersionState.PENDING else None
    return {"model_version": entities.version(brief, hindrance=hindrance)}


@endpoint("PATCH", "/model-versions/update", name=NAME, version=VERSION, description=string())
@requires(Permission.VERSION_EDIT)
def update_model_version(name: str, version: str, description: str = "") -> dict[str, Any]:
    """Set the description; without one it is cleared."""
    with not_found.no_version(name, version) as number:
        record = versions.edit(name, number, actor=current_actor(), description=description)
    return {"model_version": entities.version(record)}


@endpoint("DELETE", "/model-versions/delete", name=NAME, version=VERSION)
@requires(Permission.VERSION_DELETE)
def delete_model_version(name: str, version: str) -> dict[str, Any]:
    """Delete a version; where the lifecycle is enforced, not while it is in use."""
    with not_found.no_version(name, version) as number:
        versions.delete_(name, number, actor=current_actor(), protected=protected_aliases())
    return {}


@endpoint("GET", "/model-versions/get-download-uri", name=NAME, version=VERSION)
@requires(Permission.MODEL_READ)
@replicable
def get_download_uri(name: str, version: str) -> dict[str, Any]:
    """Return where the files are."""
    with not_found.no_version(name, version) as number:
        return {"artifact_uri": locations.download_uri(mlflow_entities.version(name, number))}


@endpoint("POST", "/model-versions/set-tag", name=NAME, version=VERSION, key=KEY, value=string())
@requires(Permission.VERSION_EDIT)
def set_model_version_tag(name: str, version: str, key: str, value: str = "") -> dict[str, Any]:
    """Set a tag."""
    return _change_tags(name, version, validation.tags({key: value}))


@endpoint("DELETE", "/model-versions/delete-tag", name=NAME, version=VERSION, key=KEY)
@requires(Permission.VERSION_EDIT)
def delete_model_version_tag(name: str, version: str, key: str) -> dict[str, Any]:
    """Remove a tag; one that is not there is no mistake."""
    with not_found.no_version(name, version) as number:
        known = validation.tag_key(key) in mlflow_entities.version(name, number).tags
    return _change_tags(name, version, {key: None}) if known else {}


def _change_tags(name: str, version: str, labels: Mapping[str, str | None]) -> dict[str, Any]:
    with not_found.no_version(name, version) as number:
        versions.edit(name, number, actor=current_actor(), labels=labels)
    return {}
