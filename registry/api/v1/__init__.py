"""Version 1 of the API: one module a resource."""

from registry.api.v1 import (
    aliases,
    audit,
    downloads,
    evidence,
    files,
    imports,
    jobs,
    models,
    refusals,
    sealed_log,
    search,
    stages,
    tokens,
    uploads,
    versions,
)

BLUEPRINTS = (
    models.blueprint,
    versions.blueprint,
    stages.blueprint,
    aliases.blueprint,
    uploads.blueprint,
    files.blueprint,
    imports.blueprint,
    jobs.blueprint,
    search.blueprint,
    audit.blueprint,
    sealed_log.blueprint,
    sealed_log.tiles,
    refusals.blueprint,
    downloads.blueprint,
    evidence.blueprint,
    tokens.blueprint,
)
