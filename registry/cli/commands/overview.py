"""``registry inventory`` and ``registry attention``: versions in a stage, and versions that need attention."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from registry.cli.support import output
from registry.cli.support.cells import Moment, Whole
from registry.cli.support.options import connected
from registry.cli.support.options import limit as limit_option
from registry.cli.support.parsing import TIME
from registry.cli.support.session import Session
from registry.rules import csv_cells

if TYPE_CHECKING:
    from registry.client.types import ConcernView, ServingView, Stage

_COLUMNS = ("version", "stage", "since", "now", "by", "because")
_CSV_COLUMNS = ("model", "named", "stage", "number", "since", "until", "actor", "reason", "entry", "now",
                "manifest_digest", "kind", "damaged", "uncertain")  # fmt: skip
_CONCERN_COLUMNS = ("version", "kind", "since", "why")


@click.command()
@click.option("--as-of", type=TIME, help="At this time: RFC 3339, a date, or 2h, 7d (ago).")
@click.option(
    "--stage",
    type=click.Choice(["production", "staging"]),
    default="production",
    help="The stage. [default: production]",
)
@click.option("--filter", metavar="FILTER", help="Only models that match, as in registry search --models.")
@click.option("--csv", "as_csv", is_flag=True, help="Write a CSV file to stdout.")
@limit_option(200)
@connected
def inventory(session: Session, as_of: str | None, stage: Stage, filter: str | None, as_csv: bool, limit: int) -> None:
    """Show the version of each model that is in production or staging, now or at a time.

    \b
    Example:
      registry inventory
      registry inventory --as-of 2026-11-20T12:00:00Z --json
      registry inventory --filter "tags.team = 'risk'" --csv --limit 0 > serving.csv
    """
    if as_csv and session.as_json:
        raise click.UsageError("--csv and --json are alternatives; give one of them.")
    found = session.registry.overview.inventory(stage=stage, as_of=as_of, filter=filter, on_warning=session.warn)
    if as_csv:
        for line in csv_cells.lines(_CSV_COLUMNS, islice(found, limit) if limit else found):
            click.echo(line, nl=False)
        return
    empty = f"no version {'was' if as_of else 'is'} in {stage}"
    session.list(found, _COLUMNS, _serving_row, empty=empty, limit=limit)


@click.command()
@connected
def attention(session: Session) -> None:
    """Show versions that need attention: held, damaged, without recorded lineage, pending for too long, or failed.

    Holds, damage and missing lineage are reported for versions in production only. Requests that wait for your approval
    are counted.

    \b
    Example:
      registry attention
    """
    found = session.registry.overview.attention()
    if session.as_json:
        output.document(found)
        return
    empty = "no version is listed" if found["more"] else "no version needs attention"
    session.list(found["items"], _CONCERN_COLUMNS, _concern_row, empty=empty)
    if found["more"]:
        output.note(f"There are more of these kinds than are listed: {', '.join(found['more'])}")
    if waiting := found.get("requests"):
        output.note(
            f"waiting for your approval: {output.count(len(waiting), 'request')}; registry request list --for-me"
        )


def _serving_row(serving: ServingView) -> list[object]:
    version = f"{serving['model']}:{serving['number']}"
    marks = [word for word in ("damaged", "uncertain") if serving[word]]
    marks += ["held"] if serving.get("holds") else []
    now = "none" if serving["now"] is None else str(serving["now"])
    stage = " ".join([serving["stage"], *marks])
    return [Whole(version), stage, Moment(serving["since"]), now, serving["actor"], serving["reason"] or ""]


def _concern_row(concern: ConcernView) -> list[object]:
    since = Moment(concern["since"] or "")
    return [Whole(f"{concern['model']}:{concern['version']}"), Whole(concern["kind"]), since, concern["text"]]
