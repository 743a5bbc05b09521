"""``registry alias``: movable unique names for versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import formatting, output
from registry.cli.support.cells import Moment, Whole
from registry.cli.support.options import connected, expected_current, limit, reason
from registry.cli.support.parsing import ALIAS, MODEL, NUMBER, TIME
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client import Reference

COLUMNS = ("alias", "version", "since", "until", "by", "notes")


def _parse_alias(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> Reference:
    """Return the alias that ``fraud@champion``, or ``fraud champion``, names."""
    if len(value) > 2:
        raise click.UsageError("Name one alias: fraud@champion.")
    return ALIAS.convert("@".join(value), param, ctx)


@click.group()
def alias() -> None:
    """Point names such as fraud@champion at versions."""


@alias.command("set")
@click.argument("alias", type=ALIAS)
@click.argument("number", type=NUMBER)
@reason()
@expected_current
@connected
def set_(
    session: Session, alias: Reference, number: tuple[str | None, int], reason: str | None, **expected: Any
) -> None:
    """Point an alias at version NUMBER (3 or fraud:3) of its model.

    \b
    Example:
      registry alias set fraud@champion 3 --reason "won the comparison" --expected-current 2
    """
    model, target = number
    if model not in (None, alias.model):
        raise click.UsageError(f"{alias} points at versions of {alias.model}, not of {model}.")
    pointed = session.registry.aliases.set(alias.model, str(alias.alias), target, reason=reason, **expected)
    session.show(pointed, lambda: output.line(f"{alias} -> {alias.model}:{pointed['number']}"))


@alias.command()
@click.argument("alias", type=ALIAS)
@click.option("--as-of", type=TIME, help="At this time: RFC 3339, a date, or 2h, 7d (ago).")
@connected
def show(session: Session, alias: Reference, as_of: str | None) -> None:
    """Show the version that an alias points at.

    \b
    Example:
      registry alias show fraud@champion --as-of 7d
    """
    alias_view = session.registry.aliases.get(alias.model, str(alias.alias), as_of=as_of)
    session.show(alias_view, lambda: formatting.alias(alias_view))


@alias.command("list")
@click.argument("name", type=MODEL)
@limit(0)
@connected
def list_(session: Session, name: str, limit: int) -> None:
    """List a model's aliases.

    \b
    Example:
      registry alias list fraud
    """
    session.list(session.registry.aliases.list(name), COLUMNS, _alias_row, empty=f"{name} has no aliases", limit=limit)


@alias.command()
@click.argument("alias", type=ALIAS)
@reason()
@connected
def delete(session: Session, alias: Reference, reason: str | None) -> None:
    """Delete an alias. Its history stays.

    \b
    Example:
      registry alias delete fraud@champion --reason "no longer compared"
    """
    gone = session.registry.aliases.delete(alias.model, str(alias.alias), reason=reason)
    session.show(gone, lambda: output.line(f"{alias} deleted"))


@alias.command()
@click.argument("alias", nargs=-1, required=True, metavar="MODEL@ALIAS", callback=_parse_alias)
@reason()
@connected
def protect(session: Session, alias: Reference, reason: str | None) -> None:
    """Protect an alias: it points at ready versions only, and only a promoter moves or deletes it.

    The alias need not exist yet. Needs the role promoter. MODEL ALIAS, as two words, is accepted too.

    \b
    Example:
      registry alias protect fraud@champion --reason "served from it"
      registry alias protect fraud champion
    """
    done = session.registry.aliases.protect(alias.model, str(alias.alias), reason=reason)
    session.show(done, lambda: output.line(f"{alias} is protected" + ("" if done["changed"] else " already")))


@alias.command()
@click.argument("alias", nargs=-1, required=True, metavar="MODEL@ALIAS", callback=_parse_alias)
@reason()
@connected
def unprotect(session: Session, alias: Reference, reason: str | None) -> None:
    """Stop protecting an alias: a writer may move it again. Needs the role promoter.

    \b
    Example:
      registry alias unprotect fraud@champion --reason "no longer served from"
    """
    done = session.registry.aliases.unprotect(alias.model, str(alias.alias), reason=reason)
    session.show(done, lambda: output.line(f"{alias} is not protected" + ("" if done["changed"] else " anyway")))


@alias.command()
@click.argument("alias", type=ALIAS)
@limit(100)
@connected
def history(session: Session, alias: Reference, limit: int) -> None:
    """List the versions that an alias pointed at, newest first.

    \b
    Example:
      registry alias history fraud@champion
    """
    pointed = session.registry.aliases.history(alias.model, str(alias.alias))
    session.list(pointed, COLUMNS, _alias_row, empty=f"{alias} never pointed at a version", limit=limit)


def _alias_row(alias: Any) -> list[object]:
    name, until = f"{alias['model']}:{alias['number']}", alias["until"]
    span = [Moment(alias["since"]), until and Moment(until)]
    return [Whole(alias["alias"]), Whole(name), *span, alias["actor"], formatting.alias_notes(alias)]
