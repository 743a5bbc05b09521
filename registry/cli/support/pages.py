"""The page of the model or the version that a command has named, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import output
from registry.cli.support.parsing import ModelParam, ReferenceParam
from registry.rules import page_addresses

if TYPE_CHECKING:
    from registry.cli.support.session import Session
    from registry.rules.references import Reference


def point_to(session: Session, arguments: Mapping[str, Any]) -> None:
    """Write the address of the page to stderr, when people read stdout and the registry has announced pages.

    The registry is not asked: the address follows from the arguments and the printed result.
    """
    if session.as_json or not sys.stdout.isatty() or not session.has_pages:
        return
    if path := _page_of(_references_in(arguments), session.shown):
        output.note(f"page {session.registry.url}{path}")


def of(reference: Reference, number: int | None = None) -> str:
    """Return the path of the page of a reference; *number* is the version that it names now, if any."""
    number = reference.version or number
    if number is not None:
        return page_addresses.version(reference.model, number)
    if reference.alias is not None:
        return page_addresses.alias(reference.model, reference.alias)
    return page_addresses.model(reference.model)


def _references_in(arguments: Mapping[str, Any]) -> list[Reference]:
    """Return the models and versions among the arguments of the command."""
    from registry.rules.references import Reference

    named = []
    for param in click.get_current_context().command.params:
        value = arguments.get(param.name or "")
        if isinstance(param.type, ReferenceParam) and isinstance(value, Reference):
            named.append(value)
        elif isinstance(value, str) and (isinstance(param.type, ModelParam) or param.name == "model"):
            named.append(Reference(value))
    return named


def _page_of(named: list[Reference], shown: Any) -> str | None:
    if not named:
        return None
    if len(named) > 1 and not any(reference.bare for reference in named):
        return page_addresses.comparison(named)
    result = shown if isinstance(shown, Mapping) else {}
    number = result.get("number")
    return of(named[0], number if isinstance(number, int) else None)
