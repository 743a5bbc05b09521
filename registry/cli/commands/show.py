"""``registry show`` and ``registry history``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import formatting, stage_choices
from registry.cli.support.entries import ENTRY_COLUMNS, NO_ENTRIES, entry_row
from registry.cli.support.options import connected, filters
from registry.cli.support.parsing import REFERENCE, TIME
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.types import EntryView, HeldStage, VersionView


@click.command()
@click.argument("ref", type=REFERENCE)
@click.option("--as-of", type=TIME, help="At this time: RFC 3339, a date, or 2h, 7d (ago).")
@click.option("--moves", is_flag=True, help="The stages that a version can enter, or the targets of a rollback.")
@connected
def show(session: Session, ref: Reference, as_of: str | None, moves: bool) -> None:
    """Show a model, a version, or the version that a stage or an alias names.

    The JSON of a stage or an alias has the version under "version"; "number" is always its number. With --moves, show
    the effect of a move of a version to each stage, or the possible targets of a rollback of a model.

    \b
    Example:
      registry show fraud
      registry show fraud:3 --json
      registry show fraud:3 --moves
      registry show fraud#production --as-of 2026-11-20T12:00:00Z
    """
    if moves:
        _moves(session, ref, as_of)
    elif ref.stage:
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
@click.argument("ref", type=REFERENCE, required=False)
@filters()
@click.option("--tenures", is_flag=True, help="Show the tenures of a model: its versions in each stage, with times.")
@click.option("--stage", type=click.Choice(["staging", "production", "archived"]), help="Tenures of this stage only.")
@connected
def history(
    session: Session, ref: Reference | None, limit: int, tenures: bool, stage: HeldStage | None, **query: Any
) -> None:
    """Show the history of a model or a version, newest first. Without REF: the changes of all models.

    \b
    Example:
      registry history --since 7d
      registry history fraud
      registry history fraud:3 --action version.promoted --since 7d
      registry history fraud --tenures --stage production
    """
    if stage and not tenures:
        raise click.UsageError("--stage chooses the tenures of --tenures; add it.")
    if tenures:
        _tenures(session, ref, stage, limit, query)
    else:
        session.list(_entries(session, ref, query), ENTRY_COLUMNS, entry_row, empty=NO_ENTRIES, limit=limit)


def _entries(session: Session, ref: Reference | None, query: dict[str, Any]) -> Iterator[EntryView]:
    if ref is None:
        return session.registry.overview.changes(**query)
    if ref.bare:
        return session.registry.models.history(ref.model, **query)
    return session.registry.versions.history(ref.model, session.number(ref), **query)


def _version(session: Session, version: VersionView) -> None:
    """Print a version, what is missing to build it again, its notes and its checks; earlier releases have none."""
    from registry.client.errors import NotFound  # loads requests

    name, number = version["model"], version["number"]
    report = None
    with suppress(NotFound):
        report = session.registry.lineage.reproducibility(name, number)
    formatting.version(version, report)
    with suppress(NotFound):
        newest = session.registry.versions.notes(name, number, limit=formatting.NOTES + 1)
        formatting.notes(f"{name}:{number}", list(newest))
    with suppress(NotFound):
        formatting.checks(session.registry.versions.checks(name, number))


def _tenures(
    session: Session, ref: Reference | None, stage: HeldStage | None, limit: int, query: dict[str, Any]
) -> None:
    if ref is None or not ref.bare:
        named = ref.model if ref else "NAME"
        raise click.UsageError(f"--tenures lists those of a model: registry history {named} --tenures")
    if any(query.values()):
        raise click.UsageError("--tenures cannot be filtered by --actor, --action, --since or --until.")
    found = session.registry.stages.tenures(ref.model, stage=stage)
    session.list(
        found, stage_choices.TENURE_COLUMNS, stage_choices.tenure_row, empty="No version was in a stage.", limit=limit
    )


def _moves(session: Session, ref: Reference, as_of: str | None) -> None:
    if as_of:
        raise click.UsageError("--moves shows what can be done now; leave out --as-of.")
    if ref.bare:
        ways = session.registry.stages.ways_back(ref.model)
        session.show(ways, lambda: stage_choices.ways_back(ways))
    else:
        options = session.registry.stages.options(ref.model, session.number(ref))
        session.show(options, lambda: stage_choices.options(options))


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
