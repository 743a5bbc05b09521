"""``registry impact``: which versions depend on data, on a version, on code or on a base model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import output, version_facts
from registry.cli.support.cells import Moment, Whole
from registry.cli.support.options import connected, limit
from registry.cli.support.session import Session
from registry.rules import lineage_limits

if TYPE_CHECKING:
    from registry.client.types import AffectedView

COLUMNS = ("version", "stage", "state", "by way of", ("in production since", "until"), "registered")
NONE = "no version depends on it"
OTHERS = {
    "dataset": ("NAME", "The name or address of a dataset, instead of DATA."),
    "version": ("REF", "A version, like fraud:3, instead of DATA."),
    "code": ("COMMIT", "A commit, of at least seven digits, instead of DATA."),
    "model": ("URI", "A base model, like hf://org/name, instead of DATA."),
}


def _others(function: Any) -> Any:
    for name, (metavar, text) in reversed(OTHERS.items()):
        function = click.option(f"--{name}", metavar=metavar, help=text)(function)
    return function


@click.command()
@click.argument("data", required=False)
@_others
@click.option("--stage", type=click.Choice(["production", "staging", "archived", "none"]), help="Only in this stage.")
@click.option("--as-of", metavar="TIME", help="Stages at this instant, like 2026-11-25T12:00:00Z.")
@limit(50)
@connected
def impact(session: Session, data: str | None, limit: int, stage: Any, as_of: str | None, **others: str | None) -> None:
    """List the versions that depend on DATA, directly or through other data and models; those in production first.

    DATA is a digest, a file or a directory here, of which the digest is computed, or the address of data, whatever its
    content. Of a file in a directory that DVC tracks as a whole, that directory is sought, too. --dataset takes a name.
    A version depends on what it used, and on all that this was made from. The times are of its latest tenure of
    production. Deleted versions are listed too. An empty list is an answer; exit code 4 means that no lineage names it.

    \b
    Example:
      registry impact customers.csv --stage production
      registry impact sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 --json
      registry impact s3://lake/raw.parquet
      registry impact --model hf://org/name
    """
    if (data is not None) + sum(value is not None for value in others.values()) != 1:
        names = ", ".join(f"--{name}" for name in OTHERS)
        raise click.UsageError(f"Give exactly one of DATA, {names}.")
    sought = {**others, **({} if data is None else _sought(data))}
    affected = session.registry.lineage.impact(**sought, stage=stage, as_of=as_of)
    session.list(affected, COLUMNS, _row, empty=NONE, limit=limit)


def _sought(data: str) -> dict[str, str]:
    """Return what is asked about DATA, also with the digests of directories that DVC tracks, as far as they fit."""
    sought = version_facts.sought_data(data)
    if "digest" in sought:
        room = lineage_limits.SOUGHT_DIGESTS - len(sought["digest"].split())
        for directory in version_facts.directories_around(data)[:room]:
            sought["digest"] += f" {directory.digest}"
            place, named_by = (os.path.relpath(path) for path in (directory.path, directory.named_by))
            output.note(
                f"{data} is in {place}, which is {directory.digest} in {named_by}: versions that depend on that are "
                f"listed, too. It is not checked whether {data} was in it with this content."
            )
    return sought


def _row(one: AffectedView) -> list[object]:
    production = one["production"]
    return [
        Whole(f"{one['model']}:{one['number']}"),
        Whole(one["stage"]),
        Whole(one["state"]),
        " > ".join(step["name"] + (f" ({step['role']})" if step["role"] else "") for step in one["path"][:-1]),
        _moment(production and production["since"]),
        _moment(production and production["until"]),
        Moment(one["created_at"]),
    ]


def _moment(time: str | None) -> Moment | None:
    return None if time is None else Moment(time)
