"""Tables: drawn to the width of a terminal, aligned and complete when a program reads them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click

from registry.cli.support import cells, output
from registry.cli.support.cells import Moment

# A heading, or several for values that stand below each other in one column of a terminal.
Column = str | tuple[str, ...]
_GAP = 2
_WIDEST_WORD = 16  # a longer one is broken


def table(columns: Sequence[Column], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print a table with one cell a heading; without any rows print *empty* to stderr instead.

    A terminal gets short values and no column without any value; where the columns do not fit, one block a row.
    """
    cells_by_row = [list(row) for row in rows]
    if not cells_by_row:
        output.note(empty)
        return
    if sys.stdout.isatty():
        _draw(columns, cells_by_row)
    else:
        names = [name for column in columns for name in _names(column)]
        _align(
            [
                [name.upper() for name in names],
                *([_cell(value, terminal=False) for value in row] for row in cells_by_row),
            ]
        )


def _names(column: Column) -> tuple[str, ...]:
    return (column,) if isinstance(column, str) else column


def _cell(value: object, *, terminal: bool) -> str:
    return output.clean(cells.text(value, terminal=terminal))


def _align(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


@dataclass(frozen=True, slots=True)
class _Drawn:
    """One column of a terminal. ``least`` is the width below which a word or a fixed value would be broken."""

    heading: str
    values: list[list[str]]
    fixed: bool
    least: int


def _draw(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    drawn = list(_columns(columns, rows))
    if sum(column.least for column in drawn) + _GAP * (len(drawn) - 1) > console.width:
        _draw_blocks([name for column in columns for name in _names(column)], rows)
        return

    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawing = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, _GAP - 1, 0, 0), pad_edge=False)
    for column in drawn:
        drawing.add_column(column.heading, overflow="fold", no_wrap=column.fixed, min_width=column.least)
    for index in range(len(rows)):
        drawing.add_row(*(Text("\n".join(column.values[index])) for column in drawn))
    console.print(drawing)


def _columns(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> Iterable[_Drawn]:
    """Lay the cells out in columns, without the empty ones."""
    start = 0
    for column in columns:
        names = _names(column)
        cut = [row[start : start + len(names)] for row in rows]
        start += len(names)
        values = [[text for value in row if (text := _cell(value, terminal=True))] for row in cut]
        if not any(values):
            continue
        timed = any(isinstance(value, Moment) and "T" in value for row in cut for value in row)
        heading = f"{names[0]} UTC" if timed else names[0]
        fixed = all(cells.is_fixed(value) or value == "" for row in cut for value in row)
        words = (_least(value) for row in cut for value in row)
        yield _Drawn(heading, values, fixed, max(*words, *map(len, heading.split())))


def _least(value: object) -> int:
    text = _cell(value, terminal=True)
    if cells.is_fixed(value):
        return len(text)
    return max((min(len(word), _WIDEST_WORD) for word in text.split()), default=0)


def _draw_blocks(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print each row as labels with values, as psql does in its expanded form."""
    for index, row in enumerate(rows):
        if index:
            output.line()
        output.pairs(zip(names, row, strict=True), indent="")
