"""``registry audit``: everything that happened, read once or incrementally, and whether the log is whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from registry.cli import output, server, views
from registry.cli.exits import Exit
from registry.cli.options import connected, filters
from registry.cli.session import Session

START = "start"


@click.group(invoke_without_command=True)
@filters
@click.option("--model", metavar="NAME", help="Only this model and its versions.")
@click.option("--format", type=click.Choice(["jsonl", "csv"]), help="Export all that match, oldest first.")
@click.option("--after", metavar="POSITION", help="Only what follows: start, or the position of an earlier answer.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Export what is new since this file was last written; it keeps the position.",
)
@connected
def audit(session: Session, limit: int, model: str | None, **query: Any) -> None:
    """Search the audit log, newest first, or export it. Needs the role auditor or admin.

    With --after or --state each entry is read once, however late its transaction was committed; --since can miss some.

    \b
    Example:
      registry audit --actor alice --since 2026-11-01 --json
      registry audit --model fraud --format csv > fraud.csv
      registry audit --state audit.position >> audit.jsonl
      registry audit verify
    """
    if click.get_current_context().invoked_subcommand:
        return
    form, after, state = query.pop("format"), query.pop("after"), query.pop("state")
    query["model"] = model
    if state and after:
        raise click.UsageError("Give --after or --state, not both.")
    if state:
        position = state.read_text().strip() if state.exists() else START
        _keep(state, _export(session, form or "jsonl", after=position, **query))
    elif form:
        if position := _export(session, form, after=after, **query):
            output.note(f"Go on with: --after {position}")
    elif after:
        _changes(session, after, limit, query)
    else:
        session.list(session.registry.audit.entries(**query), views.ENTRY_COLUMNS, views.entry_row, limit=limit)


def _export(session: Session, form: Any, **query: Any) -> str | None:
    """Write the file to stdout; return the position after it."""
    export = session.registry.audit.export(form, **query)
    output.pass_on(export)
    return export.next_after


def _keep(state: Path, position: str | None) -> None:
    """Replace the file as a whole: after a crash it has the old position or the new one."""
    if position is None:
        raise click.ClickException("This registry is too old for --state: its answer has no position.")
    fresh = state.with_name(f"{state.name}.new")
    with fresh.open("w") as file:
        file.write(f"{position}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(state)


def _changes(session: Session, after: str, limit: int, query: dict[str, Any]) -> None:
    """Show at most *limit* entries (0: all) after a position."""
    items: list[Any] = []
    while True:
        size = min(limit - len(items), 200) if limit else 200
        found = session.registry.audit.changes(after, limit=size, **query)
        items += found["items"]
        after = found["next_after"]
        if not found["more"] or (limit and len(items) >= limit):
            break
    answer = {"items": items, "next_after": after, "more": found["more"], "waiting": found["waiting"]}
    session.show(answer, lambda: output.table(views.ENTRY_COLUMNS, [views.entry_row(entry) for entry in items]))
    if not session.as_json:
        output.note(f"Go on with: --after {after}")


@audit.command()
@filters
@click.option("--address", metavar="ADDRESS", help="Only from this address.")
@click.option("--code", metavar="CODE", help="Only this, e.g. unauthenticated, rate_limited, forbidden.")
@connected
def refusals(session: Session, limit: int, **query: Any) -> None:
    """Count refused logins, permissions and transitions by hour, the latest first. Needs the role auditor or admin.

    --action is the permission that was needed, e.g. version:promote.

    \b
    Example:
      registry audit refusals --since 1d
      registry audit refusals --code rate_limited --json
    """
    found = session.registry.audit.refusals(**query)
    session.list(found, views.REFUSAL_COLUMNS, views.refusal_row, limit=limit)


@audit.command()
@server.settings
def verify(**overrides: Any) -> None:
    """Walk every chain of the audit log, on the server's machine. Exits with 1 when an entry does not fit.

    \b
    Example:
      registry audit verify
    """
    broken = 0
    for report in server.verify_audit(**overrides):
        broken += report.problem is not None
        output.line(f"{report.aggregate}: {report.problem or f'{report.entries} entries, whole'}")
    if broken:
        click.get_current_context().exit(Exit.ERROR)
