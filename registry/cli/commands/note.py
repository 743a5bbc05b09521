"""``registry note``: comments on versions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from registry.cli.support import output
from registry.cli.support.options import connected
from registry.cli.support.parsing import REFERENCE
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client import Reference


@click.command()
@click.argument("ref", type=REFERENCE)
@click.argument("text")
@connected
def note(session: Session, ref: Reference, text: str) -> None:
    """Comment on a version. TEXT is Markdown without HTML; - reads it from stdin.

    The comment is an entry of the history. Every role that can read the version can comment on it. "registry version
    notes" lists the comments.

    \b
    Example:
      registry note fraud:7 "worse on payments from abroad, see the report of October"
      registry note fraud#production - < findings.md
    """
    number = session.number(ref)
    said = sys.stdin.read() if text == "-" else text
    written = session.registry.versions.note(ref.model, number, said)
    session.show(written, lambda: output.line(f"{ref.model}:{number} noted (entry {written['id']})"))
