"""Locations of a version's files for MLflow's clients."""

from __future__ import annotations

from registry.db.records import VersionBrief, VersionRecord
from registry.domain.states import VersionState
from registry.http.context import absolute, settings
from registry.services.artifacts.mlflow_sources import location_of

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"
OBJECT_STORES = ("s3://",)


def download_uri(version: VersionBrief | VersionRecord) -> str:
    """Return the address that any client can load: ours where the registry has the files, else the source's.

    An operator may prefer that clients read an object store themselves (REGISTRY_MLFLOW_DOWNLOADS=source): then a
    version that came from one is loaded from there, unverified.
    """
    there = version.location or version.source
    if version.manifest_digest is None and version.state != VersionState.PENDING:
        return there or ""
    if there and settings().mlflow_downloads == "source" and there.startswith(OBJECT_STORES):
        return there
    return absolute(ARTIFACTS + location_of(version.model_id, version.number))
