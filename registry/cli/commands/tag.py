"""``registry tag``: labels of models and versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from registry.cli.support import output
from registry.cli.support.options import connected, reason
from registry.cli.support.parsing import PAIR, REFERENCE, Pair, distinct
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.types import ModelView, VersionView


@click.group()
def tag() -> None:
    """Label models and versions."""


@tag.command("set")
@click.argument("ref", type=REFERENCE)
@click.argument("tags", nargs=-1, required=True, type=PAIR)
@reason()
@connected
def set_(session: Session, ref: Reference, tags: tuple[Pair, ...], reason: str | None) -> None:
    """Set tags of a model (fraud) or a version (fraud:3).

    \b
    Example:
      registry tag set fraud:3 reviewed=yes team=risk
    """
    _change(session, ref, distinct(tags, "tag"), reason)


@tag.command()
@click.argument("ref", type=REFERENCE)
@click.argument("keys", nargs=-1, required=True)
@reason()
@connected
def remove(session: Session, ref: Reference, keys: tuple[str, ...], reason: str | None) -> None:
    """Remove tags of a model (fraud) or a version (fraud:3).

    \b
    Example:
      registry tag remove fraud:3 reviewed
    """
    _change(session, ref, dict.fromkeys(keys), reason)


def _change(session: Session, ref: Reference, tags: Mapping[str, str | None], reason: str | None) -> None:
    changed: ModelView | VersionView
    if ref.bare:
        name, changed = ref.model, session.registry.models.edit(ref.model, tags=tags, reason=reason)
    else:
        number = session.number(ref)
        name = f"{ref.model}:{number}"
        changed = session.registry.versions.edit(ref.model, number, tags=tags, reason=reason)
    session.show(changed, lambda: output.line(f"{name} {output.joined(changed['tags']) or '(no tags)'}"))
