"""The columns of a dataset, from the description that a registration gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_LISTS = ("fields", "columns", "mlflow_colspec")


def columns_of(schema: Mapping[str, Any] | None) -> list[tuple[str, str | None]]:
    """Return name and type of each column; none where the description has another form.

    The forms are a list of columns under ``fields``, ``columns`` or MLflow's ``mlflow_colspec``, and types by name.
    """
    if not schema:
        return []
    described = next((schema[key] for key in _LISTS if isinstance(schema.get(key), list)), None)
    if described is not None:
        return [*_columns_in(described)]
    if all(isinstance(value, str) for value in schema.values()):
        return [*schema.items()]
    return []


def _columns_in(described: list[Any]) -> Iterator[tuple[str, str | None]]:
    for column in described:
        if isinstance(column, Mapping) and isinstance(column.get("name"), str):
            kind = column.get("type")
            yield column["name"], kind if isinstance(kind, str) else None
