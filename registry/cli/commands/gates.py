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
    """Show what each rule of a stage says of a version, and what would satisfy it. Exits with 6 if one is not met.

    \b
    Example:
      registry gates fraud:3
      registry gates fraud:3 --stage staging
    """
    number = session.number(ref)
    found = session.registry.gates.verdicts(ref.model, number, stage=stage)
    for warning in version_warnings.warnings(session.registry.versions.get(ref.model, number)):  # a hold is no gate
        session.warn(warning)
    session.show(found, lambda: _print_gates(found))
    if not found["passed"]:
        click.get_current_context().exit(Exit.REFUSED)


def _print_gates(found: StageGatesView) -> None:
    name, evaluation = f"{found['model']}:{found['number']}", found["evaluation"]
    if evaluation is None:
        output.line(f"{name} to {found['stage']}: no policy guards it")
        return
    output.line(f"{name} to {found['stage']}: {gate_lines.summary(evaluation)}")
    for line in gate_lines.lines(evaluation["gates"]):
        output.line(line)
