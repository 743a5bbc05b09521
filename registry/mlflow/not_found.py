"""Errors for missing models and versions in MLflow's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from registry.domain.errors import Deleted, NotFound
from registry.mlflow import validation
from registry.services.search import mlflow_entities


@contextmanager
def no_model(name: str) -> Iterator[None]:
    """Turn NotFound and Deleted of the block into MLflow's error for the model *name*, which is checked first."""
    validation.model_name(name)
    try:
        yield
    except (NotFound, Deleted) as error:
        twin = mlflow_entities.twin_of(name)
        advice = f". There is {twin!r}, whose name differs in case or form only: use that" if twin else ""
        raise NotFound(validation.no_model(name) + advice) from error


@contextmanager
def no_version(name: str, version: str) -> Iterator[int]:
    """Provide the version's number; turn NotFound and Deleted of the block into MLflow's error for the version."""
    validation.model_name(name)
    number = validation.version_number(version, name)
    try:
        yield number
    except (NotFound, Deleted) as error:
        raise NotFound(validation.no_version(name, number)) from error
