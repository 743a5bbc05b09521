"""``registry audit watch``: a witness of the sealed log, which reads its checkpoints and no entries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from registry.cli.support.options import connected, log_keys
from registry.cli.support.parsing import DURATION
from registry.cli.support.session import Session


@click.command()
@log_keys
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The file with the last checkpoint. Store it where the registry's operator cannot write.",
)
@click.option("--every", type=DURATION, default="5m", show_default=True, help="Time between two checks: 30s, 5m, 1h.")
@click.option("--once", is_flag=True, help="Check once and exit, for a scheduled job.")
@click.option(
    "--give-up",
    type=DURATION,
    default="1d",
    show_default=True,
    help="Exit with 2 when no checkpoint was verified for this time.",
)
@connected
def watch(session: Session, keys: Sequence[str], state: Path, every: float, once: bool, give_up: float) -> None:
    """Watch the sealed log as a witness: each checkpoint must continue the one before. Needs the role auditor or admin.

    Reads checkpoints and hashes, and no entries. Prints a line for each new checkpoint. Exits with 1 when the log was
    forked, cut or begun again, and keeps that checkpoint next to the state as evidence. An outage is a warning; the
    command goes on until --give-up is over, and with --once exits with 2.

    \b
    Example:
      registry audit watch --state witness.json --every 5m
      registry audit watch --state witness.json --once --key registry.example/audit+1a2b3c4d+AbC…=
    """
    from registry.cli.proof import witness

    outcome = witness.watch(session, keys, state, every=every, once=once, give_up=give_up)
    click.get_current_context().exit(outcome)
