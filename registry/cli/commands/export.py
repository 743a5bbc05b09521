"""``registry export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli.support import output, progress_bar
from registry.cli.support.options import connected, jobs, resumable
from registry.cli.support.parsing import REFERENCE
from registry.cli.support.session import Session
from registry.rules.lineage_kinds import EXPORT_FORMATS

if TYPE_CHECKING:
    from registry.client import Reference
    from registry.client.types import LineageFormat


@click.group()
def export() -> None:
    """Export versions to another registry, and their lineage to other systems."""


@export.command("mlflow")
@click.option("--to", "uri", required=True, metavar="URI", help="http(s)://…, sqlite:///…, a directory: as MLflow's.")
@click.option("--model", "models", multiple=True, metavar="NAME", help="Only this one. Repeatable.")
@click.option("--dry-run", is_flag=True, help="Show the effect without changing anything.")
@jobs
@connected
def mlflow(session: Session, uri: str, models: tuple[str, ...], dry_run: bool, jobs: int) -> None:
    """Export models, versions, stages, aliases and tags to an MLflow registry, with their files.

    Each version's files become the artifacts of a separate run in the experiment registry-export, with its params and
    metrics. Metrics on datasets go on a logged model of that run, which MLflow has since 3.0; it keeps 36 characters of
    a digest, and the tag registry.dataset.… has the whole. Numbers stay equal: where one is missing here, a version is
    made there and deleted again. To resume, run the command again: versions that exist there with the same digest (the
    tag registry.manifest_digest) are skipped. Only versions with verified files are exported. Prompts keep their texts,
    numbers, tags and aliases. The exit code is 1 if anything was left out.

    \b
    Example:
      registry export mlflow --to https://mlflow.example --dry-run
      registry export mlflow --to sqlite:///mlflow.db --model fraud
    """
    from registry.cli.mlflow.export import MlflowExport
    from registry.cli.mlflow.library import Library
    from registry.cli.mlflow.prompt_export import PromptExport
    from registry.cli.mlflow.report import Report

    library = Library(uri, there=False)
    registry = session.registry
    report = Report(registry.url, library.uri, dry_run)
    with resumable(session), progress_bar.progress(quiet=session.as_json) as progress, library.explained():
        work = MlflowExport(library, registry, report, jobs=jobs, progress=progress)
        prompts = PromptExport(library, registry, report)
        for model in [registry.models.get(name) for name in models] if models else registry.models.list():
            if library.is_prompt(model["tags"]):
                prompts.give(model)
            else:
                work.give(model)
    report.show(session)


@export.command("lineage")
@click.argument("ref", type=REFERENCE)
@click.option("--format", "form", type=click.Choice(EXPORT_FORMATS), required=True, help="The format of the document.")
@click.option(
    "-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write the document to this file."
)
@connected
def export_lineage(session: Session, ref: Reference, form: LineageFormat, target: Path | None) -> None:
    """Print the lineage of a version as a JSON document for another system.

    The formats are an event of OpenLineage, a document of W3C PROV-JSON, and a bill of materials (ML-BOM) of
    CycloneDX: the model, the hashes of its files, data, base models, licence and model card. Retracted edges are left
    out. The same state of the registry gives the same bytes.

    \b
    Example:
      registry export lineage fraud:3 --format cyclonedx-1.7 -o fraud-3.cdx.json
      registry export lineage fraud#production --format openlineage
    """
    number = session.number(ref)
    document = session.registry.lineage.export(ref.model, number, form)
    if target is None:
        session.show(json.loads(document), lambda: output.pass_on([document]))
        return
    target.write_bytes(document)
    written = {"version": {"model": ref.model, "number": number}, "file": str(target), "bytes": len(document)}
    session.show(written, lambda: output.line(f"Lineage of {ref.model}:{number}: {target}"))
