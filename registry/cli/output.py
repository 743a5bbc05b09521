"""What people read: aligned tables, short times, sentences. Nothing from the server reaches the terminal raw."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from registry.rules.text import escape

if TYPE_CHECKING:
    from registry.client.types import MovedView


def clean(text: object) -> str:
    """*text* with everything that a terminal might obey written out."""
    return escape(str(text))


def lines(text: str) -> str:
    """The same of a text of several lines, which stay lines."""
    return "\n".join(map(clean, text.split("\n")))


def encoded(value: Any, *, indent: int | None = None) -> str:
    """*value* as JSON in ASCII, so that every locale can carry it, without a character that a terminal might obey."""
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")


def pass_on(pieces: Iterable[bytes]) -> None:
    """Write a file in UTF-8 to stdout: as it is, or on a terminal as text that it does not obey."""
    out, decoder = sys.stdout.buffer, codecs.getincrementaldecoder("utf-8")(errors="replace")
    for piece in pieces:
        if sys.stdout.isatty():
            piece = lines(decoder.decode(piece).replace("\r", "")).encode()  # noqa: PLW2901 -- the same, made safe
        out.write(piece)
    out.flush()


def line(text: object = "") -> None:
    """One line on stdout."""
    click.echo(clean(text))


def note(text: object) -> None:
    """One line on stderr: for people only."""
    click.echo(clean(text), err=True)


def document(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(encoded(value, indent=2 if sys.stdout.isatty() else None))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table: drawn on a terminal, else aligned text with a line of headings."""
    cells = [[clean("" if cell is None else cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _draw(columns, cells)
    else:
        _align([[column.upper() for column in columns], *cells])


def pairs(items: Iterable[tuple[str, object]]) -> None:
    """Labels with values, aligned; without the ones that have none."""
    present = [(label, value) for label, value in items if value not in (None, "", [], {})]
    width = max((len(label) for label, _ in present), default=0)
    for label, value in present:
        line(f"  {label:<{width}}  {value}")


def when(timestamp: str | None) -> str:
    """``2026-11-21T13:05:02.123456Z`` as ``2026-11-21 13:05:02 UTC``."""
    return f"{timestamp[:19].replace('T', ' ')} UTC" if timestamp else ""


def size(count: int) -> str:
    """A number of bytes with a unit."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def span(seconds: float) -> str:
    """``45s``, ``12m``, ``3h 20m``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f}s"
    return f"{minutes}m" if minutes < 60 else f"{minutes // 60}h {minutes % 60}m"


def joined(values: Mapping[str, object]) -> str:
    """``a=1 b=2``."""
    return " ".join(f"{key}={value}" for key, value in values.items())


def count(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def moved(move: MovedView) -> str:
    """A move as one sentence: who had to leave, who entered, how and when."""
    name = move["model"]
    if not move["changed"] and not move["dry_run"]:
        return f"{name}:{move['number']} is in {move['target']} already; nothing changed"
    steps = [f"{name}:{move['number']} {move['source']} -> {move['target']}"]
    if move["displaced"] is not None:
        steps.insert(0, f"{name}:{move['displaced']} {move['target']} -> archived")
    how = ", ".join(part for part in (move["kind"], when(move["at"])) if part)
    would = "dry run, nothing changed: " if move["dry_run"] else ""
    return f"{would}{', '.join(steps)}" + (f" ({how})" if how else "")


def _align(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)
