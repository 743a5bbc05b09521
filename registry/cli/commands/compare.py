"""``registry compare``: the differences between two versions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import cells, output, tables
from registry.cli.support.cells import Digest, Moment
from registry.cli.support.options import connected
from registry.cli.support.parsing import REFERENCE
from registry.cli.support.session import Session
from registry.rules import digests

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.comparison import Comparison

_LONGEST = 200  # characters of a value on a terminal
_TIMES = ("run.started_at", "run.finished_at")


@click.command()
@click.argument("first", type=REFERENCE)
@click.argument("second", type=REFERENCE)
@connected
def compare(session: Session, first: Reference, second: Reference) -> None:
    """Show the differences between two versions of any models: files, metrics, params, tags, lineage.

    A model without a selector means its latest version. Metrics on datasets are compared on the same dataset. Stages,
    aliases and times of registration are not compared.

    The exit code is 0 whether or not the versions differ: "same" in the JSON has the result. The client compares
    the versions, so the command works with every release of the service. "registry diff" shows up to six versions side
    by side, with deltas and with the reasons for missing values.

    \b
    Example:
      registry compare fraud:1 fraud:3
      registry compare fraud#production fraud@challenger
      registry compare fraud:3 fraud --json
    """
    comparison = session.registry.compare(first, second)
    session.show(_comparison_document(comparison), lambda: _show_comparison(comparison))


def _comparison_document(comparison: Comparison) -> dict[str, Any]:
    return {
        "first": comparison.first,
        "second": comparison.second,
        "same": comparison.same,
        "files": {path: change._asdict() for path, change in comparison.files.items()},
        "facts": {name: change._asdict() for name, change in comparison.facts.items()},
    }


def _show_comparison(comparison: Comparison) -> None:
    names = " and ".join(f"{version['model']}:{version['number']}" for version in (comparison.first, comparison.second))
    if comparison.same:
        output.line(f"{names} have the same files and facts")
        return
    counts = [output.count(len(comparison.files), "file"), output.count(len(comparison.facts), "fact")]
    output.line(f"{names} differ in {' and '.join(counts)}")
    output.line()
    terminal = sys.stdout.isatty()
    rows = [[f"file {path}", *map(_digest_cell, change)] for path, change in comparison.files.items()]
    for name, change in comparison.facts.items():
        rows.append(
            [_name_cell(name, terminal=terminal), *(_value_cell(name, one, terminal=terminal) for one in change)]
        )
    tables.table(("what", "first", "second"), rows, empty="")


def _digest_cell(sha256: str | None) -> object:
    return None if sha256 is None else Digest(sha256)


def _name_cell(name: str, *, terminal: bool) -> str:
    """Return the name of a fact; on a terminal with the beginning of the digest that a metric was measured on."""
    metric, at, digest = name.rpartition("@")
    if not name.startswith("metrics.") or not at or digests.problem(digest):
        return name
    return f"{metric}@{cells.text(Digest(digest), terminal=terminal)}"


def _value_cell(name: str, value: object, *, terminal: bool) -> object:
    """Return the cell of a fact; a terminal gets the beginning of long ones."""
    if isinstance(value, str) and name in _TIMES:
        return Moment(value)
    if isinstance(value, list):
        value = [Digest(one) if name.startswith("datasets.") else one for one in value]
    if not terminal or not isinstance(value, str | dict | list):
        return value
    text = cells.text(value, terminal=True)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
