"""``registry admin``: the first way in, and the care of what is stored."""

from __future__ import annotations

from typing import Any

import click

from registry.cli import output, server
from registry.cli.exits import Exit


@click.group()
def admin() -> None:
    """The first token, and the care of the store; on the server's machine."""


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


@admin.command()
@click.option("--dry-run", is_flag=True, help="Only tell what would be deleted now.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@server.settings
def gc(dry_run: bool, as_json: bool, **overrides: Any) -> None:
    """Collect what nothing refers to: bytes of purged versions, strays, uploads that never came.

    What is found is marked first, and deleted after REGISTRY_GC_GRACE seconds if it is still not needed. Workers do
    the same every REGISTRY_GC_INTERVAL seconds. Every deletion is in the audit log.

    \b
    Example:
      registry admin gc --dry-run
      registry admin gc
    """
    found = server.collect(dry_run=dry_run, **overrides)
    deleted = [waste for waste in found if waste.deleted]
    waiting = len(found) - len(deleted)
    freed = sum(waste.size for waste in deleted)
    if as_json:
        items = [{"kind": waste.kind, "name": waste.name, "size": waste.size} for waste in deleted]
        output.document({"dry_run": dry_run, "deleted": items, "bytes": freed, "waiting": waiting})
        return
    if deleted:
        output.table(["kind", "name", "size"], [[waste.kind, waste.name, output.size(waste.size)] for waste in deleted])
    verb = "would be deleted" if dry_run else "deleted"
    output.line(f"{output.count(len(deleted), 'item')} {verb} ({output.size(freed)}); {waiting} waiting")


@admin.command()
@click.option("--deep", is_flag=True, help="Also read and hash every stored file.")
@click.option("--mark", is_flag=True, help="Have workers look again at what is wrong, and ask for the bytes anew.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@server.settings
def fsck(deep: bool, mark: bool, as_json: bool, **overrides: Any) -> None:
    """Compare the database with the store, both ways. Exits with 7 when bytes are missing or changed.

    Strays are no harm: the collector takes them.

    \b
    Example:
      registry admin fsck --deep
    """
    found = server.check_store(deep=deep, mark=mark, **overrides)
    harm = sum(finding.harm for finding in found)
    if as_json:
        items = [{"kind": item.kind, "name": item.name, "detail": item.detail, "harm": item.harm} for item in found]
        output.document({"ok": not harm, "deep": deep, "findings": items})
    else:
        if found:
            output.table(["kind", "name", "detail"], [[item.kind, item.name, item.detail] for item in found])
        read = "every byte was read" if deep else "sizes only; --deep reads every byte"
        strays = output.count(len(found) - harm, "stray")
        output.line(f"{'Whole' if not harm else f'{harm} damaged'}, {strays} ({read}).")
    if harm:
        click.get_current_context().exit(Exit.INTEGRITY)
