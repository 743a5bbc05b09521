"""``registry model``: names with versions."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from registry.cli.support import formatting, metric_tables, output
from registry.cli.support.options import connected, fields, limit, reason
from registry.cli.support.parsing import MODEL, PAIR, SLICE, Pair, distinct
from registry.cli.support.session import Session
from registry.domain.stages import Lifecycle as Rules

if TYPE_CHECKING:
    from registry.client.types import Lifecycle

MOST_METRICS = 10  # of one answer
LIFECYCLE = click.Choice([one.value for one in Rules])


@click.group()
def model() -> None:
    """Create, list, edit and delete models."""


@model.command()
@click.argument("name", type=MODEL)
@click.option("--description", metavar="TEXT", help="The purpose of the model.")
@click.option("--tag", "tags", multiple=True, type=PAIR, help="A label, e.g. team=risk.")
@click.option("--lifecycle", type=LIFECYCLE, help="Default: the server's.")
@connected
def create(
    session: Session, name: str, description: str | None, tags: tuple[Pair, ...], lifecycle: Lifecycle | None
) -> None:
    """Create a model. (registry register does so by itself.)

    \b
    Example:
      registry model create fraud --description "Card fraud score" --tag team=risk
    """
    labels = distinct(tags, "--tag") or None
    made = session.registry.models.create(name, description=description, tags=labels, lifecycle=lifecycle)
    session.show(made, lambda: output.line(f"{made['name']} created"))


@model.command("list")
@click.option("--deleted", is_flag=True, help="List the deleted models.")
@fields
@limit(100)
@connected
def list_(session: Session, deleted: bool, fields: tuple[str, ...], limit: int) -> None:
    """List models by name.

    \b
    Example:
      registry model list --limit 0
    """
    field_names = session.fields(formatting.MODEL_FIELDS, fields)
    models = session.registry.models.list(deleted=True if deleted else None, fields=field_names)
    empty = "no deleted models" if deleted else "no models"
    session.list(models, formatting.MODEL_COLUMNS, formatting.model_row, empty=empty, limit=limit)


@model.command()
@click.argument("name", type=MODEL)
@connected
def show(session: Session, name: str) -> None:
    """Show one model.

    \b
    Example:
      registry model show fraud
    """
    model_view = session.registry.models.get(name)
    session.show(model_view, lambda: formatting.model(model_view))


@model.command()
@click.argument("name", type=MODEL)
@click.option(
    "--key", "keys", multiple=True, metavar="METRIC", help="Only this metric. Up to 10; default: the first 10."
)
@click.option("--dataset", metavar="DIGEST", help="Only values that were measured on this dataset.")
@click.option("--slice", "part", type=SLICE, help="Only values on this slice of the data, e.g. country=DE.")
@click.option("--csv", "as_csv", is_flag=True, help="Write a CSV file to stdout.")
@limit(50)
@connected
def metrics(session: Session, name: str, *, as_csv: bool, limit: int, **options: Any) -> None:
    """Show metrics over the versions of a model: the latest value of each, newest version first.

    \b
    Example:
      registry model metrics fraud --key auc --limit 200
      registry model metrics fraud --csv --limit 0 > fraud.csv
    """
    if as_csv and session.as_json:
        raise click.UsageError("--csv and --json are two forms of the same; give one.")
    shown = options["keys"] or tuple(session.registry.models.metric_keys(name)[:MOST_METRICS])
    versions = session.registry.models.metrics(name, shown, dataset=options["dataset"], slice=options["part"])
    if as_csv:
        metric_tables.write_csv(islice(versions, limit) if limit else versions, shown)
        return
    columns = ("version", "stage", *shown)
    session.list(versions, columns, metric_tables.row_of(name, shown), empty=f"{name} has no versions", limit=limit)


@model.command()
@click.argument("name", type=MODEL)
@click.option("--description", metavar="TEXT", required=True, help="The new description.")
@reason()
@connected
def edit(session: Session, name: str, description: str, reason: str | None) -> None:
    """Change a model's description. (Tags: registry tag.)

    \b
    Example:
      registry model edit fraud --description "Card fraud score, EU"
    """
    changed = session.registry.models.edit(name, description=description, reason=reason)
    session.show(changed, lambda: output.line(f"{name} changed"))


@model.command()
@click.argument("name", type=MODEL)
@reason()
@connected
def delete(session: Session, name: str, reason: str | None) -> None:
    """Delete a model. It can be restored; its history stays.

    Needs the role admin and, in lifecycle open while a version holds production, also promoter.

    \b
    Example:
      registry model delete fraud-old --reason "replaced by fraud"
    """
    gone = session.registry.models.delete(name, reason=reason)
    session.show(gone, lambda: output.line(f"{name} deleted; registry model restore brings it back"))


@model.command()
@click.argument("name", type=MODEL)
@reason()
@connected
def restore(session: Session, name: str, reason: str | None) -> None:
    """Bring a deleted model back. Needs the role admin; one with a holder of production also needs promoter.

    \b
    Example:
      registry model restore fraud-old --reason "still needed"
    """
    back = session.registry.models.restore(name, reason=reason)
    session.show(back, lambda: output.line(f"{name} restored"))


@model.command()
@click.argument("name", type=MODEL)
@click.argument("lifecycle", type=LIFECYCLE)
@reason()
@connected
def lifecycle(session: Session, name: str, lifecycle: Lifecycle, reason: str | None) -> None:
    """Set a model's rules: "enforced", or "open" where any move is allowed.

    Needs the role admin and, while a version holds production, also promoter.

    \b
    Example:
      registry model lifecycle legacy open --reason "migration"
    """
    changed = session.registry.models.edit(name, lifecycle=lifecycle, reason=reason)
    session.show(changed, lambda: output.line(f"{name} is {changed['lifecycle']}"))
