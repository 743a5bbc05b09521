"""Registered models: create, get, update, rename, delete, tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.domain.access import Permission
from registry.domain.errors import AlreadyExists, NotFound
from registry.domain.stages import Lifecycle, Stage
from registry.http.access import requires
from registry.http.context import current_actor, protected_aliases, settings
from registry.http.database_position import replicable
from registry.mlflow import entities, not_found, prompts, validation
from registry.mlflow.endpoint import KEY, NAME, endpoint
from registry.mlflow.parsing import string, strings, tags
from registry.services.catalog import model_deletion, models
from registry.services.search import mlflow_entities


@endpoint("POST", "/registered-models/create", name=NAME, tags=tags(), description=string())
@requires(Permission.MODEL_CREATE)
def create_registered_model(name: str, tags: Mapping[str, str] | None = None, description: str = "") -> dict[str, Any]:
    """Create a registered model, in the lifecycle that the settings give to new ones."""
    labels = validation.tags(tags or {})
    validation.model_name(name)
    try:
        made = models.create(
            name,
            actor=current_actor(),
            description=description,
            labels=labels,
            default=Lifecycle(settings().default_lifecycle),
        )
    except AlreadyExists as error:
        raise AlreadyExists(_name_taken_text(name, labels) or error.detail) from error
    return {"registered_model": entities.model(made)}


@endpoint("GET", "/registered-models/get", name=NAME)
@requires(Permission.MODEL_READ)
@replicable
def get_registered_model(name: str) -> dict[str, Any]:
    """Describe a model; nearly every client call begins with this."""
    with not_found.no_model(name):
        return {"registered_model": entities.model(mlflow_entities.model(name))}


@endpoint("PATCH", "/registered-models/update", name=NAME, description=string())
@requires(Permission.MODEL_EDIT)
def update_registered_model(name: str, description: str = "") -> dict[str, Any]:
    """Set the description; without one it is cleared."""
    with not_found.no_model(name):
        brief = models.edit(name, actor=current_actor(), description=description, render=mlflow_entities.of)
    return {"registered_model": entities.model(brief)}


@endpoint("POST", "/registered-models/rename", name=NAME, new_name=string(required=True))
@requires(Permission.MODEL_RENAME)
def rename_registered_model(name: str, new_name: str) -> dict[str, Any]:
    """Give a model another name; versions, tags and aliases move along. Its own name is no mistake."""
    validation.model_name(new_name, "new_name")
    with not_found.no_model(name):
        try:
            brief = models.rename(
                name, new_name, actor=current_actor(), protected=protected_aliases(), render=mlflow_entities.of
            )
        except AlreadyExists as error:
            raise AlreadyExists(f"Registered Model (name={new_name}) already exists. {error.detail}") from error
    return {"registered_model": entities.model(brief)}


@endpoint("DELETE", "/registered-models/delete", name=NAME)
@requires(Permission.MODEL_DELETE)
def delete_registered_model(name: str) -> dict[str, Any]:
    """Delete a model; its history stays, and it can be restored by the registry's own API."""
    with not_found.no_model(name):
        model_deletion.delete_(name, actor=current_actor(), protected=protected_aliases())
    return {}


@endpoint("GET POST", "/registered-models/get-latest-versions", name=NAME, stages=strings())
@requires(Permission.MODEL_READ)
@replicable
def get_latest_versions(name: str, stages: list[str] | None = None) -> dict[str, Any]:
    """Return the newest version in each of the stages that can be loaded; the newest where none can."""
    targets = [validation.stage(stage) for stage in stages or ()] or list(Stage)
    with not_found.no_model(name):
        return entities.versions(mlflow_entities.latest(name, dict.fromkeys(targets)))


@endpoint("POST", "/registered-models/set-tag", name=NAME, key=KEY, value=string())
@requires(Permission.MODEL_EDIT)
def set_registered_model_tag(name: str, key: str, value: str = "") -> dict[str, Any]:
    """Set a tag."""
    labels = validation.tags({key: value})
    with not_found.no_model(name):
        models.edit(name, actor=current_actor(), labels=labels, render=models.nothing)
    return {}


@endpoint("DELETE", "/registered-models/delete-tag", name=NAME, key=KEY)
@requires(Permission.MODEL_EDIT)
def delete_registered_model_tag(name: str, key: str) -> dict[str, Any]:
    """Remove a tag; one that is not there is no mistake."""
    with not_found.no_model(name):
        if validation.tag_key(key) in mlflow_entities.model(name).tags:
            models.edit(name, actor=current_actor(), labels={key: None}, render=models.nothing)
    return {}


def _name_taken_text(name: str, labels: Mapping[str, str]) -> str | None:
    """MLflow's text for a name that is taken; None where another spelling of it is."""
    try:
        return prompts.taken(name, mlflow_entities.model(name), labels)
    except NotFound:
        return None
