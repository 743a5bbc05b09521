"""``registry diff``: versions side by side, compared by the service."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import cells, output, tables
from registry.cli.support.cells import Digest, Moment
from registry.cli.support.options import connected
from registry.cli.support.parsing import REFERENCE
from registry.cli.support.session import Session
from registry.domain.pinned_packages import COMPARED_FILES, is_named
from registry.rules import units

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.types import CellView, ComparisonRowView, ComparisonView, FileComparisonView

LONGEST = 60  # characters of a value on a terminal
MOST_VERSIONS = 6
SIGNS = {"same": " ", "changed": "~", "added": "+", "removed": "-", "undecided": "?"}

KINDS = {
    "same": "the same in both versions",
    "binary": "no text; its lines cannot be compared",
    "large": "more than 64 KiB; pull both versions to compare its lines",
    "repetitive": "its lines repeat too often to be compared; pull both versions to compare it",
}


@click.command()
@click.argument("refs", metavar="REF REF [REF]...", nargs=-1, required=True, type=REFERENCE)
@click.option("--all", "everything", is_flag=True, help="As --only all.")
@click.option(
    "--only",
    type=click.Choice(["changed", "all"]),
    default="changed",
    show_default=True,
    help="Show the facts that differ, or also those that are equal in all versions.",
)
@click.option("--file", "path", metavar="PATH", help="Compare this text file, line by line and by packages.")
@connected
def diff(session: Session, refs: tuple[Reference, ...], everything: bool, only: str, path: str | None) -> None:
    """Show two to six versions side by side, with deltas from the first.

    The versions may be of several models. A model without a selector means its latest version. Numbers are shown with
    the difference from the first version, and metrics with "better" or "worse" where the end of their name shows
    whether higher values are better. Of two versions, the packages of changed requirements and lock files are compared,
    too. "~" marks a value that differs from the first version, "+" one that the first version lacks, "-" one that only
    the first version has, and "?" an unknown one.

    The exit code is 0 whether or not the versions differ: "same" in the JSON has the result. It ignores stages, aliases
    and times of registration.

    \b
    Example:
      registry diff fraud:9 fraud:11
      registry diff fraud#production fraud:7
      registry diff fraud:2 spam:3 --only all
      registry diff fraud:9 fraud:11 --file requirements.txt
      registry diff fraud:9 spam:2 --json
    """
    if not 2 <= len(refs) <= MOST_VERSIONS:
        raise click.UsageError(f"Name 2 to {MOST_VERSIONS} versions, e.g. registry diff fraud:9 fraud:11.")
    if path is not None:
        if len(refs) != len(("first", "second")):
            raise click.UsageError("--file compares two versions; name two.")
        file = session.registry.versions.diff_file(str(refs[0]), str(refs[1]), path)
        session.show(file, lambda: _show_file(file))
        return
    everything = everything or only == "all"
    comparison = session.registry.versions.compare(*map(str, refs), everything=everything)
    environments = list(_environments(session, comparison, refs))
    session.show(
        {**comparison, "environments": environments},
        lambda: _show(comparison, environments, everything=everything),
    )


def _environments(
    session: Session, comparison: ComparisonView, refs: tuple[Reference, ...]
) -> Iterator[FileComparisonView]:
    """Yield the comparison of each changed requirements or lock file of two versions that names packages.

    A caller who must not read files, or files that cannot be read, have none.
    """
    from registry.client import errors

    if len(refs) != len(("first", "second")):
        return
    files = [row for section in comparison["sections"] if section["name"] == "files" for row in section["rows"]]
    named = [row["name"] for row in files if row["cells"][1]["change"] == "changed" and is_named(row["name"])]
    for path in named[:COMPARED_FILES]:
        try:
            file = session.registry.versions.diff_file(str(refs[0]), str(refs[1]), path)
        except errors.RegistryError:
            continue
        if file["packages"]:
            yield file


def _show(comparison: ComparisonView, environments: Sequence[FileComparisonView], *, everything: bool) -> None:
    names = [f"{version['model']}:{version['number']}" for version in comparison["versions"]]
    rows = list(_comparison_rows(comparison, terminal=sys.stdout.isatty()))
    tables.table(("what", *names), rows, empty=f"{' and '.join(names)} have the same files and facts")
    equal = [section["name"] for section in comparison["sections"] if section["equal"] and not section["rows"]]
    if equal and not everything:
        output.line(f"Equal: {', '.join(equal)}.")
    if unrecorded := [name for section in comparison["sections"] for name in section["unrecorded"]]:
        output.line(f"Not recorded in any: {', '.join(unrecorded)}.")
    if unknown := [name for section in comparison["sections"] for name in section["unknown_facts"]]:
        output.line(f"Unknown in all: {', '.join(unknown)}.")
    if omitted := sum(section["omitted"] for section in comparison["sections"]):
        output.note(f"{output.count(omitted, 'further row')} of long sections not shown.")
    for file in environments:
        output.line()
        output.line(f"Packages of {file['path']}:")
        _show_packages(file)
    for cell in (cell for section in comparison["sections"] for row in section["rows"] for cell in row["cells"]):
        if address := cell.get("address"):
            output.line(f"Commits: {address}")


def _show_file(file: FileComparisonView) -> None:
    """Write the lines as a unified diff, and the packages after them."""
    if file["kind"] != "changes":
        output.line(f"{file['path']}: {KINDS.get(file['kind'], file['kind'])}")
    else:
        for sign, reference in zip(("---", "+++"), file["references"], strict=True):
            output.line(f"{sign} {reference}/{file['path']}")
    for hunk in file["hunks"]:
        counts = [sum(line["change"] != other for line in hunk["lines"]) for other in ("added", "removed")]
        output.line(f"@@ -{hunk['first']},{counts[0]} +{hunk['other']},{counts[1]} @@")
        for line in hunk["lines"]:
            output.line(f"{SIGNS[line['change']]}{line['text']}")
    if file["omitted"]:
        output.note(f"{output.count(file['omitted'], 'further line')} not shown.")
    if file["packages"]:
        output.line()
        _show_packages(file)


def _show_packages(file: FileComparisonView) -> None:
    rows = [[f"{SIGNS[one['change']]} {one['name']}", one["first"], one["other"]] for one in file["packages"] or ()]
    tables.table(("package", *file["references"]), rows, empty="")
    if omitted := file["omitted_packages"]:
        output.note(f"{output.count(omitted, 'further package')} not shown.")


def _comparison_rows(comparison: ComparisonView, *, terminal: bool) -> Iterator[list[object]]:
    for section in comparison["sections"]:
        for row in section["rows"]:
            name = f"{section['name']}.{row['name']}"
            if row["group"]:
                name += f" ({row['note'] or cells.text(Digest(row['group']), terminal=terminal)})"
            if part := row.get("slice"):  # an earlier release does not send it
                name += f" [{part}]"
            yield [name, *(_cell_text(row, cell, terminal=terminal) for cell in row["cells"])]


def _cell_text(row: ComparisonRowView, cell: CellView, *, terminal: bool) -> str:
    absence = cell["absence"]
    value = f"({absence.replace('_', ' ')})" if absence else _value_text(row["kind"], cell["value"], terminal)
    if terminal and len(value) > LONGEST:
        value = f"{value[:LONGEST]}…"
    if delta := cell["delta"]:
        percent = "" if delta["percent"] is None else f", {delta['percent']:+.1f} %"
        is_size = row["kind"] == "size"
        absolute = units.size_difference(int(delta["absolute"])) if is_size else _number_text(delta["absolute"])
        verdict = f", {judged}" if (judged := cell.get("verdict")) else ""  # an earlier release does not send it
        value += f" ({absolute}{percent}{verdict})"
    return f"{SIGNS.get(cell['change'], '~')} {value}"


def _number_text(difference: float) -> str:
    return f"{difference:+.{cells.SIGNIFICANT}g}"


def _value_text(kind: str, value: Any, terminal: bool) -> str:
    """Return a value by the kind of its row; of a kind of a later release, as it is."""
    if kind == "file" and isinstance(value, Mapping):
        return f"{_digest_text(value['sha256'], terminal)} {output.size(value['size'])}"
    if kind == "dataset" and isinstance(value, Mapping):
        return ", ".join(_digest_text(one, terminal) for one in value["digests"])
    if kind == "time":
        return cells.text(Moment(value), terminal=terminal)
    if kind == "digest":
        return _digest_text(value, terminal)
    if kind == "size":
        return output.size(value)
    return cells.text(value, terminal=terminal)


def _digest_text(digest: str, terminal: bool) -> str:
    return cells.text(Digest(digest), terminal=terminal)
