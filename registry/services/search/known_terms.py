"""Refusal of searches and orders by names and keys that do not exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import InstrumentedAttribute, Session

from registry.db.models import Model, ModelTag, VersionMetric, VersionParam, VersionTag
from registry.db.queries import existing_values
from registry.domain.errors import UnknownValue
from registry.domain.filters.terms import Condition, Key, Operator, Order, Term, asserted
from registry.services import known_values

Column = InstrumentedAttribute[str]


@dataclass(frozen=True, slots=True)
class Searched:
    """Kind of search: *noun* for errors, and the columns that hold the names of its entries."""

    noun: str
    entries: Mapping[str, Column]


MODELS = Searched("model", {"tags": ModelTag.key})
VERSIONS = Searched("version", {"tags": VersionTag.key, "params": VersionParam.key, "metrics": VersionMetric.key})


def require_known(
    session: Session, searched: Searched, term: Term, order: Sequence[Order], places: Sequence[Sequence[Any]]
) -> None:
    """Raise UnknownValue for an unknown name where the first page is empty, or lacks the values to sort by.

    *places* are the values of the order for each row of the page. A search with results, in an order of its columns,
    costs no further statement.
    """
    if not places:
        for condition in asserted(term):
            _require_named(session, condition)
            _require_entry(session, searched, condition.key, argument="filter")
    for number, one in enumerate(order):
        if one.key.entry is not None and (not places or places[0][number] is None):
            _require_entry(session, searched, one.key, argument="order_by")


def _require_named(session: Session, condition: Condition) -> None:
    if condition.operator not in {Operator.EQ, Operator.IN}:
        return
    values = [str(value) for value in condition.value] if isinstance(condition.value, tuple) else [str(condition.value)]
    if condition.key.field == "created_by":
        known_values.require_author(session, *values, parameter="filter")
    elif condition.key.field == "name" and not existing_values.exists(session, Model.name, *values):
        raise UnknownValue(
            "filter", values[0], "no model has this name", existing_values.neighbours(session, Model.name, values[0])
        )


def _require_entry(session: Session, searched: Searched, key: Key, *, argument: str) -> None:
    if key.entry is None:
        return
    if existing_values.exists(session, column := searched.entries[key.field], key.entry):
        _require_measured(session, key, argument)
        return
    others = [f"{key.field}.{name}" for name in existing_values.neighbours(session, column, key.entry)]
    raise UnknownValue(argument, f"{key.field}.{key.entry}", f"no {searched.noun} has this key", others)


def _require_measured(session: Session, key: Key, argument: str) -> None:
    """Raise UnknownValue for a dataset on which no version has the metric."""
    if key.on is None or existing_values.exists(
        session, VersionMetric.dataset_digest, key.on, also=VersionMetric.key == key.entry
    ):
        return
    others = existing_values.neighbours(session, VersionMetric.dataset_digest, key.on)
    raise UnknownValue(argument, key.on, f"no version has {key.field}.{key.entry} measured on this dataset", others)
