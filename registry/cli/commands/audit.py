"""``registry audit``: everything that happened, read once or incrementally."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from registry.cli.commands.log_epochs import log_key, new_epoch
from registry.cli.commands.prove import prove
from registry.cli.commands.redaction import find_text, redact
from registry.cli.commands.verification import verify
from registry.cli.commands.witness import watch
from registry.cli.support import output, server, tables
from registry.cli.support.entries import (
    DOWNLOAD_COLUMNS,
    ENTRY_COLUMNS,
    NO_DOWNLOADS,
    NO_ENTRIES,
    NO_REFUSALS,
    REFUSAL_COLUMNS,
    describe_entry,
    download_row,
    entry_row,
    refusal_row,
)
from registry.cli.support.options import connected, filters
from registry.cli.support.options import limit as common_limit
from registry.cli.support.parsing import TIME
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client.types import EntryView

START, POLL_SECONDS = "start", 0.25
HEADER = (b'{"export":', b"# ")  # begin the lines of an export's header
UNSEALED = "Committed entries are not sealed yet. They follow within seconds, if a worker runs (registry doctor)."


@click.group(invoke_without_command=True)
@filters()
@click.option("--model", metavar="NAME", help="Only this model and its versions.")
@click.option("--version", type=click.IntRange(1), metavar="NUMBER", help="With --model: only this version.")
@click.option("--request-id", metavar="ID", help="Only entries of this request: the X-Request-Id of its response.")
@click.option("--format", type=click.Choice(["jsonl", "csv"]), help="Export all matching entries, oldest first.")
@click.option("--after", metavar="POSITION", help="Only entries after the position of an earlier response; start: all.")
@click.option("--bodies", is_flag=True, help="With --json: also the hashed bytes of each entry, in base64.")
@click.option("--wait", type=click.FloatRange(0, 60), default=3, show_default=True, metavar="SECONDS",
              help="With --after or --state: how long to wait for entries that are not sealed yet.")  # fmt: skip
@click.option("--no-header", is_flag=True, help="Export without the header, which has filter, time and checkpoint.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Export the entries after the position in this file, and update it. Only the first export has the header.",
)
@connected
def audit(session: Session, limit: int, model: str | None, wait: float, no_header: bool, **query: Any) -> None:
    """Search the audit log, newest first, or export it. Needs the role auditor or admin.

    With --after or --state, each sealed entry is read exactly once, regardless of when its transaction was committed;
    --since can miss entries. Entries are sealed within seconds.

    \b
    Example:
      registry audit --actor alice --since 2026-11-01 --json
      registry audit --model fraud --version 3 --action 'version.*'
      registry audit --model fraud --format csv > fraud.csv
      registry audit --state audit.position >> audit.jsonl
      registry audit verify
    """
    if command := click.get_current_context().invoked_subcommand:
        _refuse_own_options(command)
        return
    form, after, state = query.pop("format"), query.pop("after"), query.pop("state")
    bodies = query.pop("bodies")
    if bodies and (form or state or not session.as_json):
        raise click.UsageError("--bodies is for --json; an export always has them.")
    if query["version"] is not None and model is None:
        raise click.UsageError("--version is the number of a version of a model: add --model.")
    query["model"] = model
    if state and after:
        raise click.UsageError("Give --after or --state, not both.")
    if state:
        if not state.parent.is_dir():
            raise click.UsageError(f"--state {state}: there is no directory {state.parent} to keep the position in.")
        goes_on = state.exists()
        position = state.read_text().strip() if goes_on else START
        headless = goes_on and form == "csv"
        query["header"] = False if no_header or (goes_on and position == START) else None
        quiet = not sys.stderr.isatty()  # nothing new is usual for a job that runs often
        export = _export(session, form or "jsonl", headless=headless, wait=wait, after=position, **query)
        export.report(quiet=quiet)
        _keep_export(state, export.next_after)
    elif form:
        header = False if no_header else None
        export = _export(session, form, wait=wait, after=after, header=header, **query)
        export.report()
        if export.next_after:
            output.note(f"Go on with: --after {export.next_after}")
    elif after:
        _show_changes(session, after, limit, bodies, query, wait=wait)
    else:
        rows = (_entry_without_bytes(entry, bodies) for entry in session.registry.audit.entries(**query))
        session.list(rows, ENTRY_COLUMNS, entry_row, empty=NO_ENTRIES, limit=limit)


@dataclass(slots=True)
class WrittenExport:
    """An export that was written to stdout: where it ends, and whether it has entries."""

    next_after: str | None
    waiting: bool
    is_empty: bool

    def report(self, *, quiet: bool = False) -> None:
        """Report on stderr that there are no entries, or that some are not sealed yet; if *quiet*, only both."""
        if self.waiting and (self.is_empty or not quiet):
            output.note(UNSEALED)
        elif self.is_empty and not quiet:
            output.note(NO_ENTRIES)


def _export(session: Session, form: Any, *, wait: float, headless: bool = False, **query: Any) -> WrittenExport:
    """Write the file to stdout, and what is sealed in *wait* seconds while entries wait for that."""
    end, is_empty = time.monotonic() + wait, True
    while True:
        export, lines = session.registry.audit.export(form, **query), ExportLines()
        output.pass_on(_after_first_line(lines.of(export)) if headless else lines.of(export))
        is_empty = is_empty and lines.count <= (form == "csv")
        if not export.waiting or time.monotonic() >= end:
            return WrittenExport(export.next_after, export.waiting, is_empty)
        time.sleep(POLL_SECONDS)
        query |= {"after": export.next_after, "header": False}
        headless = form == "csv"


class ExportLines:
    """A count of the lines that pass, without those of the header."""

    def __init__(self) -> None:
        self.count = 0
        self._start = b""  # of the line that is passing

    def of(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass *pieces* on."""
        for piece in pieces:
            *ended, rest = piece.split(b"\n")
            for line in ended:
                self.count += not (self._start + line).startswith(HEADER)
                self._start = b""
            self._start = (self._start + rest)[: len(HEADER[0])]
            yield piece


