"""``registry gates``: what the policy of a model says of a version now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from registry.cli.support import gate_lines, output, version_warnings
from registry.cli.support.exit_codes import Exit
from registry.cli.support.options import connected
from registry.cli.support.parsing import REFERENCE
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.types import StageGatesView


@click.command()
@click.argument("ref", type=REFERENCE)
@click.option(
    "--stage",
    type=click.Choice(["staging", "production"]),
    default="production",
    show_default=True,
    help="The stage whose rules are evaluated.",
)
@connected
def gates(session: Session, ref: Reference, stage: Literal["staging", "production"]) -> None:
    """Show what each rule of a stage says of a version, what would satisfy it, and the holds that keep it out.

    Exits with 6 if a rule is not met, or the version is held.

    \b
    Example:
      registry gates fraud:3
      registry gates fraud:3 --stage staging
    """
    number = session.number(ref)
    found = session.registry.gates.verdicts(ref.model, number, stage=stage)
    if glass := version_warnings.past_gates(session.registry.versions.get(ref.model, number)):
        session.warn(f"{found['model']}:{number} was moved past the gates {glass}")
    session.show(found, lambda: _print_gates(found))
    if not found["passed"]:
        click.get_current_context().exit(Exit.REFUSED)


def _print_gates(found: StageGatesView) -> None:
    name, stage, evaluation = f"{found['model']}:{found['number']}", found["stage"], found["evaluation"]
    held = found.get("holds", [])  # an older registry omits it
    summary = gate_lines.summary(evaluation, stage) if evaluation else "no policy guards it"
    output.line(f"{name} to {stage}: {'held; ' if held else ''}{summary}")
    for line in (*gate_lines.hold_lines(held), *gate_lines.lines(evaluation["gates"] if evaluation else ())):
        output.line(line)
