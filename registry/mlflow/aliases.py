"""Aliases. ``latest`` is readable as one, and cannot be set."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from registry.db.records import VersionBrief
from registry.domain.access import Permission
from registry.domain.errors import Invalid, NotFound
from registry.domain.stages import Stage
from registry.domain.states import LOADABLE
from registry.http.access import requires
from registry.http.context import current_actor, protected_aliases, store
from registry.http.database_position import replicable
from registry.mlflow import entities, not_found, validation
from registry.mlflow.endpoint import ALIAS, NAME, VERSION, endpoint
from registry.services.catalog import aliases
from registry.services.search import mlflow_entities


@endpoint("POST", "/registered-models/alias", name=NAME, alias=ALIAS, version=VERSION)
@requires(Permission.ALIAS_SET)
def set_registered_model_alias(name: str, alias: str, version: str) -> dict[str, Any]:
    """Point an alias at a version, wherever it pointed before."""
    validation.settable_alias(alias)
    with not_found.no_version(name, version) as number:
        aliases.point(name, alias, number, actor=current_actor(), store=store(), protected=protected_aliases())
    return {}


@endpoint("DELETE", "/registered-models/alias", name=NAME, alias=ALIAS)
@requires(Permission.ALIAS_SET)
def delete_registered_model_alias(name: str, alias: str) -> dict[str, Any]:
    """Remove an alias; one that is not there is no mistake."""
    with not_found.no_model(name):
        if mlflow_entities.aliased(name, validation.alias(alias)):
            with suppress(NotFound):  # another request was faster
                aliases.remove(name, alias, actor=current_actor(), protected=protected_aliases())
    return {}


@endpoint("GET", "/registered-models/alias", name=NAME, alias=ALIAS)
@requires(Permission.MODEL_READ)
@replicable
def get_model_version_by_alias(name: str, alias: str) -> dict[str, Any]:
    """Return the version that an alias points at."""
    return {"model_version": entities.version(resolve(name, alias))}


def resolve(name: str, alias: str) -> VersionBrief:
    """Return the version that the alias points at. Raises NotFound, or Invalid for an unknown alias, as MLflow does."""
    if validation.alias(alias).lower() == "latest":
        return newest(name)
    with not_found.no_model(name):
        brief = mlflow_entities.aliased(name, alias)
    if brief is not None:
        return brief
    raise Invalid.whole(f"Registered model alias {alias} not found.")


def newest(name: str, stages: tuple[Stage, ...] = tuple(Stage)) -> VersionBrief:
    """Return the newest version that can be loaded, of all stages or of these; else the newest. Raises NotFound."""
    with not_found.no_model(name):
        briefs = mlflow_entities.latest(name, stages)
    if briefs:
        return max(briefs, key=lambda version: (version.state in LOADABLE, version.number))
    raise NotFound(f"Latest version not found for model {name}.")
