"""Fields of models and versions in the native dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from registry.domain.filters.terms import Operator
from registry.domain.reproducibility import Requirement
from registry.domain.stages import Lifecycle, Stage
from registry.domain.states import VersionState


class ValueKind(Enum):
    """Kind of a field's values, in the words of an error."""

    TEXT = "a text in quotes"
    NUMBER = "a number"
    WHOLE = "a whole number"
    TIME = "a time in quotes, like '2026-11-21T13:05:02Z' or '2026-11-21'"


_EQUAL = frozenset({Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN})
_LIKE = frozenset({Operator.LIKE, Operator.ILIKE, Operator.NOT_LIKE, Operator.NOT_ILIKE})
_LESS = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE})
OPERATORS: Mapping[ValueKind, frozenset[Operator]] = {
    ValueKind.TEXT: _EQUAL | _LIKE,
    ValueKind.NUMBER: _EQUAL | _LESS,
    ValueKind.WHOLE: _EQUAL | _LESS,
    ValueKind.TIME: frozenset({Operator.EQ, Operator.NE}) | _LESS,
}


@dataclass(frozen=True, slots=True)
class Field:
    """``entries``: has values by name, as tags do. ``many``: has any number of values, so that it gives no order.

    ``digest``: its values are digests. ``measured``: has a value on each dataset.
    """

    kind: ValueKind = ValueKind.TEXT
    entries: bool = False
    many: bool = False
    choices: tuple[str, ...] = ()
    digest: bool = False
    measured: bool = False


@dataclass(frozen=True, slots=True)
class Vocabulary:
    fields: Mapping[str, Field]
    synonyms: Mapping[str, str]

    @property
    def names(self) -> str:
        """The fields as an error lists them."""
        return ", ".join(f"{name}.<key>" if field.entries else name for name, field in sorted(self.fields.items()))


_SYNONYMS = {"tag": "tags", "param": "params", "metric": "metrics"}
_COMMON: Mapping[str, Field] = {
    "name": Field(),
    "tags": Field(entries=True),
    "alias": Field(many=True),
    "created_at": Field(ValueKind.TIME),
    "created_by": Field(),
    "updated_at": Field(ValueKind.TIME),
}
MODELS = Vocabulary(
    {**_COMMON, "lifecycle": Field(choices=tuple(Lifecycle)), "stage": Field(many=True, choices=tuple(Stage))},
    _SYNONYMS,
)
VERSIONS = Vocabulary(
    {
        **_COMMON,
        "version_number": Field(ValueKind.WHOLE),
        "stage": Field(choices=tuple(Stage)),
        "status": Field(choices=tuple(state for state in VersionState if state is not VersionState.DELETED)),
        "framework": Field(),
        "source_path": Field(),
        "run.id": Field(),
        "run.triggered_by": Field(),
        "code.commit": Field(),
        "code.branch": Field(),
        "dataset.name": Field(many=True),
        "dataset.digest": Field(many=True, digest=True),
        "lineage.missing": Field(many=True, choices=tuple(Requirement)),
        "params": Field(entries=True),
        "metrics": Field(ValueKind.NUMBER, entries=True, measured=True),
    },
    {**_SYNONYMS, "run_id": "run.id", "version": "version_number"},
)
