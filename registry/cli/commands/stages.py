"""``registry promote``, ``demote``, ``archive`` and ``rollback``: moves between stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import gate_lines, output
from registry.cli.support.exit_codes import Exit
from registry.cli.support.options import connected, expected_current, reason
from registry.cli.support.parsing import MODEL, REFERENCE
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.types import MovedView, Stage

dry_run = click.option("--dry-run", is_flag=True, help="Show the effect without changing anything.")


@click.command()
@click.argument("ref", type=REFERENCE)
@click.option("--to", "stage", type=click.Choice(["staging", "production"]), required=True, help="The target stage.")
@reason(required=True)
@click.option(
    "--break-glass",
    is_flag=True,
    help="Move past the gates and approvals; requires the role responder, and is shown until it is acknowledged.",
)
@expected_current
@dry_run
@connected
def promote(session: Session, ref: Reference, stage: Stage, **terms: Any) -> None:
    """Move a version to staging or production. Entering production archives the version that was in it.

    \b
    Example:
      registry promote fraud:3 --to production --reason "approved by risk"
      registry promote fraud:3 --to production --reason hotfix --expected-current 2
      registry promote fraud:3 --to production --reason "outage" --break-glass
    """
    _move_version(session, ref, stage, **terms)


@click.command()
@click.argument("ref", type=REFERENCE)
@reason(required=True)
@connected
def acknowledge(session: Session, ref: Reference, reason: str) -> None:
    """Acknowledge that another account moved a version past the gates (promote --break-glass).

    Requires the role approver.

    \b
    Example:
      registry acknowledge fraud:3 --reason "outage of 30 November"
    """
    number = session.number(ref)
    version = session.registry.stages.acknowledge(ref.model, number, reason=reason)
    session.show(version, lambda: output.line(f"{ref.model}:{number}: the move past the gates is acknowledged"))


@click.command()
@click.argument("ref", type=REFERENCE)
@reason(required=True)
@dry_run
@connected
def demote(session: Session, ref: Reference, reason: str, dry_run: bool) -> None:
    """Take a version out of staging again.

    \b
    Example:
      registry demote fraud:4 --reason "fails on the new schema"
    """
    _move_version(session, ref, "none", reason=reason, dry_run=dry_run)


@click.command()
@click.argument("ref", type=REFERENCE)
@reason(required=True)
@click.option("--leave-vacant", is_flag=True, help="Also from production, leaving production vacant.")
@expected_current
@dry_run
@connected
def archive(session: Session, ref: Reference, reason: str, leave_vacant: bool, dry_run: bool, **expected: Any) -> None:
    """Retire a version.

    \b
    Example:
      registry archive fraud:1 --reason "replaced"
      registry archive fraud#production --reason "withdrawn" --leave-vacant
    """
    _move_version(session, ref, "archived", reason=reason, leave_vacant=leave_vacant, dry_run=dry_run, **expected)


@click.command()
@click.argument("name", type=MODEL)
@reason(required=True)
@click.option(
    "--to", type=click.IntRange(min=1), metavar="NUMBER", help="An earlier holder; default: the previous one."
)
@click.option(
    "--without-store-check",
    is_flag=True,
    help="Roll back even if the store does not respond; requires the role responder, and is recorded.",
)
@expected_current
@dry_run
@connected
def rollback(session: Session, name: str, **terms: Any) -> None:
    """Return production to the previous version. A store that does not respond is reported within seconds.

    `registry show NAME --moves` lists the versions that it can return to.

    \b
    Example:
      registry rollback fraud --reason "latency regression"
      registry rollback fraud --reason "wrong feature" --to 1 --dry-run
      registry rollback fraud --reason "the store is down" --without-store-check
    """
    _show_move(session, session.registry.stages.roll_back(name, **terms))


def _move_version(session: Session, ref: Reference, stage: Stage, **options: Any) -> None:
    _show_move(session, session.registry.stages.move(ref.model, session.number(ref), stage, **options))
    if options.get("break_glass") and not (options.get("dry_run") or session.as_json):
        output.line(f"  shown as moved past the gates until an approver acknowledges it: registry acknowledge {ref}")


def _show_move(session: Session, move: MovedView) -> None:
    for warning in move.get("warnings", ()):  # an older registry omits it
        output.note(f"warning: {warning}")
    session.show(move, lambda: _print_move(move))
    gates = move.get("gates")
    if gates and not gates["passed"]:
        click.get_current_context().exit(Exit.REFUSED)


def _print_move(move: MovedView) -> None:
    output.line(output.moved(move))
    if gates := move.get("gates"):  # an older registry omits it
        summary = gate_lines.summary(gates, move["target"])
        output.line(f"{'it would be refused: ' if not gates['passed'] else ''}{summary}")
        for line in gate_lines.lines(gates["gates"]):
            output.line(line)
