"""``registry impact``: which versions used given data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from registry.cli.support.cells import Moment, Whole
from registry.cli.support.options import connected, limit
from registry.cli.support.session import Session

if TYPE_CHECKING:
    from registry.client.types import AffectedView

COLUMNS = ("version", "stage", "state", "used", ("in production since", "until"), "registered")
NONE = "no version used this data"


@click.command()
@click.argument("digest")
@click.option("--stage", type=click.Choice(["production", "staging", "archived", "none"]), help="Only in this stage.")
@limit(50)
@connected
def impact(session: Session, digest: str, limit: int, stage: Any) -> None:
    """List the versions that used the dataset with a digest, those in production first.

    The datasets of a version are those named at its registration. The times are those of its latest tenure in
    production. Deleted versions are included.

    \b
    Example:
      registry impact sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      registry impact md5:0cc175b9c0f1b6a831c399e269772661.dir --stage production --json
    """
    affected = session.registry.lineage.impact(digest, stage=stage, on_warning=session.warn)
    session.list(affected, COLUMNS, _row, empty=NONE, limit=limit)


def _row(one: AffectedView) -> list[object]:
    production = one["production"]
    uses = [f"{use['dataset']} ({use['role']})" for use in one["uses"]]
    return [
        Whole(f"{one['model']}:{one['number']}"),
        Whole(one["stage"]),
        Whole(one["state"]),
        uses,
        _moment(production and production["since"]),
        _moment(production and production["until"]),
        Moment(one["created_at"]),
    ]


def _moment(time: str | None) -> Moment | None:
    return None if time is None else Moment(time)
