"""``registry show`` and ``registry history``: what is, and how it came to be."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import formatting
from registry.cli.support.entries import ENTRY_COLUMNS, NO_ENTRIES, entry_row
from registry.cli.support.options import connected, filters
from registry.cli.support.parsing import REFERENCE, TIME
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.types import VersionView


@click.command()
@click.argument("ref", type=REFERENCE)
@click.option("--as-of", type=TIME, help="Who it was then: RFC 3339, a date, or 2h, 7d (ago).")
@connected
def show(session: Session, ref: Reference, as_of: str | None) -> None:
    """Show a model, a version, or who holds a stage or an alias.

    The JSON of a stage or an alias has the version under "version"; "number" is always its number.

    \b
    Example:
      registry show fraud
      registry show fraud:3 --json
      registry show fraud#production --as-of 2026-11-20T12:00:00Z
    """
    if ref.stage:
        _print_stage(session, ref, as_of)
    elif ref.alias:
        _alias(session, ref, as_of)
    elif as_of:
        raise click.UsageError("--as-of is for a stage or an alias, e.g. fraud#production or fraud@champion.")
    elif ref.version:
        version = session.registry.versions.get(ref.model, ref.version)
        session.show(version, lambda: _version(session, version))
    else:
        model = session.registry.models.get(ref.model)
        session.show(model, lambda: formatting.model(model))


@click.command()
@click.argument("ref", type=REFERENCE)
@filters()
@connected
def history(session: Session, ref: Reference, limit: int, **query: Any) -> None:
    """Show what happened to a model or a version, newest first.

    \b
    Example:
      registry history fraud
      registry history fraud:3 --action version.promoted --since 7d
    """
    if ref.bare:
        entries = session.registry.models.history(ref.model, **query)
    else:
        entries = session.registry.versions.history(ref.model, session.number(ref), **query)
    session.list(entries, ENTRY_COLUMNS, entry_row, empty=NO_ENTRIES, limit=limit)


def _version(session: Session, version: VersionView) -> None:
    """Print a version with its newest notes; a service of an earlier release has none."""
    from registry.client.errors import NotFound  # loads requests

    formatting.version(version)
    with suppress(NotFound):
        name, number = version["model"], version["number"]
        newest = session.registry.versions.notes(name, number, limit=formatting.NOTES + 1)
        formatting.notes(f"{name}:{number}", list(newest))


def _print_stage(session: Session, ref: Reference, as_of: str | None) -> None:
    holder = session.registry.stages.holder(ref.model, str(ref.stage), as_of=as_of)
    version = session.registry.versions.get(ref.model, holder["number"])

    def say() -> None:
        formatting.holder(holder)
        _version(session, version)

    session.show({**holder, "version": version}, say)


def _alias(session: Session, ref: Reference, as_of: str | None) -> None:
    alias = session.registry.aliases.get(ref.model, str(ref.alias), as_of=as_of)
    version = session.registry.versions.get(ref.model, alias["number"])

    def say() -> None:
        formatting.alias(alias)
        _version(session, version)

    session.show({**alias, "version": version}, say)
