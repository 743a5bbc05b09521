"""Metrics over the versions of a model, as rows of a table and as a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import click

from registry.cli.support.cells import Whole
from registry.rules.csv_cells import cell

if TYPE_CHECKING:
    from registry.client.types import MeasuredVersionView


def row_of(model: str, keys: Sequence[str]) -> Callable[[MeasuredVersionView], list[object]]:
    """Return the function from a version to its row: the version, its stage, and the value of each metric or None."""
    return lambda version: [
        Whole(f"{model}:{version['number']}"),
        Whole(version["stage"]),
        *_values(version, keys),
    ]


def write_csv(versions: Iterable[MeasuredVersionView], keys: Sequence[str]) -> None:
    """Write a CSV file to stdout as the API does: a line for each version, with a column for each metric."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["version", "stage", "state", "created_at", *map(cell, keys)])
    for version in versions:
        facts = (version["number"], version["stage"], version["state"], version["created_at"])
        writer.writerow([*facts, *("" if value is None else repr(value) for value in _values(version, keys))])
    click.echo(buffer.getvalue(), nl=False)


def _values(version: MeasuredVersionView, keys: Sequence[str]) -> list[float | None]:
    values = {point["key"]: point["value"] for point in version["points"]}
    return [values.get(key) for key in keys]