def _after_first_line(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest, first = iter(pieces), b""
    for piece in rest:
        first += piece
        if b"\n" in first:
            yield first.partition(b"\n")[2]
            break
    yield from rest


def _keep_export(state: Path, position: str | None) -> None:
    """Replace the file as a whole: after a crash it has the old position or the new one."""
    if position is None:
        raise click.ClickException("This registry is too old for --state: its answer has no position.")
    fresh = state.with_name(f"{state.name}.new")
    with fresh.open("w") as file:
        file.write(f"{position}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(state)


def _refuse_own_options(command: str) -> None:
    """Refuse options of ``registry audit`` in front of a command of its group, which would not get them."""
    context = click.get_current_context()
    options_used = [
        name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if options_used:
        raise click.UsageError(f"Write the options after the command: registry audit {command} …")


def _entry_without_bytes(entry: EntryView, bodies: bool) -> EntryView:
    """Return the entry, with its hashed bytes only if *bodies* is set."""
    if not bodies:
        entry.pop("body", None)
    return entry


def _show_changes(
    session: Session, after: str, limit: int, bodies: bool, query: dict[str, Any], *, wait: float
) -> None:
    """Show at most *limit* entries (0: all) after a position, with those that are sealed in *wait* seconds."""
    items: list[Any] = []
    end = time.monotonic() + wait
    while True:
        size = min(limit - len(items), 200) if limit else 200
        changes = session.registry.audit.changes(after, limit=size, **query)
        items += (_entry_without_bytes(entry, bodies) for entry in changes["items"])
        after = changes["next_after"]
        if limit and len(items) >= limit:
            break
        if not changes["more"]:
            if not changes["waiting"] or time.monotonic() >= end:
                break
            time.sleep(POLL_SECONDS)
    answer = {"items": items, "next_after": after, "more": changes["more"], "waiting": changes["waiting"]}
    rows = [entry_row(entry) for entry in items]
    session.show(answer, lambda: tables.table(ENTRY_COLUMNS, rows, empty="no entries match after this position"))
    if not session.as_json:
        if changes["waiting"]:
            output.note(UNSEALED)
        output.note(f"Go on with: --after {after}")


@audit.command("show")
@click.argument("entry")
@connected
def show_entry(session: Session, entry: str) -> None:
    """Show ENTRY, the id of an audit entry, in full. Needs the role auditor or admin.

    \b
    Example:
      registry audit show 35a3bd7f-7aa4-4a9b-8cae-26643292bc1f
    """
    shown = session.registry.audit.entry(entry)
    session.show(shown, lambda: describe_entry(shown))


@audit.command()
@filters(action="permission, e.g. version:promote", actor="refusals")
@click.option("--address", metavar="ADDRESS", help="Only from this address.")
@click.option("--code", metavar="CODE", help="Only this, e.g. unauthenticated, rate_limited, forbidden.")
@connected
def refusals(session: Session, limit: int, **query: Any) -> None:
    """Count refused logins, permissions and conflicts by hour, the latest first. Needs the role auditor or admin.

    \b
    Example:
      registry audit refusals --since 1d
      registry audit refusals --code rate_limited --json
    """
    rows = session.registry.audit.refusals(**query)
    session.list(rows, REFUSAL_COLUMNS, refusal_row, empty=NO_REFUSALS, limit=limit)


@audit.command()
@click.option("--model", metavar="NAME", help="Only versions that were requested by this name.")
@click.option("--address", metavar="ADDRESS", help="Only from this address.")
@click.option("--actor", metavar="NAME", help="Only downloads of this actor.")
@click.option("--since", type=TIME, help="From this time: RFC 3339, a date, or 2h, 7d (ago).")
@click.option("--until", type=TIME, help="Before this time.")
@common_limit(100)
@connected
def downloads(session: Session, limit: int, **query: Any) -> None:
    """Count requests for the bytes of versions by hour, the latest first. Needs the role auditor or admin.

    \b
    Example:
      registry audit downloads --model fraud --since 7d
      registry audit downloads --actor ci-fraud --json
    """
    rows = session.registry.audit.downloads(**query)
    session.list(rows, DOWNLOAD_COLUMNS, download_row, empty=NO_DOWNLOADS, limit=limit)


@audit.command()
@server.settings
def checkpoint(**overrides: Any) -> None:
    """Record the heads of all chains in the log now. Workers do it every ten minutes; on the server's machine.

    \b
    Example:
      registry audit checkpoint
    """
    server.checkpoint(**overrides)
    output.line("The log names the heads of all chains.")


audit.add_command(log_key)
audit.add_command(new_epoch)
audit.add_command(find_text)
audit.add_command(redact)
audit.add_command(prove)
audit.add_command(verify)
audit.add_command(watch)
