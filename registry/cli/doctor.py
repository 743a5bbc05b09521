"""``registry doctor``: is this installation well?"""

from __future__ import annotations

from typing import Any

import click

from registry.cli import output, server
from registry.cli.exits import Exit


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@server.settings
def doctor(as_json: bool, **overrides: Any) -> None:
    """Look at the settings, the database, the store and the workers' backlog, on the server's machine.

    Exits with 8 when something is wrong, and says what to do about it.

    \b
    Example:
      registry doctor
    """
    checks = server.examine(**overrides)
    if as_json:
        output.document({name: {"ok": check.ok, "detail": check.detail} for name, check in checks.items()})
    else:
        rows = [[name, "ok" if check.ok else "WRONG", check.detail] for name, check in checks.items()]
        output.table(["what", "state", "detail"], rows)
    if not all(check.ok for check in checks.values()):
        click.get_current_context().exit(Exit.UNAVAILABLE)
