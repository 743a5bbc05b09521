"""Refusal of searches for names and keys that nothing has, and of orders by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import InstrumentedAttribute, Session

from registry.db.models import Account, Model, ModelTag, VersionMetric, VersionParam, VersionTag
from registry.db.queries import known
from registry.domain.errors import UnknownValue
from registry.domain.filters.terms import Condition, Key, Operator, Order, Term, asserted

Column = InstrumentedAttribute[str]


@dataclass(frozen=True, slots=True)
class Searched:
    """What is searched: *noun* for errors, and the columns that hold the names of its entries."""

    noun: str
    entries: Mapping[str, Column]


MODELS = Searched("model", {"tags": ModelTag.key})
VERSIONS = Searched("version", {"tags": VersionTag.key, "params": VersionParam.key, "metrics": VersionMetric.key})
# Names that are suggested are those which a search shows: of models, not of accounts.
_NAMES: Mapping[str, tuple[Column, str, bool]] = {
    "name": (Model.name, "no model has this name", True),
    "created_by": (Account.name, "no account has this name", False),
}


def require_known(
    session: Session, searched: Searched, term: Term, order: Sequence[Order], found: Sequence[Any]
) -> None:
    """Raise UnknownValue where the first page is empty, or without the values to sort by, for a name that is unknown.

    A search that finds something, in an order of its own, costs no statement more.
    """
    if not found:
        for condition in asserted(term):
            _require_named(session, condition)
            _require_entry(session, searched, condition.key, argument="filter")
    for one in order:
        if one.key.entry is not None and (not found or one.key.entry not in getattr(found[0], one.key.field)):
            _require_entry(session, searched, one.key, argument="order_by")


def _require_named(session: Session, condition: Condition) -> None:
    if condition.operator not in {Operator.EQ, Operator.IN} or condition.key.field not in _NAMES:
        return
    column, problem, suggests = _NAMES[condition.key.field]
    values = [str(value) for value in condition.value] if isinstance(condition.value, tuple) else [str(condition.value)]
    if known.exists(session, column, *values):
        return
    others = known.neighbours(session, column, values[0]) if suggests else ()
    raise UnknownValue("filter", values[0], problem, others)


def _require_entry(session: Session, searched: Searched, key: Key, *, argument: str) -> None:
    if key.entry is None or known.exists(session, column := searched.entries[key.field], key.entry):
        return
    others = [f"{key.field}.{name}" for name in known.neighbours(session, column, key.entry)]
    raise UnknownValue(argument, f"{key.field}.{key.entry}", f"no {searched.noun} has this key", others)
