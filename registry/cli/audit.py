"""``registry audit``: everything that happened, and whether the log is whole."""

from __future__ import annotations

import sys
from typing import Any

import click

from registry.cli import server, views
from registry.cli.exits import Exit
from registry.cli.options import connected, filters
from registry.cli.session import Session


@click.group(invoke_without_command=True)
@filters
@click.option("--model", metavar="NAME", help="Only this model and its versions.")
@click.option("--format", type=click.Choice(["jsonl", "csv"]), help="Export all that match, oldest first.")
@connected
def audit(session: Session, limit: int, model: str | None, format: Any, **query: Any) -> None:
    """Search the audit log, newest first, or export it. Needs the role auditor or admin.

    \b
    Example:
      registry audit --actor alice --since 2026-11-01 --json
      registry audit --model fraud --format csv > fraud.csv
      registry audit verify
    """
    if click.get_current_context().invoked_subcommand:
        return
    if not format:
        entries = session.registry.audit.entries(model=model, **query)
        session.list(entries, views.ENTRY_COLUMNS, views.entry_row, limit=limit)
        return
    stdout = sys.stdout.buffer
    for piece in session.registry.audit.export(format, model=model, **query):
        stdout.write(piece)
    stdout.flush()


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
        click.echo(f"{report.aggregate}: {report.problem or f'{report.entries} entries, whole'}")
    if broken:
        click.get_current_context().exit(Exit.ERROR)
