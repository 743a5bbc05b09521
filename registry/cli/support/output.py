"""Output for people: sentences, labels with values, JSON. Text of the server is cleaned before a terminal gets it."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import cells
from registry.rules import units
from registry.rules.text import escape

if TYPE_CHECKING:
    from registry.client.types import MovedView

size = units.size  # with the other forms of values


def clean(text: object) -> str:
    """Return *text* with control characters of a terminal escaped."""
    return escape(str(text))


def lines(text: str) -> str:
    """Return the same of a text of several lines, which stay lines."""
    return "\n".join(map(clean, text.split("\n")))


def encoded(value: Any, *, indent: int | None = None) -> str:
    """Return *value* as JSON in ASCII: printable in every locale, without control characters of a terminal."""
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
    """Write one line to stdout."""
    click.echo(clean(text))


def block(text: str) -> None:
    """Write several lines to stdout, indented."""
    for each in text.split("\n"):
        line(f"  {each}")


def note(text: object) -> None:
    """Write one line to stderr, for people only."""
    click.echo(clean(text), err=True)


def document(value: Any) -> None:
    """Write one JSON document to stdout."""
    click.echo(encoded(value, indent=2 if sys.stdout.isatty() else None))


def pairs(items: Iterable[tuple[str, object]], *, indent: str = "  ") -> None:
    """Write labels with values, aligned; without the ones that have none."""
    terminal = sys.stdout.isatty()
    present = [(label, text) for label, value in items if (text := cells.text(value, terminal=terminal))]
    width = max((len(label) for label, _ in present), default=0)
    for label, text in present:
        line(f"{indent}{label:<{width}}  {text}")


def when(timestamp: str | None) -> str:
    """Format ``2026-11-21T13:05:02.123456Z`` as ``2026-11-21 13:05:02 UTC``."""
    return f"{timestamp[:19].replace('T', ' ')} UTC" if timestamp else ""


def span(seconds: float) -> str:
    """Format a number of seconds as ``45s``, ``12m`` or ``3h 20m``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f}s"
    return f"{minutes}m" if minutes < 60 else f"{minutes // 60}h {minutes % 60}m"


def joined(values: Mapping[str, object]) -> str:
    """Format a mapping as ``a=1 b=2``."""
    return cells.text(values, terminal=sys.stdout.isatty())


def count(number: int, noun: str) -> str:
    """Format a count with its noun: ``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def moved(move: MovedView) -> str:
    """Return a move as one sentence: who had to leave, who entered, how and when."""
    name = move["model"]
    if not move["changed"] and not move["dry_run"]:
        return f"{name}:{move['number']} is in {move['target']} already; nothing changed"
    steps = [f"{name}:{move['number']} {move['source']} -> {move['target']}"]
    if move["displaced"] is not None:
        steps.insert(0, f"{name}:{move['displaced']} {move['target']} -> archived")
    kind = move["kind"]
    if kind == "rollback" and move["displaced"] is not None:
        kind = f"rolled back from {move['displaced']} to {move['number']}"
    how = ", ".join(part for part in (kind, when(move["at"])) if part)
    would = "dry run, nothing changed: " if move["dry_run"] else ""
    return f"{would}{', '.join(steps)}" + (f" ({how})" if how else "")
