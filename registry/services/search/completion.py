"""Completion of filters with stored names and values."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, literal_column

from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageDigest, LineageNode, Model, ModelTag, Version, VersionMetric, VersionTag
from registry.db.queries import beginnings, search_fields, search_terms
from registry.db.session import look_up, look_up_together
from registry.domain.filters import keys, suggest
from registry.domain.filters.native import KEY_LENGTH
from registry.domain.filters.suggest import Opening, Suggestion
from registry.domain.filters.terms import Key
from registry.services.search import known_terms


class Of(StrEnum):
    """The kind of objects that a filter selects."""

    VERSIONS = "versions"
    MODELS = "models"


@dataclass(frozen=True, slots=True)
class Completion:
    """Texts that can replace the part ``start`` to ``end`` of the filter; offsets count characters from 0."""

    start: int
    end: int
    items: Sequence[Suggestion]


@dataclass(frozen=True, slots=True)
class _Kind:
    vocabulary: keys.Vocabulary
    searched: known_terms.Searched
    tags: Any


_KINDS = {
    Of.MODELS: _Kind(keys.MODELS, known_terms.MODELS, ModelTag),
    Of.VERSIONS: _Kind(keys.VERSIONS, known_terms.VERSIONS, VersionTag),
}
# Fields whose values have an index in their order. Account names are no readers' business.
_MODEL_NAMES = beginnings.distinct(Model.name, Model.deleted_at.is_(None))
_VALUES = {
    "name": _MODEL_NAMES,
    "run.id": beginnings.distinct(Version.run_id),
    "dataset.name": beginnings.distinct(LineageNode.name, LineageNode.kind == literal_column("'dataset'")),
    "dataset.digest": beginnings.distinct(LineageDigest.digest),
}
_DATASETS_OF_METRICS = beginnings.distinct(VersionMetric.dataset_digest)


def complete(text: str, *, of: Of = Of.VERSIONS, caret: int | None = None) -> Completion:
    """Return at most 12 suggestions for the caret, by default the end, of an unfinished filter."""
    at = len(text) if caret is None else min(caret, len(text))
    kind = _KINDS[of]
    place = suggest.place(kind.vocabulary, text, at)
    items = [*suggest.spaced(place), *_found(kind, place)]
    return Completion(place.start, place.end, items[: suggest.MOST])


def model_names(begin: str) -> list[str]:
    """Return at most 12 names of live models that begin with a text."""
    if not _can_begin(begin):
        return []
    return [row[0] for row in look_up(_MODEL_NAMES, **_parameters(begin))]


def model_tag_values(key: str, *, limit: int) -> list[str]:
    """Return the first values of a tag of models in their order, without those of 64 characters or more."""
    rows = look_up(_values_of_tag(ModelTag), entry=key, **_parameters("") | {"limit": limit})
    return [row[0] for row in rows if len(row[0]) < search_terms.PREFIX]


def _found(kind: _Kind, place: Opening) -> Iterator[Suggestion]:
    """Yield the suggestions from the database, read in one round trip."""
    if not _can_begin(place.begin):
        return
    if place.values_of is not None:
        if query := _query_for_values(kind, place.values_of, place):
            look_up_together(query)
            is_cut = place.values_of.field == "tags"  # to what the index has of a value
            values = [row[0] for row in query.rows if not (is_cut and len(row[0]) >= search_terms.PREFIX)]
            yield from suggest.valued(place, values)
        return
    if place.entries_of:
        queries = [
            Query(_names_of(kind.searched.entries[field]), **_parameters(place.begin)) for field in place.entries_of
        ]
        look_up_together(*queries)
        for field, query in zip(place.entries_of, queries, strict=True):
            yield from suggest.named(place, field, [row[0] for row in query.rows])


def _query_for_values(kind: _Kind, key: Key, place: Opening) -> Query | None:
    """Return the query for values of the key; None where no index has them in their order."""
    parameters = _parameters(place.begin)
    if place.is_digest:
        return Query(_DATASETS_OF_METRICS, **parameters)
    if key.field == "tags":
        return Query(_values_of_tag(kind.tags), entry=key.entry, **parameters)
    statement = _VALUES.get(key.field)
    return Query(statement, **parameters) if statement else None


@functools.cache
def _names_of(column: Any) -> FixedStatement:
    return beginnings.distinct(column)


@functools.cache
def _values_of_tag(table: Any) -> FixedStatement:
    return beginnings.distinct(search_fields.beginning(table), table.key == bindparam("entry", type_=table.key.type))


def _can_begin(text: str) -> bool:
    return len(text) <= KEY_LENGTH and text.isprintable()


def _parameters(begin: str) -> dict[str, Any]:
    return {"begin": begin, "length": len(begin), "limit": suggest.MOST}
