"""The document in which an import keeps the facts of a version until its files are stored.

The document is written from a registration and read by this module alone: the API's schemas may change between the
request and the work. ``FORMAT`` counts its forms. A document of format 1 does not name its format, and has the shape of
the request bodies that earlier releases kept: each of two releases that run at the same time reads the other's rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

from registry.domain import clock
from registry.domain.errors import Conflict, Unavailable
from registry.domain.evaluations import Evaluation, identified
from registry.domain.lineage import (
    Code,
    Dataset,
    DatasetRole,
    Environment,
    Run,
    Snapshot,
    base_model_of,
    parent_of,
)
from registry.domain.manifest import File
from registry.domain.registrations import Registration

T = TypeVar("T")
FORMAT = 1
_FORMAT_KEY = "format"
_REGISTRATION = (
    "description",
    "tags",
    "params",
    "metrics",
    "evaluations",
    "framework",
    "signature",
    "aliases",
    "update",
)
_SNAPSHOT = ("run", "code", "environment", "datasets", "parents", "base_models")


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """A version of the files at ``source``; ``registration`` has no files yet.

    ``allow_secrets``: also copy files that hold credentials. ``default_ignores``: leave out files of version control,
    caches and operating systems. ``create_model``: create the model unless there is one.
    """

    source: str
    registration: Registration
    allow_secrets: bool = False
    default_ignores: bool = True
    create_model: bool = False

    def document(self) -> dict[str, Any]:
        """Return what is kept of the request; what is at its default is left out."""
        snapshot = _as_document(self.registration.lineage, _SNAPSHOT)
        options = _as_document(self, ("allow_secrets", "default_ignores", "create_model"))
        return _as_document(self.registration, _REGISTRATION) | snapshot | options


def registration_of(document: Mapping[str, Any], files: Sequence[File]) -> Registration:
    """Return the registration of *files* that a document describes.

    Raises Unavailable for a document of a later release, which has to do it, and Conflict for one that cannot be read.
    """
    if document.get(_FORMAT_KEY, FORMAT) != FORMAT:
        raise Unavailable("a later release has to do it: this one cannot read the request")
    try:
        return _registration(document, files)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise Conflict(f"the request of this import cannot be read: {error}") from error


def _registration(document: Mapping[str, Any], files: Sequence[File]) -> Registration:
    snapshot = Snapshot(
        run=_optional(_run, document.get("run")),
        code=_optional(lambda code: Code(**code), document.get("code")),
        environment=_optional(lambda environment: Environment(**environment), document.get("environment")),
        datasets=tuple(_dataset(**dataset) for dataset in document.get("datasets", ())),
        parents=tuple(dict.fromkeys(map(parent_of, document.get("parents", ())))),
        base_models=tuple(dict.fromkeys(map(base_model_of, document.get("base_models", ())))),
    )
    named = [(dataset.name, dataset.digests) for dataset in snapshot.datasets]
    evaluations = (Evaluation(**one) for one in document.get("evaluations", ()))
    return Registration(
        files=files,
        description=document.get("description", ""),
        tags=document.get("tags", {}),
        params=document.get("params", {}),
        metrics=_numbers(document.get("metrics", {})),
        evaluations=tuple(identified(replace(one, metrics=_numbers(one.metrics)), named) for one in evaluations),
        framework=document.get("framework"),
        signature=document.get("signature"),
        lineage=snapshot,
        aliases=tuple(dict.fromkeys(document.get("aliases", ()))),
        update=document.get("update", False),
    )


def _run(document: Mapping[str, Any]) -> Run:
    times = {name: _optional(_instant, document.get(name)) for name in ("started_at", "finished_at")}
    return Run(**{**document, **times, "metrics": _numbers(document.get("metrics", {}))})


def _dataset(digests: Sequence[str], role: str = DatasetRole.OTHER, **others: Any) -> Dataset:
    return Dataset(digests=tuple(digests), role=DatasetRole(role), **others)


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _optional(read: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else read(value)


def _as_document(value: Any, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the fields of a dataclass that are not at their defaults, as JSON has them; only *names* where given."""
    chosen_fields = [item for item in fields(value) if names is None or item.name in names]
    return {
        item.name: _json(getattr(value, item.name))
        for item in chosen_fields
        if not _is_default(item, getattr(value, item.name))
    }


def _is_default(item: Field[Any], value: Any) -> bool:
    default = item.default_factory() if item.default_factory is not MISSING else item.default
    return bool(value == default)


def _json(value: Any) -> Any:
    if is_dataclass(value):
        return _as_document(value)
    if isinstance(value, datetime):
        return clock.wire(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): _json(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_json(one) for one in value]
    return value
