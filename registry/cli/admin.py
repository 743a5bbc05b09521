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
    """Print a token for the first administrator, once, and keep it in the data directory.

    \b
    Example:
      registry admin bootstrap
    """
    with server.application(**overrides) as app:
        from registry.serve import offer_bootstrap

        if offer_bootstrap(app, force=force) is None:
            raise click.ClickException("There are tokens already. --force makes a bootstrap token all the same.")
