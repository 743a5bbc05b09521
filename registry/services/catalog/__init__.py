"""The catalog: models, versions, aliases, tags, and the registration that creates versions."""

from registry.services.catalog import (
    alias_gates,
    alias_protection,
    alias_requests,
    aliases,
    artifact_owners,
    authority,
    browsing,
    measurements,
    metric_series,
    model_deletion,
    models,
    notes,
    registration,
    tenures,
    versions,
)

__all__ = [
    "alias_gates",
    "alias_protection",
    "alias_requests",
    "aliases",
    "artifact_owners",
    "authority",
    "browsing",
    "measurements",
    "metric_series",
    "model_deletion",
    "models",
    "notes",
    "registration",
    "tenures",
    "versions",
]
