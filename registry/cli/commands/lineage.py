"""``registry lineage``: the graph around a version, and edges that are added, retracted and reinstated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from registry.cli.support import lineage_drawing, output, version_facts
from registry.cli.support.options import connected, reason
from registry.cli.support.parsing import REFERENCE
from registry.cli.support.session import Session
from registry.rules.lineage_kinds import DERIVATIONS

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.types import LineageChangeView, LineageEdgeView, PipelineEventView

DRAWINGS = {"tree": lineage_drawing.tree, "dot": lineage_drawing.dot, "mermaid": lineage_drawing.mermaid}
DATA = "[NAME=]DATA"


@click.group()
def lineage() -> None:
    """Show where versions and data come from, and add what is learned later.

    registry impact lists the versions that depend on data, code or a model. registry export lineage writes the lineage
    of a version for another system.
    """


@lineage.command()
@click.argument("ref", type=REFERENCE)
@click.option("--depth", type=click.IntRange(1, 50), default=3, show_default=True, help="Steps from the version.")
@click.option(
    "--direction",
    type=click.Choice(["up", "down", "both"]),
    default="both",
    show_default=True,
    help="To what it was made from, or to what was made from it.",
)
@click.option(
    "--format", "drawing", type=click.Choice([*DRAWINGS]), default="tree", show_default=True, help="The form."
)
@connected
def show(session: Session, ref: Reference, depth: int, direction: Any, drawing: str) -> None:
    """Draw the lineage around a version; --json prints the graph.

    \b
    Example:
      registry lineage show fraud:3 --depth 5
      registry lineage show fraud#production --direction up --format dot | dot -Tsvg > lineage.svg
    """
    found = session.registry.versions.lineage(ref.model, session.number(ref), depth=depth, direction=direction)
    session.show(found, lambda: _draw(DRAWINGS[drawing](found["graph"])))


@lineage.command()
@click.argument("ref", type=REFERENCE)
@click.option("--data", multiple=True, metavar=f"[ROLE=]{DATA}", help="Data that it used; as in registry register.")
@click.option("--evaluated-on", multiple=True, metavar=DATA, help="Data that it was evaluated on later.")
@click.option("--parent", "parents", multiple=True, type=REFERENCE, help="A version that it derives from.")
@click.option(
    "--base-model", "base_models", multiple=True, metavar="URI[@DIGEST]", help="A model outside of this registry."
)
@click.option("--derivation", type=click.Choice(DERIVATIONS), help="How it derives from its parents and base models.")
@reason()
@connected
def add(session: Session, ref: Reference, reason: str | None, **options: Any) -> None:
    """Add to the lineage of a version.

    It takes what was learned since the registration. What the registration recorded stays as it is. Edges that are
    there stay; retracted ones are reinstated.

    \b
    Example:
      registry lineage add fraud:3 --base-model hf://org/name@0a1b2c --derivation finetune --reason "the team says so"
    """
    change = session.registry.lineage.add(
        ref.model,
        session.number(ref),
        used=version_facts.some([version_facts.dataset(text) for text in options["data"]]),
        evaluated_on=version_facts.some([_dataset(text, "--evaluated-on") for text in options["evaluated_on"]]),
        reason=reason,
        **version_facts.origins(session, options),
    )
    _show_change(session, change)


@lineage.command()
@click.argument("dataset", metavar=DATA)
@click.option("--part-of", multiple=True, metavar=DATA, help="Data that it is a part of.")
@click.option("--from", "transformed_from", multiple=True, metavar=DATA, help="Data that it was made from.")
@click.option("--job", metavar="NAMESPACE/NAME", help="The job that made it.")
@click.option("--job-url", metavar="URL", help="A page about the job.")
@reason()
@connected
def data(session: Session, dataset: str, reason: str | None, **options: Any) -> None:
    """Add to the lineage of a dataset.

    It takes what the dataset is a part of, what it was made from, and by which job. DATA is a file or a directory here,
    a digest, or an address with a digest, as in registry register.

    \b
    Example:
      registry lineage data clean.csv --from raw.csv --job airflow/clean.payments
      registry lineage data train.csv --part-of all=s3://data/payments@sha256:9f86d081…
    """
    change = session.registry.lineage.add_data(
        _dataset(dataset, "DATA"),
        part_of=version_facts.some([_dataset(text, "--part-of") for text in options["part_of"]]),
        transformed_from=version_facts.some([_dataset(text, "--from") for text in options["transformed_from"]]),
        job=_job(options["job"], options["job_url"]),
        reason=reason,
    )
    _show_change(session, change)


@lineage.command()
@click.argument("file", type=click.File("rb"), metavar="FILE")
@connected
def event(session: Session, file: IO[bytes]) -> None:
    """Send events of OpenLineage from a file.

    FILE is a JSON object, or has one on each line; - reads stdin. Pipelines send their events to the registry
    themselves. What was sent before changes nothing.

    \b
    Example:
      registry lineage event event.json
      registry lineage event - < events.ndjson
    """
    results = [session.registry.lineage.send_event(one) for one in _events(file.read())]
    session.show(results, lambda: _print_results(results))


@lineage.command()
@click.argument("edge", type=click.IntRange(1))
@connected
def edge(session: Session, edge: int) -> None:
    """Show an edge with everything that was stated about it.

    registry lineage show --json has the ids of edges.

    \b
    Example:
      registry lineage edge 41
    """
    found = session.registry.lineage.edge(edge)
    session.show(found, lambda: _print_edge(found))


@lineage.command()
@click.argument("edge", type=click.IntRange(1))
@reason(required=True)
@connected
def retract(session: Session, edge: int, reason: str) -> None:
    """Leave an edge out of answers; history keeps it.

    \b
    Example:
      registry lineage retract 41 --reason "the data was named by mistake"
    """
    _show_change(session, session.registry.lineage.retract(edge, reason=reason))


@lineage.command()
@click.argument("edge", type=click.IntRange(1))
@reason(required=True)
@connected
def reinstate(session: Session, edge: int, reason: str) -> None:
    """Take a retracted edge into answers again.

    \b
    Example:
      registry lineage reinstate 41 --reason "the data was used after all"
    """
    _show_change(session, session.registry.lineage.reinstate(edge, reason=reason))


def _draw(lines: Iterable[str]) -> None:
    for line in lines:
        output.line(line)


def _events(content: bytes) -> Sequence[dict[str, Any]]:
    """Return the events of a file. Raises BadParameter."""
    try:
        try:
            events = [json.loads(content)]
        except json.JSONDecodeError:
            events = [json.loads(line) for line in content.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"neither a JSON object nor one on each line: {error}.", param_hint="FILE") from error
    if not events or not all(isinstance(event, dict) for event in events):
        raise click.BadParameter("neither a JSON object nor one on each line.", param_hint="FILE")
    return events


def _print_results(results: Sequence[PipelineEventView]) -> None:
    for one in results:
        entry = f" (entry {one['entry']})" if one["entry"] else ""
        output.line(f"{one['outcome']}: {one['added']} new of {one['edges']} edges{entry}")
        for note in one["notes"]:
            output.line(f"  {note}")


def _dataset(text: str, option: str) -> Any:
    """Return the dataset that a value describes, which has no role here."""
    dataset = {**version_facts.dataset(text, option)}
    dataset.pop("role", None)
    return dataset


def _job(text: str | None, url: str | None) -> Any:
    if text is None:
        if url:
            raise click.UsageError("--job-url is of a job: name it with --job.")
        return None
    namespace, _, name = text.rpartition("/")
    if not namespace or not name:
        raise click.BadParameter("write it as NAMESPACE/NAME.", param_hint="--job")
    return {"namespace": namespace, "name": name} | ({"url": url} if url else {})


def _show_change(session: Session, change: LineageChangeView) -> None:
    def text() -> None:
        for one in change["edges"]:
            _print_edge(one)
        if not change["changed"]:
            output.line("nothing changed")

    session.show(change, text)


def _print_edge(edge: LineageEdgeView) -> None:
    role = f" ({edge['role']})" if edge["role"] else ""
    relation = edge["kind"].replace("_", " ")
    output.line(f"edge {edge['id']}: {edge['source']['name']} {relation}{role} {edge['target']['name']}")
    for one in edge["statements"]:
        actor = one["actor"] or "an erased account"
        output.line(f"  {one['statement']} {output.when(one['at'])} by {actor} (entry {one['entry']})")
