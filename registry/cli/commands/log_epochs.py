"""``registry audit new-epoch`` and ``log-key``: the name and the keys of the sealed log, on the server's machine."""

from __future__ import annotations

from typing import Any

import click

from registry.cli.support import output, server


@click.command("new-epoch")
@click.option("--reason", required=True, metavar="TEXT", help="The reason, recorded in the audit log.")
@server.settings
def new_epoch(reason: str, **overrides: Any) -> None:
    """Go on sealing the audit log under another name, after a backup was restored.

    A restored database lacks entries that were signed. Nothing is sealed in it, because two histories would have the
    same name: registry doctor and /readyz report that. Run this where registry worker runs, with its settings and its
    log key, once you know why the two differ. After a restore run registry admin new-epoch and adopt-store before.

    Auditors must be given the verifier keys that this prints. Recorded in the audit log.

    \b
    Example:
      registry audit new-epoch --reason "restored the backup of 2026-11-21"
    """
    epoch = server.begin_log_epoch(reason, **overrides)
    output.note(f"{epoch.before} ends; {epoch.origin} begins. Sealed so far: {epoch.size}.")
    for key in epoch.keys:
        output.line(str(key))


@click.command("log-key")
@server.settings
def log_key(**overrides: Any) -> None:
    """Print the public keys with which auditors verify checkpoints of the audit log, one a line.

    Give them to auditors by another way than the registry. While a key is replaced there are two lines; one is enough.

    \b
    Example:
      registry audit log-key > registry.keys
    """
    keys = server.log_keys(**overrides)
    if not keys:
        raise click.ClickException(
            "No checkpoint was signed yet, and there is no key here: run this where registry worker runs, with its "
            "REGISTRY_LOG_KEY."
        )
    for key in keys:
        output.line(key)
