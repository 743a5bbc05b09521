"""Tell what is not there in MLflow's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from registry.domain.errors import Deleted, NotFound
from registry.mlflow import rules


@contextmanager
def no_model(name: str) -> Iterator[None]:
    """Whatever is not found, or deleted, is the model: *name* is checked first."""
    rules.model_name(name)
    with _told_as(rules.no_model(name)):
        yield


@contextmanager
def no_version(name: str, version: str) -> Iterator[int]:
    """The version's number; whatever is not found, or deleted, is the version, also where its model is not there."""
    rules.model_name(name)
    number = rules.version_number(version, name)
    with _told_as(rules.no_version(name, number)):
        yield number


@contextmanager
def _told_as(text: str) -> Iterator[None]:
    try:
        yield
    except (NotFound, Deleted) as error:
        raise NotFound(text) from error
