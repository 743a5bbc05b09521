"""``registry export``."""

from __future__ import annotations

import click

from registry.cli.support import progress_bar
from registry.cli.support.options import connected, jobs, resumable
from registry.cli.support.session import Session


@click.group()
def export() -> None:
    """Export versions of this registry to another one."""


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
