"""``registry admin``: the first way in."""

from __future__ import annotations

from typing import Any

import click

from registry.cli import server


@click.group()
def admin() -> None:
    """First steps on the server's machine."""


@admin.command()
@click.option("--force", is_flag=True, help="Make a new one although there was one; the old one ends.")
@server.settings
def bootstrap(force: bool, **overrides: Any) -> None:
    """Print a token for the first administrator, once.

    \b
    Example:
      registry admin bootstrap
    """
    with server.application(**overrides):
        from registry.services import accounts

        token = accounts.issue_bootstrap(force=force)
    if token is None:
        raise click.ClickException("There was a bootstrap token already. Lost? --force makes a new one.")
    click.echo(token)
