"""``registry db``: the database's schema."""

from __future__ import annotations

from typing import Any

import click

from registry.cli.support import output, server
from registry.cli.support.exit_codes import Exit


@click.group()
def db() -> None:
    """Migrate and check the database."""


@db.command()
@click.option(
    "--app-role",
    metavar="NAME",
    envvar="REGISTRY_DATABASE_APP_ROLE",
    help="PostgreSQL: give this role what the application needs, and no right to change history.",
)
@click.option(
    "--app-password",
    metavar="PASSWORD",
    envvar="REGISTRY_DATABASE_APP_PASSWORD",
    help="Make that role where it is not there, with this password; better given in the environment.",
)
@click.option(
    "--sealer-role",
    metavar="NAME",
    envvar="REGISTRY_DATABASE_SEALER_ROLE",
    help="PostgreSQL: let only this role, as which the workers connect, give audit entries their positions.",
)
@click.option(
    "--sealer-password",
    metavar="PASSWORD",
    envvar="REGISTRY_DATABASE_SEALER_PASSWORD",
    help="Make that role where it is not there, with this password.",
)
@server.settings
def upgrade(
    app_role: str | None,
    app_password: str | None,
    sealer_role: str | None,
    sealer_password: str | None,
    **overrides: Any,
) -> None:
    """Bring the schema to this release. Safe to run more than once, and from several machines at once.

    Run it before the new release starts: releases that run go on working with it. An older release leaves a newer
    schema as it is. With PostgreSQL run it as the owner of the tables and let the service connect as another role;
    once named, that role gets its rights again at each upgrade. With --sealer-role the servers' role cannot write the
    sealed log; the workers need the URL of that role.

    \b
    Example:
      registry db upgrade
      registry db upgrade --app-role registry_app
      registry db upgrade --app-role registry_app --sealer-role registry_worker
    """
    settings = server.load(**overrides)
    with server.installed():
        from registry.db import migrate, schema
    url = settings.database_url.reveal()
    with server.refusals():
        app = migrate.DatabaseRole(app_role, app_password or None) if app_role else None
        sealer = migrate.DatabaseRole(sealer_role, sealer_password or None) if sealer_role else None
        roles = migrate.upgrade(url, app=app, sealer=sealer)
        click.echo(f"The database is at {schema.current(url)}.")
    for role, seals in roles.items():
        also = " and may seal the audit log" if seals and len(roles) > 1 else ""
        click.echo(f"The role {role} has the application's rights{also}.")


@db.command()
@server.settings
def current(**overrides: Any) -> None:
    """Show the schema's revision, and whether this release works with it.

    \b
    Example:
      registry db current
    """
    settings = server.load(create=False, **overrides)
    with server.installed():
        from registry.db import migrate
    with server.refusals():
        output.line(migrate.describe(settings.database_url.reveal()))


@db.command()
@server.settings
def check(**overrides: Any) -> None:
    """Compare the database with what this release expects. Exits with 1 when something differs.

    \b
    Example:
      registry db check
    """
    settings = server.load(create=False, **overrides)
    with server.installed():
        from registry.db import migrate
    with server.refusals():
        problems = migrate.check(settings.database_url.reveal())
    for problem in problems:
        output.line(problem)
    if problems:
        click.get_current_context().exit(Exit.ERROR)
    click.echo("The database is as this release expects.")
